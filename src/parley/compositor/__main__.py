"""Compose the recording that a plan describes: `python -m parley.compositor PLAN.json`.

Prints JSON lines: `{"progress": 42}` about twice a second, in percent, and last either

    {"outputs": [{"path": ..., "size_bytes": ..., "duration_ms": ...}], "skipped": [{"path": ..., "reason":
    ...}]}

or, with a status that is not 0, `{"error": "invalid_plan" | "disk_full" | "unwritable" | "failed", "message":
...}`. What went wrong inside is told in full on the standard error.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import av
import msgspec

from parley.base.errors import Invalid
from parley.compositor import job, plan

_PROGRESS_EVERY_S = 0.5
_FAILED, _INVALID = 1, 2
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class _Progress:
    """Prints from a thread of its own: putting a long file in order takes time too."""

    def __init__(self) -> None:
        self.done = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                say({"progress": int(self.done * 100)})
            except BrokenPipeError:
                # Who started this was killed. It will start another run, which waits for the end of this one.
                os._exit(_FAILED)
            if self._stop.wait(_PROGRESS_EVERY_S):
                return

    def close(self) -> None:
        """Nothing is printed afterwards."""
        self._stop.set()
        self._thread.join()

    def __call__(self, done: float) -> None:
        self.done = done


def say(line: Any) -> None:
    """One line to whoever started this."""
    sys.stdout.write(msgspec.json.encode(line, enc_hook=str).decode() + "\n")
    sys.stdout.flush()


def _fail(code: str, message: str, status: int = _FAILED) -> int:
    say({"error": code, "message": message})
    return status


def main(arguments: list[str]) -> int:
    """Run; the status of the process."""
    if len(arguments) != 1:
        return _fail("invalid_plan", "Usage: python -m parley.compositor PLAN.json", _INVALID)
    logging.getLogger("libav").setLevel(logging.ERROR)
    try:
        wanted = plan.read(Path(arguments[0]).read_bytes())
    except Invalid as wrong:
        where = f" ({wrong.field})" if wrong.field else ""
        return _fail("invalid_plan", f"{wrong.message}{where}", _INVALID)
    except OSError as missing:
        return _fail("invalid_plan", f"The plan cannot be read: {missing}", _INVALID)
    progress = _Progress()
    try:
        made = job.compose(wanted, progress)
    except Exception as wrong:
        traceback.print_exc()
        progress.close()
        if isinstance(wrong, OSError | av.FFmpegError) and wrong.errno:
            code = "disk_full" if wrong.errno in _FULL else "unwritable"
            return _fail(code, f"An output cannot be written: {wrong.strerror}.")
        return _fail("failed", f"{type(wrong).__name__}: {wrong}")
    progress.close()
    say(
        {
            "outputs": [one._asdict() for one in made.outputs],
            "skipped": [one._asdict() for one in made.skipped],
        }
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
