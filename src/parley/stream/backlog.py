"""A long answer that is written at the pace at which it is read, and what has to wait behind it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from parley.stream import frames

CHUNK_BYTES = 64 << 10


class Backlog:
    """What is still to be written, in order."""

    __slots__ = ("_parts", "is_paused", "waiting_bytes")

    def __init__(self, texts: Iterator[bytes]) -> None:
        """Begin with a long answer: text messages, taken when there is room for them."""
        self._parts: deque[Iterator[bytes] | bytes] = deque([texts])
        self.is_paused = False
        """Nothing more for now: the peer has to read first."""
        self.waiting_bytes = 0
        """Of what waits behind long answers."""

    def __bool__(self) -> bool:
        """Whether there is, or may be, something left."""
        return bool(self._parts)

    def add_texts(self, texts: Iterator[bytes]) -> None:
        """Another long answer."""
        self._parts.append(texts)

    def add(self, data: bytes, *, first: bool = False) -> None:
        """Frames that nobody asked for."""
        self.waiting_bytes += len(data)
        if first:
            self._parts.appendleft(data)
        else:
            self._parts.append(data)

    def take(self) -> bytes:
        """The next frames, `CHUNK_BYTES` of them or a little more; empty at the end."""
        taken: list[bytes] = []
        size = 0
        while self._parts and size < CHUNK_BYTES:
            part = self._parts[0]
            if isinstance(part, bytes):
                self.waiting_bytes -= len(part)
                data: bytes | None = part
                self._parts.popleft()
            else:
                text = next(part, None)
                data = None if text is None else frames.encode_text(text)
                if data is None:
                    self._parts.popleft()
            if data is not None:
                taken.append(data)
                size += len(data)
        return b"".join(taken)
