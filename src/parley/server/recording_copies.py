"""Recordings that are also sent to an RTMP server outside (`rtmp_out_config`, `realtimekit.md` 10.3).

A live stream of the meeting sends them; it shows nobody while its recording is paused, and ends with it.
"""

from __future__ import annotations

from parley.accounts.scope import AppScope
from parley.accounts.service import app_scope
from parley.base.errors import NotFound
from parley.livestreams.model import Livestream
from parley.livestreams.service import Livestreams
from parley.recordings import store as recordings
from parley.recordings.events import RecordingStatusChanged
from parley.recordings.model import RecordingStatus
from parley.store.core import Store
from parley.store.jobs import Job
from parley.store.outbox import Announced
from parley.store.ports import Transaction

QUEUE = "recordings.copies"
"""Jobs that end such a stream; their key is its run."""
_ENDED = (RecordingStatus.UPLOADING, RecordingStatus.UPLOADED, RecordingStatus.ERRORED)


class RecordingCopies:
    """Has such streams do as their recordings."""

    def __init__(self, base: Store, streams: Livestreams) -> None:
        self._store = base
        self._streams = streams

    def register(self) -> None:
        """Take part in the store's dispatching and jobs; before `Store.start`."""
        self._store.outbox.consume(self._hear)
        self._store.jobs.handle(QUEUE, self.end)

    async def _hear(self, tx: Transaction, happened: Announced) -> None:
        event = happened.event
        if isinstance(event, RecordingStatusChanged) and event.copied_by and event.status in _ENDED:
            run = {"run": event.copied_by}
            await self._store.jobs.enqueue(tx, happened.app_id, QUEUE, event.copied_by, run)

    async def is_held(self, scope: AppScope, stream: Livestream) -> bool:
        """Whether what a stream sends is a recording that is paused."""
        if stream.meeting_id is None or stream.config.rtmp_url is None:
            return False
        paused = {
            each.config.get("copied_by")
            for each in await recordings.active_of(scope, stream.meeting_id)
            if each.status is RecordingStatus.PAUSED
        }
        return bool(paused) and (await self._streams.active_run(scope, stream.id))[1].id in paused

    async def end(self, job: Job) -> None:
        """End a stream, unless it is on for another reason by now."""
        scope = await app_scope(self._store, job.app_id, "recorder")
        try:
            run = await self._streams.run(scope, job.body["run"])
        except NotFound:
            return
        if run.stopped_at is None:
            await self._streams.stop(scope, run.livestream_id)
