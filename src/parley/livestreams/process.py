"""An encoder as a child process (`encoder/`)."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable

import msgspec
import structlog

from parley.base.errors import Unavailable
from parley.base.tasks import cancel_and_wait
from parley.livestreams.encoder import orders as o

log = structlog.get_logger(__name__)
READY_S = 30.0
"""Loading the media libraries takes half a second, on a busy machine much longer."""
END_S = 5.0


class Encoder:
    """One run of the encoder. It ends with this process, whatever way that ends: its input ends then."""

    def __init__(self, process: asyncio.subprocess.Process, told: Callable[[o.News], None]) -> None:
        self._process = process
        self._told = told
        self._reader: asyncio.Task[None] | None = None
        self.port = 0
        """Where it takes packets."""

    @classmethod
    async def start(cls, begin: o.Begin, told: Callable[[o.News], None]) -> Encoder:
        """Start one, and wait until it takes packets.

        Args:
            begin: what it is to do.
            told: called with its news; must return at once.

        Raises:
            Unavailable: it cannot be started.
        """
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "parley.livestreams.encoder"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        made = cls(process, told)
        try:
            made.order(begin)
            async with asyncio.timeout(READY_S):
                news = await made._next()
            if not isinstance(news, o.Ready):
                raise Unavailable(
                    news.message if isinstance(news, o.Fatal) else "The encoder cannot be started."
                )
        except BaseException as failed:
            await made.stop()
            if isinstance(failed, TimeoutError):
                raise Unavailable("The encoder did not start in time.") from failed
            raise
        made.port = news.port
        made._reader = asyncio.create_task(made._read(), name="encoder news")
        return made

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def order(self, order: o.Order) -> None:
        """Tell it something; nothing happens when it has ended."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError, RuntimeError):
            self._process.stdin.write(o.line(order))

    async def wait(self) -> None:
        """Return when it has ended."""
        await self._process.wait()

    async def stop(self) -> None:
        """End it; the last segment is written. May be called twice."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(END_S):
                await self._process.wait()
        except TimeoutError:
            log.warning("encoder_killed", pid=self.pid)
        finally:
            if self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
                await self._process.wait()
            await cancel_and_wait([self._reader])

    async def _next(self) -> o.News | None:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        return o.read_news(line) if line else None

    async def _read(self) -> None:
        with contextlib.suppress(msgspec.DecodeError, ValueError):
            while (news := await self._next()) is not None:
                self._told(news)
