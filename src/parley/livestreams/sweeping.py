"""What ends the streams of meetings without anybody's wish: the end of the session, an empty meeting.

Every server looks; each end is decided under the lock of its row, so that it happens once.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path

from parley.accounts.service import app_scope
from parley.base.ids import AppId
from parley.base.loops import Periodic
from parley.livestreams import store
from parley.livestreams.model import FLOWS_FOR
from parley.livestreams.service import Livestreams
from parley.store.core import Store

EVERY_S = 2.0
KEPT_S = 60.0
"""Segments of a stream that has ended."""


class Sweeper:
    """Looks at all active streams of meetings."""

    def __init__(self, base: Store, streams: Livestreams, folder: Path) -> None:
        """Prepare.

        Args:
            base: where streams are.
            streams: their states.
            folder: where their segments are.
        """
        self._store = base
        self._streams = streams
        self._folder = folder
        self._rounds = Periodic(self.sweep, EVERY_S, "livestreams sweeper")

    async def start(self) -> None:
        """Begin."""
        await self._rounds.start()

    async def stop(self) -> None:
        """End."""
        await self._rounds.stop()

    async def sweep(self) -> None:
        """Do what is due now."""
        now = self._store.clock.now()
        for standing in await store.standings(self._store.database):
            attendance = standing.attendance
            if attendance.is_session_over or attendance.is_deserted(standing.invoked_at, now):
                scope = await app_scope(self._store, AppId(standing.app_id), "system")
                await self._streams.stop(scope, standing.id)
        for app_id, stream_id in await store.silent(self._store.database, now - FLOWS_FOR):
            scope = await app_scope(self._store, AppId(app_id), "system")
            await self._streams.stop(scope, stream_id)
        for path in await asyncio.to_thread(_forgotten, self._folder):
            found = await store.by_id(self._store.database, path.name)
            if found is None or not found.is_active:
                await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)


def _forgotten(folder: Path) -> list[Path]:
    """Folders of streams into which nothing has been written for a while."""
    if not folder.is_dir():
        return []
    before = time.time() - KEPT_S
    return [path for path in folder.iterdir() if path.is_dir() and path.stat().st_mtime < before]
