"""FLV as an encoder writes it (Adobe's FLV 10.1 specification, annex E)."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

AUDIO, VIDEO, SCRIPT = 8, 9, 18
_AVC, _AAC = 7, 10
_SEQUENCE_HEADER = 0


class Tag(NamedTuple):
    """A piece of media, or about it."""

    kind: int
    timestamp: int
    """Milliseconds."""
    body: bytes

    @property
    def is_header(self) -> bool:
        """What decoders need before all else: parameters, and the facts of the file."""
        if self.kind == SCRIPT:
            return True
        codec = self.body[0] & 0x0F if self.kind == VIDEO else self.body[0] >> 4
        own = _AVC if self.kind == VIDEO else _AAC
        return len(self.body) > 1 and codec == own and self.body[1] == _SEQUENCE_HEADER

    @property
    def is_key_frame(self) -> bool:
        """A picture that needs no other."""
        return self.kind == VIDEO and self.body[0] >> 4 == 1 and not self.is_header


class FlvReader:
    """The tags of a connection."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._has_begun = False

    async def read(self) -> Tag:
        """The next one that has something in it.

        Raises:
            asyncio.IncompleteReadError: the encoder has ended.
            ValueError: it is no FLV.
        """
        if not self._has_begun:
            head = await self._reader.readexactly(9)
            if head[:3] != b"FLV":
                raise ValueError("not FLV")
            await self._reader.readexactly(int.from_bytes(head[5:9], "big") - 9 + 4)
            self._has_begun = True
        while True:
            head = await self._reader.readexactly(11)
            body = await self._reader.readexactly(int.from_bytes(head[1:4], "big"))
            await self._reader.readexactly(4)
            if body:
                timestamp = int.from_bytes(head[7:8] + head[4:7], "big")
                return Tag(head[0] & 0x1F, timestamp, body)
