"""Work that comes round: removing what has expired."""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog

from parley.base.tasks import cancel_and_wait

log = structlog.get_logger(__name__)
EVERY_S = 3600.0


class Sweep(Protocol):
    """Something with files that expire."""

    async def sweep(self) -> int:
        """Remove what has expired; how much it was."""
        ...


class Housekeeping:
    """Runs the sweeps of this process, now and every hour; each is safe to run beside others."""

    def __init__(self, *swept: Sweep) -> None:
        self._swept = swept
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="housekeeping")

    async def stop(self) -> None:
        """Stop between two sweeps."""
        await cancel_and_wait([self._task])

    async def _run(self) -> None:
        while True:
            for one in self._swept:
                try:
                    removed = await one.sweep()
                    if removed:
                        log.info("files_expired", of=type(one).__name__, removed=removed)
                except Exception:
                    log.exception("housekeeping_failed")
            await asyncio.sleep(EVERY_S)
