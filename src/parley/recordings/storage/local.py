"""The file that is uploaded: read once, hashed on the way."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

READ_BYTES = 1 << 20
Progress = Callable[[int, int], None]
"""Called with the bytes handed over so far and those of the whole file; begins again with each attempt."""


class Digests:
    """What the bytes amount to, as far as they were read.

    MD5 is what object stores answer with; it is compared with what the store computed over a TLS or local
    connection, not trusted against anybody.
    """

    def __init__(self, part_bytes: int) -> None:
        self._part_bytes = part_bytes
        self._whole = hashlib.sha256()
        self._plain = hashlib.md5(usedforsecurity=False)
        self._part = hashlib.md5(usedforsecurity=False)
        self._in_part = 0
        self._parts: list[bytes] = []
        self.size = 0

    def add(self, data: bytes) -> None:
        """The next bytes of the file."""
        self.size += len(data)
        self._whole.update(data)
        self._plain.update(data)
        view = memoryview(data)
        while view:
            taken = view[: self._part_bytes - self._in_part]
            self._part.update(taken)
            self._in_part += len(taken)
            view = view[len(taken) :]
            if self._in_part == self._part_bytes:
                self._end_part()

    def _end_part(self) -> None:
        self._parts.append(self._part.digest())
        self._part = hashlib.md5(usedforsecurity=False)
        self._in_part = 0

    @property
    def sha256(self) -> bytes:
        """Of all bytes."""
        return self._whole.digest()

    def etags(self) -> frozenset[str]:
        """What S3 calls an object of these bytes, stored at once or in parts."""
        parts = [*self._parts, *([self._part.digest()] if self._in_part else [])]
        joined = hashlib.md5(b"".join(parts), usedforsecurity=False).hexdigest()
        return frozenset({self._plain.hexdigest(), f"{joined}-{len(parts)}"})


class LocalFile:
    """A finished file on this machine's disk."""

    def __init__(self, path: Path, size: int, progress: Progress | None) -> None:
        self.path = path
        self.size = size
        self._progress = progress

    @classmethod
    async def open(cls, path: Path, progress: Progress | None = None) -> LocalFile:
        """Look at it.

        Raises:
            OSError: it is not there, or cannot be read.
        """
        return cls(path, (await asyncio.to_thread(path.stat)).st_size, progress)

    async def chunks(self, digests: Digests, size: int = READ_BYTES) -> AsyncGenerator[bytes, None]:
        """The bytes from the beginning; `digests` and the progress follow."""
        file = await asyncio.to_thread(self.path.open, "rb")
        try:
            while data := await asyncio.to_thread(_read, file.read, size, digests):
                yield data
                if self._progress is not None:
                    self._progress(digests.size, self.size)
        finally:
            await asyncio.to_thread(file.close)


def _read(read: Callable[[int], bytes], size: int, digests: Digests) -> bytes:
    data = read(size)
    digests.add(data)
    return data
