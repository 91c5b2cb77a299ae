"""External programs as children: started, watched, restarted, stopped.

A child never outlives us, not even after `kill -9`: the kernel is asked to kill it with the thread
that started it. Therefore start children from a thread that lives as long as they should, which the
event loop's thread does.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import random
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from parley.media.ports import MediaUnavailable

log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)

STOP_GRACE_S = 3.0
"""Between SIGTERM and SIGKILL; Janus needs 0.2 s, also with many transports."""


def _die_with_parent(parent_pid: int, signal_number: int) -> None:
    """Between fork and exec: get a signal when the parent ends (prctl(2), PR_SET_PDEATHSIG)."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
    if os.getppid() != parent_pid:  # it ended before we asked
        os._exit(127)


class LineThrottle:
    """Lets a burst of lines through per period and counts the rest."""

    def __init__(self, burst: int = 40, period_s: float = 10.0) -> None:
        self._burst = burst
        self._period_s = period_s
        self._window_ends = 0.0
        self._left = burst
        self.suppressed = 0
        """Lines held back since they were last reported."""

    def admit(self, now: float) -> bool:
        """Whether a line at this monotonic time is to be shown."""
        if now >= self._window_ends:
            self._window_ends = now + self._period_s
            self._left = self._burst
        if self._left:
            self._left -= 1
            return True
        self.suppressed += 1
        return False


def plain_level(line: str) -> int:
    """Level for a line of a program whose words we do not know."""
    return logging.WARNING if "error" in line.lower() else logging.DEBUG


class Child:
    """One run of one program; its output goes to our log, throttled."""

    def __init__(
        self, name: str, process: asyncio.subprocess.Process, level_of: Callable[[str], int]
    ) -> None:
        self.name = name
        self._process = process
        self._level_of = level_of
        self._throttle = LineThrottle()
        self.last_lines: deque[str] = deque(maxlen=30)
        """The newest output, for the message when it ends early."""
        self._reader = asyncio.create_task(self._read_output(), name=f"{name} output")

    @classmethod
    async def spawn(
        cls,
        name: str,
        argv: Sequence[str],
        *,
        level_of: Callable[[str], int] = plain_level,
        when_orphaned: signal.Signals = signal.SIGKILL,
    ) -> Child:
        """Start the program in its own session, so that a Ctrl-C at our terminal is ours to handle.

        Args:
            name: for our log.
            argv: path and arguments.
            level_of: how important a line of its output is.
            when_orphaned: what it gets when this process ends without stopping it.

        Raises:
            MediaUnavailable: it cannot be executed.
        """
        parent_pid = os.getpid()
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: _die_with_parent(parent_pid, when_orphaned),
            )
        except OSError as error:
            raise MediaUnavailable(f"{argv[0]} cannot be started: {error}.") from error
        return cls(name, process, level_of)

    @property
    def pid(self) -> int:
        """Of the running or ended program."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative for the signal that ended it."""
        return self._process.returncode

    async def wait(self) -> None:
        """Return when the program has ended."""
        await self._process.wait()

    async def stop(self, grace_s: float = STOP_GRACE_S) -> None:
        """SIGTERM, and SIGKILL if that is not enough; may be called twice."""
        try:
            if self._process.returncode is None:
                self._signal(signal.SIGTERM)
                try:
                    await asyncio.wait_for(self._process.wait(), grace_s)
                except TimeoutError:
                    log.warning(
                        "%s (pid %d) did not end within %.1f s, killing it", self.name, self.pid, grace_s
                    )
        finally:
            if self._process.returncode is None:
                self._signal(signal.SIGKILL)
                await self._process.wait()
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
            self._close_pipes()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    def _close_pipes(self) -> None:
        transport = getattr(self._process, "_transport", None)  # no public way to drop the pipe's reader
        if transport is not None:
            transport.close()

    async def _read_output(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        loop = asyncio.get_running_loop()
        while True:
            try:
                raw = await stream.readline()
            except ValueError:  # a line over the stream's limit; asyncio has dropped it
                continue
            if not raw:
                return
            line = raw.decode("utf-8", "replace").strip()
            if not line:
                continue
            self.last_lines.append(line)
            if self._throttle.admit(loop.time()):
                if self._throttle.suppressed:
                    log.info("%s: %d lines not shown", self.name, self._throttle.suppressed)
                    self._throttle.suppressed = 0
                log.log(self._level_of(line), "%s: %s", self.name, line)


class Running(Protocol):
    """Something a `Supervisor` keeps up."""

    async def wait(self) -> None:
        """Return when it no longer works."""

    async def stop(self) -> None:
        """End it and free everything; may be called twice, also after it broke."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waiting times between restarts: doubled from first to longest, with a quarter of jitter."""

    first_s: float = 0.2
    longest_s: float = 30.0
    forget_after_s: float = 60.0
    """A run of this length starts the sequence anew."""

    def delay_s(self, failures: int) -> float:
        """Wait before the attempt after so many failures in a row (1 for the first)."""
        delay = min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 30))
        return delay * random.uniform(0.75, 1.0)  # noqa: S311 - jitter, no secret


DEFAULT_BACKOFF = Backoff()
R = TypeVar("R", bound=Running)


class Supervisor(Generic[R]):
    """Keeps one program up until stopped.

    Args:
        name: for the log.
        bring_up: starts the program and returns when it is ready for use; raises `MediaUnavailable`.
        on_down: called once for each run that broke, before the next one is started.
    """

    def __init__(
        self,
        name: str,
        bring_up: Callable[[], Awaitable[R]],
        on_down: Callable[[], None],
        backoff: Backoff = DEFAULT_BACKOFF,
    ) -> None:
        self.name = name
        self._bring_up = bring_up
        self._on_down = on_down
        self._backoff = backoff
        self._task: asyncio.Task[None] | None = None
        self.current: R | None = None
        """The present run; None while there is none."""
        self.restarts = 0
        """Successful restarts since `start`."""
        self.last_error: str | None = None
        """Why the last attempt failed; None while it runs."""

    async def start(self) -> None:
        """Bring it up and keep it up.

        Raises:
            MediaUnavailable: the first attempt failed; nothing is left running.
        """
        if self._task is not None:
            return
        try:
            self.current = await self._bring_up()
        except MediaUnavailable as error:
            self.last_error = error.message
            raise
        self.last_error = None
        self._task = asyncio.create_task(self._keep_up(), name=f"{self.name} supervisor")

    async def stop(self) -> None:
        """Stop the program and the watching; may be called twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        current, self.current = self.current, None
        if current is not None:
            self.last_error = "It was stopped."
            await current.stop()

    async def _keep_up(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            if self.current is None:
                failures += 1
                await asyncio.sleep(self._backoff.delay_s(failures))
                await self._try_again()
                continue
            up_since = loop.time()
            await self.current.wait()
            if loop.time() - up_since >= self._backoff.forget_after_s:
                failures = 0
            broken, self.current = self.current, None
            self.last_error = "It ended and is being restarted."
            log.error("%s ended unexpectedly, restarting it", self.name)
            try:
                self._on_down()
            except Exception:
                log.exception("%s: a listener failed", self.name)
            await broken.stop()

    async def _try_again(self) -> None:
        try:
            self.current = await self._bring_up()
        except MediaUnavailable as error:
            self.last_error = error.message
            log.warning("%s could not be restarted: %s", self.name, error.message)
        except Exception as error:
            self.last_error = f"Starting it failed: {error}"
            log.exception("%s could not be restarted", self.name)
        else:
            self.last_error = None
            self.restarts += 1
