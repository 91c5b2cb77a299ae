"""Work that comes round: removing what has expired."""

from __future__ import annotations

import asyncio

import structlog

from parley.base.tasks import cancel_and_wait
from parley.channels.files import ChatFiles

log = structlog.get_logger(__name__)
EVERY_S = 3600.0


class Housekeeping:
    """Runs the sweeps of this process, now and every hour; each is safe to run beside others."""

    def __init__(self, files: ChatFiles) -> None:
        self._files = files
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="housekeeping")

    async def stop(self) -> None:
        """Stop between two sweeps."""
        await cancel_and_wait([self._task])

    async def _run(self) -> None:
        while True:
            try:
                removed = await self._files.sweep()
                if removed:
                    log.info("chat_files_expired", removed=removed)
            except Exception:
                log.exception("housekeeping_failed")
            await asyncio.sleep(EVERY_S)
