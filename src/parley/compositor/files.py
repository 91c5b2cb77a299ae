"""Files on their way: written under another name, by one run at a time, and renamed when they are whole."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import time
from pathlib import Path

PATIENCE_S = 30.0
"""A run whose starter was killed ends by itself within a second, see `__main__`."""
_POLL_S = 0.1


def temporary(path: Path) -> Path:
    """Where an output is written; beside it, so that renaming is all that is left."""
    return path.with_name(f".{path.name}.part")


class Claim:
    """The right to write an output: held until it is settled or abandoned, or the process ends."""

    def __init__(self, path: Path) -> None:
        """Make the temporary file.

        Raises:
            BlockingIOError: another run is writing it, and goes on doing so.
            OSError: it cannot be made.
        """
        self._path, self.part = path, temporary(path)
        deadline = time.monotonic() + PATIENCE_S
        while not self._take():
            if time.monotonic() > deadline:
                raise BlockingIOError(errno.EAGAIN, "Another run is writing it")
            time.sleep(_POLL_S)

    def _take(self) -> bool:
        self._file = os.open(self.part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(self._file), self.part.stat()):
                return True  # else the other run renamed it, or threw it away, in this moment
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(self._file)
        return False

    def settle(self) -> Path:
        """Give a whole file its name, when it is on the disk."""
        os.fsync(self._file)
        self.part.replace(self._path)
        os.close(self._file)
        return self._path

    def abandon(self) -> None:
        """Leave nothing behind; to be called once, instead of `settle`."""
        self.part.unlink(missing_ok=True)
        os.close(self._file)


def discard_folder(folder: Path) -> None:
    """With everything in it, if there is one."""
    shutil.rmtree(folder, ignore_errors=True)
