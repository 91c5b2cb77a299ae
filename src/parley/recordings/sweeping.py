"""What ends recordings without anybody's wish: an empty meeting, the longest time, the age of files.

Every server looks; each end is decided under the lock of its row, so that it happens once.
"""

from __future__ import annotations

import asyncio
import shutil
from datetime import datetime, timedelta
from pathlib import Path

from parley.accounts.service import app_scope
from parley.base.ids import AppId
from parley.base.loops import Periodic
from parley.recordings import store
from parley.recordings.model import SERVER, RecordingStatus, Stop, StopReason
from parley.recordings.service import Recordings
from parley.store.core import Store

EVERY_S = 2.0
CLEAR_EVERY_S = 3_600.0
UNFINISHED_FOR = timedelta(days=2)
"""Longer than a recording is, and than its files wait for a customer's storage."""
REMOVED_AT_ONCE = 100
"""Expired recordings whose files are removed in one round."""


class Sweeper:
    """Looks at all active recordings, and at expired files."""

    def __init__(self, base: Store, recordings: Recordings, captures: Path, work: Path) -> None:
        """Prepare.

        Args:
            base: rows.
            recordings: their states.
            captures: where the media engine writes.
            work: where this server makes files.
        """
        self._store = base
        self._recordings = recordings
        self._captures = captures
        self._work = work
        self._cleared = float("-inf")
        """When forgotten captures were last looked for, monotonic."""
        self._rounds = Periodic(self.sweep, EVERY_S, "recordings sweeper")

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
            why = _due(standing, now)
            if why is not None:
                scope = await app_scope(self._store, AppId(standing.app_id), "system")
                await self._recordings.stop(scope, standing.id, why)
        for app_id, recording_id in await store.expired(self._store.database, now, REMOVED_AT_ONCE):
            scope = await app_scope(self._store, AppId(app_id), "system")
            await self._recordings.expire(scope, recording_id)
        if self._store.clock.monotonic() - self._cleared > CLEAR_EVERY_S:
            self._cleared = self._store.clock.monotonic()
            before = now - self._recordings.keep - UNFINISHED_FOR
            await asyncio.to_thread(_clear, self._captures, self._work, before.timestamp())


def _clear(captures: Path, work: Path, before: float) -> None:
    """Remove what was captured long ago for recordings that could not be finished, or was made here of what
    another server finished then."""
    for path in captures.glob("*.mjr"):
        if path.stat().st_mtime < before:
            path.unlink(missing_ok=True)
    for folder in work.glob("*/"):
        if folder.stat().st_mtime < before:
            shutil.rmtree(folder, ignore_errors=True)


def _due(standing: store.Standing, now: datetime) -> StopReason | None:
    """Why a recording has to end now."""
    recorded = standing.recorded_ms
    if standing.capturing_since is not None:
        recorded += round((now - standing.capturing_since).total_seconds() * 1000)
    if recorded >= standing.max_seconds * 1000:
        return StopReason(Stop.API_CALL, SERVER)
    is_over = standing.status is not RecordingStatus.INVOKED and standing.attendance.is_session_over
    if is_over or standing.attendance.is_deserted(standing.invoked_at, now):
        return StopReason(Stop.ALL_PEERS_LEFT)
    return None
