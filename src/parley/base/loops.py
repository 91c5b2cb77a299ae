"""Work that comes round: every few seconds, or whenever something has changed.

What goes wrong in one round is logged, and the next one is tried.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from parley.base.errors import ParleyError
from parley.base.tasks import cancel_and_wait, wait_event

log = structlog.get_logger(__name__)
Work = Callable[[], Awaitable[object]]


class Periodic:
    """Does something at once and then every few seconds, one round after the other."""

    def __init__(self, work: Work, every_s: float, name: str) -> None:
        """Prepare.

        Args:
            work: one round.
            every_s: from the end of a round to the beginning of the next.
            name: of the task, and in the log.
        """
        self._work, self._every_s, self._name = work, every_s, name
        self._is_due = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """End; a round that is under way is cancelled."""
        await cancel_and_wait([self._task])

    def soon(self) -> None:
        """Have the next round begin now, or right after the one that is under way."""
        self._is_due.set()

    async def _run(self) -> None:
        while True:
            self._is_due.clear()
            await _attempt(self._work, self._name)
            await wait_event(self._is_due, self._every_s)


class OnChange:
    """Does something whenever it is woken; changes of one moment are one round."""

    def __init__(self, work: Work, name: str, *, of: str, rested: Callable[[], None] | None = None) -> None:
        """Prepare.

        Args:
            work: one round; it looks at everything, whatever has changed.
            name: of the task, and in the log.
            of: an id for the log.
            rested: called when nothing has changed since the last round.
        """
        self._work, self._name, self._of, self._rested = work, name, of, rested
        self._is_wanted = False
        self._task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Something has changed. Returns at once."""
        self._is_wanted = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """End; a round that is under way is cancelled."""
        await cancel_and_wait([self._task])

    async def _run(self) -> None:
        while self._is_wanted:
            self._is_wanted = False
            await _attempt(self._work, self._name, of=self._of)
        if self._rested is not None:
            self._rested()


async def _attempt(work: Work, name: str, **about: str) -> None:
    try:
        await work()
    except ParleyError as refused:
        log.warning("work_failed", work=name, reason=refused.message, **about)
    except Exception:
        log.exception("work_failed", work=name, **about)
