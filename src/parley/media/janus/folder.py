"""The private folder of one Janus run; those that killed servers left behind are removed.

Whoever made a folder holds a lock on the file `owner` in it (flock(2)), which the kernel gives back when that
process ends, however it ends. So a folder whose lock can be had belongs to nobody any more.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import signal
import stat
import tempfile
import time
from pathlib import Path
from typing import IO, Self

log = logging.getLogger(__name__)

SOCKET_NAME = "control.sock"
_PREFIX = "parley-janus-"
_OWNER = "owner"
_BETWEEN_SIGNALS_S = 0.2
_MAX_SOCKET_PATH_BYTES = 107  # sun_path of unix(7) without its end mark


class PrivateFolder:
    """A new folder that only we may enter, with a path short enough for a unix socket."""

    def __init__(self, path: Path, owner: IO[str]) -> None:
        self.path = path
        self._owner = owner

    @classmethod
    def make(cls, parent: Path | None = None) -> Self:
        """Make one, and remove abandoned ones beside it.

        Args:
            parent: where; a temporary folder if None or too long for a unix socket.
        """
        if parent is not None:
            parent.mkdir(parents=True, exist_ok=True)
            room_for_name = len(f"/{_PREFIX}12345678/{SOCKET_NAME}")
            if len(os.fsencode(parent.resolve())) + room_for_name > _MAX_SOCKET_PATH_BYTES:
                parent = None
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))  # mode 0700
        if len(os.fsencode(path / SOCKET_NAME)) > _MAX_SOCKET_PATH_BYTES:  # TMPDIR itself is long
            path.rmdir()
            path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir="/tmp"))
        folder = cls(path.resolve(), _locked(path))
        remove_abandoned(folder.path.parent)
        return folder

    @property
    def socket_path(self) -> Path:
        """Where Janus is to listen."""
        return self.path / SOCKET_NAME

    def remove(self) -> None:
        """Remove it with everything in it; may be called twice."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._owner.close()


def _locked(path: Path) -> IO[str]:
    """The lock of a folder. The file gets its name once it is locked: nobody sees it without an owner."""
    new = path / f"{_OWNER}.new"
    owner = new.open("w")
    try:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        new.rename(path / _OWNER)
    except (
        OSError
    ) as impossible:  # a file system without locks: then this folder is never taken for abandoned
        log.debug("%s cannot be locked: %s", new, impossible)
    return owner


def remove_abandoned(parent: Path) -> None:
    """Remove folders in `parent` that are ours and whose maker has ended; never those of other users."""
    for path in parent.glob(f"{_PREFIX}*"):
        try:
            found = path.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
                _remove_if_abandoned(path)
        except OSError as unusable:  # removed by somebody else meanwhile, or no lock file in it
            log.debug("%s stays: %s", path, unusable)


def _remove_if_abandoned(path: Path) -> None:
    lock = os.open(path / _OWNER, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: its maker lives
        _end_users(path)
        shutil.rmtree(path)
        log.info("removed %s, which a killed server had left", path)
    finally:
        os.close(lock)


def _end_users(path: Path) -> None:
    """End a Janus that outlived its server.

    About one of a hundred hangs in its handler of SIGTERM, which calls a function of GLib that is not meant
    for handlers. At the third signal it exits at once, and what it holds of captures is written even then.
    """
    for process in Path("/proc").glob("[0-9]*"):
        try:
            is_user = os.fsencode(path) in (process / "cmdline").read_bytes().split(b"\0")
            if not is_user or process.stat().st_uid != os.geteuid():
                continue
            for number in (signal.SIGINT, signal.SIGINT, signal.SIGINT, signal.SIGKILL):
                os.kill(int(process.name), number)
                time.sleep(_BETWEEN_SIGNALS_S)
        except OSError:  # it has ended
            continue
