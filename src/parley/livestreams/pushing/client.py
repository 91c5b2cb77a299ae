"""Publishing a stream to an RTMP server (Adobe's RTMP 1.0 specification, sections 5.2 and 7.2)."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import ssl
from collections.abc import Awaitable
from typing import Any

from parley.base.errors import ParleyError, Unavailable
from parley.base.text import clean_line
from parley.livestreams.pushing import amf
from parley.livestreams.pushing import chunks as c
from parley.livestreams.pushing.chunks import ChunkReader, Message, chunks
from parley.livestreams.pushing.target import Target
from parley.outgoing.http import OutgoingPolicy
from parley.outgoing.sockets import close_writer, open_socket

STEP_S = 10.0
"""For each answer, and for the server to take what is sent."""
_RANDOM = 1_528
_PING, _PONG = 6, 7
_CONTROL, _COMMANDS, _MEDIA = 2, 3, 6
"""Streams of chunks."""
WORDS_LIMIT = 200
"""Of what a server says."""


class PushFailed(Unavailable):
    """The server was not reached, refused, or is gone."""

    code = "push_failed"


class Publication:
    """A stream that a server takes."""

    def __init__(self, target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._target = target
        self._reader, self._writer = reader, writer
        self._chunks = ChunkReader(reader)
        self._stream_id = 0
        self._window = 0
        self._acknowledged = 0

    @classmethod
    async def begin(cls, target: Target, policy: OutgoingPolicy) -> Publication:
        """Connect, and return when the server is ready for media.

        Raises:
            PushFailed: with the reason in plain words.
        """
        try:
            reader, writer = await _connect(target, policy)
        except (ParleyError, OSError) as failed:
            why = failed.message if isinstance(failed, ParleyError) else failed.strerror or str(failed)
            raise PushFailed(f"The RTMP server {target.host} cannot be reached: {why}.") from failed
        made = cls(target, reader, writer)
        try:
            refuses = "refuses the stream: it closed the connection"
            await made._step(made._shake_hands(), "says nothing", refuses)
            await made._step(made._open(), "does not answer", refuses)
        except BaseException:
            await close_writer(writer)
            raise
        return made

    async def send(self, kind: int, timestamp: int, body: bytes) -> None:
        """A piece of media.

        Raises:
            PushFailed: the server takes no more.
        """
        stream = _COMMANDS + 1 if kind != c.VIDEO else _MEDIA
        self._writer.write(chunks(Message(kind, body, timestamp, self._stream_id), stream))
        await self._step(self._writer.drain(), "takes nothing any more", "closed the connection")

    async def watch(self) -> None:
        """Answer the server until it ends the stream.

        Raises:
            PushFailed: it has.
        """
        try:
            while True:
                message = await self._read()
                values = _command(message)
                if values and values[0] == "onStatus":
                    self._require_well(values)
        except (asyncio.IncompleteReadError, OSError) as gone:
            raise self._failed("closed the connection") from gone
        except (c.Broken, ValueError) as wrong:
            raise self._failed("does not speak RTMP") from wrong

    async def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            self._command("FCUnpublish", 6, None, self._target.stream)
            self._command("deleteStream", 7, None, self._stream_id)
        await close_writer(self._writer)

    # --- until it is taken ------------------------------------------------------------------------

    async def _shake_hands(self) -> None:
        self._writer.write(b"\x03" + bytes(8) + secrets.token_bytes(_RANDOM))
        if await self._reader.readexactly(1) != b"\x03":
            raise c.Broken
        theirs = await self._reader.readexactly(8 + _RANDOM)
        self._writer.write(theirs)
        await self._reader.readexactly(8 + _RANDOM)

    async def _open(self) -> None:
        size = Message(c.SET_CHUNK_SIZE, c.OWN_CHUNK.to_bytes(4, "big"))
        self._writer.write(chunks(size, _CONTROL))
        about = {
            "app": self._target.application,
            "type": "nonprivate",
            "flashVer": "FMLE/3.0 (compatible; Parley)",
            "tcUrl": self._target.tc_url,
        }
        self._command("connect", 1, about)
        await self._answer(1)
        self._command("releaseStream", 2, None, self._target.stream)
        self._command("FCPublish", 3, None, self._target.stream)
        self._command("createStream", 4, None)
        values = await self._answer(4)
        self._stream_id = int(values[3])
        self._command("publish", 5, None, self._target.stream, "live", stream_id=self._stream_id)
        while True:
            values = _command(await self._read())
            if values and values[0] == "onStatus":
                self._require_well(values)
                if _info(values).get("code") == "NetStream.Publish.Start":
                    return

    async def _answer(self, number: int) -> list[Any]:
        while True:
            values = _command(await self._read())
            if values and values[0] in ("_result", "_error") and values[1] == number:
                if values[0] == "_error":
                    raise self._refused(values)
                return values

    def _require_well(self, values: list[Any]) -> None:
        if _info(values).get("level") == "error":
            raise self._refused(values)

    async def _read(self) -> Message:
        """The next message; what keeps the connection up is answered here."""
        while True:
            message = await self._chunks.read()
            if message.kind in (c.WINDOW_SIZE, c.PEER_BANDWIDTH):
                self._window = int.from_bytes(message.body[:4], "big")
                if message.kind == c.PEER_BANDWIDTH:
                    self._writer.write(chunks(Message(c.WINDOW_SIZE, message.body[:4]), _CONTROL))
            elif message.kind == c.USER_CONTROL and message.body[:2] == _PING.to_bytes(2, "big"):
                pong = _PONG.to_bytes(2, "big") + message.body[2:6]
                self._writer.write(chunks(Message(c.USER_CONTROL, pong), _CONTROL))
            received = self._chunks.received
            if self._window and received - self._acknowledged >= self._window:
                self._acknowledged = received
                told = (received & 0xFFFFFFFF).to_bytes(4, "big")
                self._writer.write(chunks(Message(c.ACKNOWLEDGEMENT, told), _CONTROL))
            return message

    def _command(self, name: str, number: int, *values: object, stream_id: int = 0) -> None:
        body = amf.encode(name, number, *values)
        self._writer.write(chunks(Message(c.COMMAND, body, 0, stream_id), _COMMANDS))

    # --- what goes wrong --------------------------------------------------------------------------

    async def _step(self, work: Awaitable[object], silence: str, closing: str) -> None:
        """Do one step; its failures are said in those words.

        Raises:
            PushFailed: it took too long, or the server ended it.
        """
        try:
            async with asyncio.timeout(STEP_S):
                await work
        except TimeoutError as late:
            raise self._failed(silence) from late
        except (asyncio.IncompleteReadError, OSError) as gone:
            raise self._failed(closing) from gone
        except (c.Broken, ValueError, LookupError, TypeError) as wrong:
            raise self._failed("does not speak RTMP") from wrong

    def _failed(self, what: str) -> PushFailed:
        return PushFailed(f"The RTMP server {self._target.host} {what}.")

    def _refused(self, values: list[Any]) -> PushFailed:
        info = _info(values)
        words = [str(info[name]) for name in ("code", "description") if info.get(name)]
        said = clean_line(": ".join(words), limit=WORDS_LIMIT).rstrip(".").replace(self._target.stream, "…")
        return self._failed(f"refuses the stream: {said}" if said else "refuses the stream")


async def _connect(
    target: Target, policy: OutgoingPolicy
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    connected = await open_socket(policy, target.host, target.port, timeout_s=STEP_S)
    if not target.is_tls:
        return await asyncio.open_connection(sock=connected)
    try:
        async with asyncio.timeout(STEP_S):
            return await asyncio.open_connection(
                sock=connected, ssl=ssl.create_default_context(), server_hostname=target.host
            )
    except TimeoutError as late:
        raise Unavailable(f"no TLS within {STEP_S:g} s") from late
    except ssl.SSLCertVerificationError as wrong:
        raise Unavailable(f"its certificate is not valid ({wrong.verify_message})") from wrong
    except ssl.SSLError as wrong:
        raise Unavailable("it speaks no TLS") from wrong


def _command(message: Message) -> list[Any]:
    """Its values: name, number of the request, and more; empty when it is none."""
    if message.kind == c.COMMAND:
        return amf.decode(message.body)
    if message.kind == c.COMMAND_AMF3:
        return amf.decode(message.body[1:])
    return []


def _info(values: list[Any]) -> dict[str, Any]:
    return next((value for value in values[2:] if isinstance(value, dict) and "code" in value), {})
