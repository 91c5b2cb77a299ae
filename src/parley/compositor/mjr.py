"""The files in which Janus writes a track: `MJR00002`, a JSON header, and every RTP packet with its arrival.

    "MJR00002"  length:u16  {"t":"v","c":"vp8","s":...,"u":...,"x":{"3":"urn:..."}}
    "MEET"  milliseconds since the first packet:u32  length:u16  packet
    "MEET"  ...

Numbers are big-endian; `u` is the wall clock at the first packet, in microseconds (janus-gateway,
src/record.c). A crash cuts such a file off anywhere: what came before is good. Nothing here trusts the
content.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import msgspec

MAGIC = b"MJR00002"
_RECORD = b"MEET"
_FIXED = struct.Struct(">4sIH")


class UnreadableTrack(Exception):
    """There is nothing in the file that can be played; the message says why."""


class _Info(msgspec.Struct, rename={"kind": "t", "codec": "c", "first_packet_us": "u", "extensions": "x"}):
    kind: str
    codec: str
    first_packet_us: int
    extensions: dict[str, str] = {}
    is_encrypted: bool = msgspec.field(default=False, name="e")


class Record(NamedTuple):
    """One packet."""

    arrived_ms: float
    """Wall clock."""
    packet: bytes


class MjrFile:
    """An open track. A context manager; `records` may be asked for any number of times while it is open."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            UnreadableTrack: absent, empty, cut off in its header, or something else.
        """
        try:
            with path.open("rb") as file:
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as reason:  # mmap raises ValueError for an empty file
            raise UnreadableTrack(str(reason)) from reason
        try:
            self._info, self._first = self._header()
        except BaseException:
            self._bytes.close()
            raise
        self.codec = self._info.codec.lower()
        self.started_ms = self._info.first_packet_us / 1000
        """Wall clock of the first packet."""

    def _header(self) -> tuple[_Info, int]:
        start = len(MAGIC) + 2
        head = self._bytes[:start]
        if len(head) < start or not head.startswith(MAGIC):
            raise UnreadableTrack("not a track written by Janus, or nothing was written to it yet")
        end = start + int.from_bytes(head[len(MAGIC) :], "big")
        try:
            info = msgspec.json.decode(self._bytes[start:end], type=_Info)
        except msgspec.DecodeError as wrong:
            raise UnreadableTrack(f"its header cannot be read: {wrong}") from wrong
        if info.is_encrypted:
            raise UnreadableTrack("it is encrypted from end to end")
        return info, end

    def extension(self, uri: str) -> int | None:
        """The number by which packets carry that header extension, if they do."""
        return next((int(k) for k, v in self._info.extensions.items() if v == uri and k.isdigit()), None)

    def records(self) -> Iterator[Record]:
        """Every whole record, in the order of arrival; damaged stretches are passed over."""
        content, at, size = self._bytes, self._first, len(self._bytes)
        while at + _FIXED.size <= size:
            mark, since_ms, length = _FIXED.unpack_from(content, at)
            start = at + _FIXED.size
            if mark != _RECORD or start + length > size:
                at = content.find(_RECORD, at + 1)
                if at < 0:
                    return
                continue
            at = start + length
            yield Record(self.started_ms + since_ms, content[start:at])

    def close(self) -> None:
        """Records are copies and stay good."""
        self._bytes.close()

    def __enter__(self) -> MjrFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
