"""The steps of a stream from state to state: each belongs to a transaction, with what is announced of it."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from msgspec.structs import replace

from parley.accounts.scope import AppScope, Change
from parley.accounts.service import app_scope
from parley.base.ids import AppId, MeetingId, SessionId, new_uuid
from parley.livestreams import store
from parley.livestreams.events import LivestreamStatusChanged
from parley.livestreams.model import (
    Livestream,
    LivestreamId,
    LivestreamStatus,
    Run,
    RunId,
    StreamSettings,
    Told,
)
from parley.meetings.sessions import store as sessions
from parley.store.core import Store
from parley.store.jobs import Job

HLS = "/hls"
"""Below it is what viewers play."""
DRAIN = timedelta(seconds=15)
"""How long the last seconds can still be played after the end."""
DRAIN_QUEUE = "livestreams.drained"
KEY_PURPOSE = "livestream-key"
KEY_BYTES = 24


class States:
    """What changes streams, and says so."""

    def __init__(self, base: Store, *, public_url: str, ingest_server: str) -> None:
        """See `service.Livestreams`."""
        self.store = base
        self._public_url = public_url
        self.ingest_server = ingest_server
        base.jobs.handle(DRAIN_QUEUE, self._drained)

    def playback_url(self, stream: Livestream) -> str:
        """Where viewers find its playlist."""
        return f"{self._public_url}{HLS}/{stream.id}/index.m3u8"

    def make_key(self) -> tuple[bytes, str]:
        """A new stream key: sealed, and what it is found by."""
        key = secrets.token_hex(KEY_BYTES)
        return self.store.vault.seal(KEY_PURPOSE, key.encode()), key_hash(key)

    def key(self, stream: Livestream) -> str:
        """Its stream key; for its owner alone."""
        return self.store.vault.open(KEY_PURPOSE, stream.sealed_key).decode()

    def new(
        self, scope: AppScope, meeting_id: MeetingId | None, name: str | None, settings: StreamSettings
    ) -> Livestream:
        """A stream that is not on; it is not stored yet."""
        now = scope.now()
        sealed, hashed = self.make_key()
        return Livestream(
            id=LivestreamId(new_uuid()),
            app_id=scope.app_id,
            meeting_id=meeting_id,
            name=name,
            status=LivestreamStatus.IDLE,
            is_disabled=False,
            config=settings,
            sealed_key=sealed,
            key_hash=hashed,
            created_at=now,
            updated_at=now,
        )

    async def ask(self, change: Change, stream: Livestream, session_id: SessionId | None) -> None:
        """Somebody wants it: INVOKED."""
        run = await self.open_run(change, stream, session_id)
        await self._announce(change, stream, run, Told.INVOKED)

    async def open_run(self, change: Change, stream: Livestream, session_id: SessionId | None) -> Run:
        """It is on once more; the run is stored."""
        now = change.now()
        last = await store.last_run(change, stream.id)
        if last is not None:  # the newest is found by its time
            now = max(now, last.created_at + timedelta(milliseconds=1))
        run = Run(
            id=RunId(new_uuid()),
            app_id=stream.app_id,
            livestream_id=stream.id,
            session_id=session_id,
            error=None,
            ingest_ms=0,
            viewer_ms=0,
            invoked_at=now,
            started_at=None,
            stopped_at=None,
            created_at=now,
            updated_at=now,
        )
        await store.insert_run(change, run)
        return run

    async def go_live(
        self, change: Change, before: Livestream, run: Run, session_id: SessionId | None = None
    ) -> Livestream:
        """There is something to see: LIVE."""
        now = change.now()
        run = replace(
            run,
            session_id=run.session_id or session_id,
            started_at=run.started_at or now,
            updated_at=now,
        )
        stream = replace(before, status=LivestreamStatus.LIVE, updated_at=now)
        await store.put_run(change, run)
        await store.put(change, stream)
        await self._announce(change, stream, run, Told.LIVE)
        return stream

    async def end(
        self, change: Change, before: Livestream, status: LivestreamStatus, error: str | None
    ) -> Livestream:
        """It is on no more: IDLE, or ERRORED with the reason."""
        now = change.now()
        stream = replace(before, status=status, updated_at=now)
        run = await store.last_run(change, stream.id)
        assert run is not None
        was_live = run.started_at is not None
        run = replace(
            run,
            error=error or run.error,
            ingest_ms=run.ingested_until(now),
            stopped_at=now,
            updated_at=now,
        )
        await store.put_run(change, run)
        await store.put(change, stream)
        if status is LivestreamStatus.ERRORED:
            await self._announce(change, stream, run, Told.ERRORED)
        else:
            await self._announce(change, stream, run, Told.OFFLINE)
            if not was_live:
                await self._announce(change, stream, run, Told.IDLE)
        if was_live:
            await change.enqueue(DRAIN_QUEUE, run.id, stream.id, at=now + DRAIN)
        return stream

    async def _drained(self, job: Job) -> None:
        """Nobody can play the last seconds any more."""
        scope = await app_scope(self.store, AppId(job.app_id), "system")
        async with scope.change() as change:
            stream = await store.lock(change, LivestreamId(job.body))
            run = None if stream is None else await store.last_run(change, stream.id)
            if stream is None or run is None or stream.is_active or run.id != job.key:
                return  # it is on again
            await self._announce(change, stream, run, Told.IDLE)

    async def _announce(self, change: Change, stream: Livestream, run: Run, told: Told) -> None:
        labels = sessions.Labels()
        if stream.meeting_id is not None:
            labels = await sessions.labels(change, stream.meeting_id, run.session_id)
        change.announce(
            LivestreamStatusChanged(
                livestream_id=stream.id,
                status=told,
                name=stream.name,
                is_ingested=stream.takes_ingest,
                playback_url=self.playback_url(stream),
                ingest_server=self.ingest_server,
                error=run.error,
                meeting_id=stream.meeting_id,
                session_id=run.session_id,
                meeting_title=labels.meeting_title,
                session_created_at=labels.session_created_at,
                session_started_at=labels.session_started_at,
            )
        )


def key_hash(key: str) -> str:
    """Under which a key is found; keys are random, so that nothing slower is needed."""
    return hashlib.sha256(key.encode()).hexdigest()
