"""Messages in chunks (Adobe's RTMP 1.0 specification, section 5)."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

SET_CHUNK_SIZE, ABORT, ACKNOWLEDGEMENT, USER_CONTROL, WINDOW_SIZE, PEER_BANDWIDTH = 1, 2, 3, 4, 5, 6
AUDIO, VIDEO, DATA, COMMAND_AMF3, COMMAND = 8, 9, 18, 17, 20
_DEFAULT_CHUNK = 128
OWN_CHUNK = 4_096
MOST_BYTES = 65_536
"""Of a message that comes in: answers and status."""
_MOST_STREAMS = 64
_EXTENDED = 0xFFFFFF


class Broken(Exception):
    """What came is no RTMP, or more than makes sense."""


class Message(NamedTuple):
    """One of either direction."""

    kind: int
    body: bytes
    timestamp: int = 0
    """Milliseconds."""
    stream_id: int = 0


class _Coming(NamedTuple):
    """What the header of a chunk stream said last."""

    timestamp: int
    delta: int
    size: int
    kind: int
    stream_id: int


class ChunkReader:
    """Messages out of a connection."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._chunk = _DEFAULT_CHUNK
        self._headers: dict[int, _Coming] = {}
        self._parts: dict[int, bytearray] = {}
        self.received = 0
        """Bytes of messages so far."""

    async def read(self) -> Message:
        """The next one; those about chunks themselves are done with here.

        Raises:
            Broken: it is none.
            asyncio.IncompleteReadError: the connection has ended.
        """
        while True:
            message = await self._chunk_of_message()
            if message is None:
                continue
            self.received += len(message.body)
            if message.kind == SET_CHUNK_SIZE:
                self._chunk = max(1, min(int.from_bytes(message.body[:4], "big") & 0x7FFFFFFF, MOST_BYTES))
            elif message.kind == ABORT:
                self._parts.pop(int.from_bytes(message.body[:4], "big"), None)
            else:
                return message

    async def _chunk_of_message(self) -> Message | None:
        """None while the message goes on."""
        first = (await self._reader.readexactly(1))[0]
        form, stream = first >> 6, first & 0x3F
        if stream < 2:
            stream = 64 + int.from_bytes(await self._reader.readexactly(1 + stream), "little")
        before = self._headers.get(stream)
        if (before is None and form != 0) or len(self._headers) > _MOST_STREAMS:
            raise Broken
        is_new = stream not in self._parts
        head = await self._header(form, before, is_new)
        self._headers[stream] = head
        body = self._parts.setdefault(stream, bytearray())
        body += await self._reader.readexactly(min(self._chunk, head.size - len(body)))
        if len(body) < head.size:
            return None
        del self._parts[stream]
        return Message(head.kind, bytes(body), head.timestamp, head.stream_id)

    async def _header(self, form: int, before: _Coming | None, is_new: bool) -> _Coming:
        raw = await self._reader.readexactly((11, 7, 3, 0)[form])
        timestamp, delta, size, kind, stream_id = before or _Coming(0, 0, 0, 0, 0)
        told = int.from_bytes(raw[:3], "big") if raw else min(delta, _EXTENDED)
        if told == _EXTENDED:
            told = int.from_bytes(await self._reader.readexactly(4), "big")
        if form < 2:
            size, kind = int.from_bytes(raw[3:6], "big"), raw[6]
        if form == 0:
            stream_id = int.from_bytes(raw[7:11], "little")
        if size > MOST_BYTES:
            raise Broken
        if is_new:
            timestamp = told if form == 0 else timestamp + told
        return _Coming(timestamp & 0xFFFFFFFF, told, size, kind, stream_id)


def chunks(message: Message, stream: int) -> bytes:
    """A message as it is sent, in chunks of `OWN_CHUNK` bytes; `stream` is that of chunks, 2 to 63."""
    late = min(message.timestamp, _EXTENDED)
    extended = message.timestamp.to_bytes(4, "big") if late == _EXTENDED else b""
    size = min(OWN_CHUNK, len(message.body)) if message.kind != SET_CHUNK_SIZE else len(message.body)
    found = bytearray([stream])
    found += late.to_bytes(3, "big") + len(message.body).to_bytes(3, "big") + bytes([message.kind])
    found += message.stream_id.to_bytes(4, "little") + extended + message.body[:size]
    for at in range(size, len(message.body), OWN_CHUNK):
        found += bytes([0xC0 | stream]) + extended + message.body[at : at + OWN_CHUNK]
    return bytes(found)
