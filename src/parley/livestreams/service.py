"""What is asked of live streams, and what happens to them (`realtimekit.md` section 11).

A stream is a row that moves between its states, and each time it is on is another row (`model.Run`). Every
step is one transaction together with what is announced. Whoever runs the meeting reads the rows and shows
what they say (`follow`).
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import asdict, replace

from parley.accounts.scope import AppScope, Change
from parley.accounts.service import app_scope
from parley.base.errors import Conflict, NotAllowed, NotFound, StateForbids
from parley.base.ids import AppId, MeetingId, SessionId, new_uuid
from parley.base.paging import Page, PageRequest
from parley.livestreams import store
from parley.livestreams.events import LivestreamStatusChanged
from parley.livestreams.model import (
    DayUse,
    Livestream,
    LivestreamFilter,
    LivestreamId,
    LivestreamStatus,
    Run,
    RunId,
    StreamSettings,
    Told,
)
from parley.meetings.model import Meeting, MeetingStatus
from parley.store.core import Store
from parley.store.jobs import Job

HLS = "/hls"
"""Below it is what viewers play."""
DRAIN = timedelta(seconds=15)
"""How long the last seconds can still be played after the end."""
DRAIN_QUEUE = "livestreams.drained"
KEY_PURPOSE = "livestream-key"
KEY_BYTES = 24
Found = tuple[Livestream, Run | None]


class Livestreams:
    """The live streams of all apps."""

    def __init__(
        self, base: Store, *, public_url: str, ingest_server: str, open_ingest: Callable[[], Awaitable[None]]
    ) -> None:
        """Prepare.

        Args:
            base: where streams are.
            public_url: where people reach this server, without a slash at the end.
            ingest_server: where encoders push RTMP to, with a slash at the end.
            open_ingest: have it taken there; raises `Unavailable` where that cannot be.
        """
        self._store = base
        self._public_url = public_url
        self.ingest_server = ingest_server
        self._open_ingest = open_ingest
        base.jobs.handle(DRAIN_QUEUE, self._drained)

    # --- asking ---------------------------------------------------------------------------------

    async def start(
        self,
        scope: AppScope,
        meeting: Meeting,
        settings: StreamSettings,
        *,
        name: str | None = None,
        session_id: SessionId | None = None,
    ) -> Livestream:
        """Ask for the stream of a meeting; it is live as soon as there is something to see.

        Raises:
            StateForbids: the meeting is inactive.
            Conflict: it is streamed already.
            Unavailable: RTMP shall be pushed to it, and this server takes none.
        """
        if meeting.status is not MeetingStatus.ACTIVE:
            raise StateForbids("This meeting is inactive.")
        if settings.manual_ingest:
            await self._open_ingest()
        async with scope.change() as change:
            before = await store.lock_of_meeting(change, meeting.id)
            if before is not None and before.is_active:
                raise Conflict("This meeting is being streamed already.")
            if before is None:
                before = self._new(scope, meeting.id, name, settings)
                await store.insert(change, before)
            stream = replace(
                before,
                name=before.name if name is None else name,
                config=settings,
                status=LivestreamStatus.INVOKED,
                updated_at=scope.now(),
            )
            await store.put(change, stream)
            run = await self._open_run(change, stream, session_id)
            await self._announce(change, stream, run, Told.INVOKED)
        return stream

    async def create(self, scope: AppScope, name: str | None) -> Livestream:
        """A stream without a meeting, which RTMP is pushed to.

        Raises:
            Unavailable: this server takes no RTMP.
        """
        await self._open_ingest()
        stream = self._new(scope, None, name, StreamSettings(manual_ingest=True))
        async with scope.change() as change:
            await store.insert(change, stream)
        return stream

    async def stop_of_meeting(self, scope: AppScope, meeting_id: MeetingId) -> Livestream:
        """End the active stream of a meeting.

        Raises:
            NotFound: none is active.
        """
        stream = await self.active(scope, meeting_id)
        return await self.stop(scope, stream.id)

    async def set_disabled(self, scope: AppScope, stream_id: str, is_disabled: bool) -> Livestream:
        """Refuse what is pushed to a stream, or take it again; a stream that is on ends.

        Raises:
            NotFound: no such stream in this app.
        """
        async with scope.change() as change:
            before = _found(await store.lock(change, LivestreamId(stream_id)), stream_id)
            stream = replace(before, is_disabled=is_disabled, updated_at=change.now())
            await store.put(change, stream)
            if is_disabled and stream.is_active and stream.takes_ingest:
                stream = await self._end(change, stream, LivestreamStatus.IDLE, None)
        return stream

    async def reset_key(self, scope: AppScope, stream_id: str) -> Livestream:
        """Give a stream another key; what is pushed with the old one now goes on to its end.

        Raises:
            NotFound: no such stream in this app.
        """
        async with scope.change() as change:
            before = _found(await store.lock(change, LivestreamId(stream_id)), stream_id)
            sealed, key_hash = self._make_key()
            stream = replace(before, sealed_key=sealed, key_hash=key_hash, updated_at=change.now())
            await store.put(change, stream)
        return stream

    async def get(self, scope: AppScope, stream_id: str) -> Livestream:
        """One stream.

        Raises:
            NotFound: no such stream in this app.
        """
        return _found(await store.get(scope, stream_id), stream_id)

    async def of_meeting(self, scope: AppScope, meeting_id: MeetingId) -> Livestream:
        """The stream of a meeting, whether it is on or not.

        Raises:
            NotFound: it never had one.
        """
        stream = await store.of_meeting(scope, meeting_id)
        if stream is None:
            raise NotFound(f"No livestream found for meeting_id {meeting_id}")
        return stream

    async def active(self, scope: AppScope, meeting_id: MeetingId) -> Livestream:
        """The stream of a meeting that is asked for, or live.

        Raises:
            NotFound: none is.
        """
        stream = await store.of_meeting(scope, meeting_id)
        if stream is None or not stream.is_active:
            raise NotFound(f"No active livestream found for meeting_id {meeting_id}")
        return stream

    async def active_run(self, scope: AppScope, stream_id: str) -> tuple[Livestream, Run]:
        """A stream that is on, and since when.

        Raises:
            NotFound: no such stream in this app, or it is not on.
        """
        stream = await self.get(scope, stream_id)
        run = await store.last_run(scope, stream.id)
        if run is None or not stream.is_active:
            raise NotFound(f"No active livestream session found for livestream_id {stream_id}")
        return stream, run

    async def run(self, scope: AppScope, run_id: str) -> Run:
        """One time that a stream was on.

        Raises:
            NotFound: no such run in this app.
        """
        run = await store.get_run(scope, run_id)
        if run is None:
            raise NotFound(f"No livestream session found with id {run_id}")
        return run

    async def find(self, scope: AppScope, wanted: LivestreamFilter, page: PageRequest) -> Page[Livestream]:
        """A page of the app's streams."""
        return await store.list_streams(scope, wanted, page)

    async def runs(self, scope: AppScope, stream_id: LivestreamId, page: PageRequest) -> Page[Run]:
        """A page of the times a stream was on, newest first."""
        return await store.runs_of_stream(scope, stream_id, page)

    async def runs_of_session(self, scope: AppScope, session_id: SessionId, page: PageRequest) -> Page[Run]:
        """A page of the times a session of a meeting was streamed, newest first."""
        return await store.runs_of_session(scope, session_id, page)

    async def use(self, scope: AppScope, start: datetime, end: datetime) -> Sequence[DayUse]:
        """What was streamed, by day."""
        return await store.use(scope, start, end)

    def playback_url(self, stream: Livestream) -> str:
        """Where viewers find its playlist."""
        return f"{self._public_url}{HLS}/{stream.id}/index.m3u8"

    def key(self, stream: Livestream) -> str:
        """Its stream key; for its owner alone."""
        return self._store.vault.open(KEY_PURPOSE, stream.sealed_key).decode()

    # --- what happens -----------------------------------------------------------------------------

    async def began(
        self, scope: AppScope, stream_id: LivestreamId, session_id: SessionId | None = None
    ) -> Livestream:
        """There is something to see; nothing changes for one that is live already, or stopped."""
        async with scope.change() as change:
            before = _found(await store.lock(change, stream_id), stream_id)
            if before.status is not LivestreamStatus.INVOKED:
                return before
            now = change.now()
            run = await store.last_run(change, stream_id)
            assert run is not None
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

    async def troubled(self, scope: AppScope, stream_id: LivestreamId, error: str | None) -> None:
        """Note what goes wrong while the stream goes on; None when it is well again."""
        async with scope.change() as change:
            stream = _found(await store.lock(change, stream_id), stream_id)
            run = await store.last_run(change, stream_id)
            if run is not None and stream.is_active and run.error != error:
                now = change.now()
                ingested = run.ingested_until(now)
                await store.put_run(change, replace(run, error=error, ingest_ms=ingested, updated_at=now))

    async def stop(
        self,
        scope: AppScope,
        stream_id: LivestreamId,
        *,
        error: str | None = None,
    ) -> Livestream:
        """End a stream if it is active; otherwise nothing happens.

        Args:
            scope: of its app.
            stream_id: which.
            error: why it cannot go on; it is ERRORED then.
        """
        async with scope.change() as change:
            stream = _found(await store.lock(change, stream_id), stream_id)
            if not stream.is_active:
                return stream
            status = LivestreamStatus.IDLE if error is None else LivestreamStatus.ERRORED
            return await self._end(change, stream, status, error)

    async def publish_began(self, key: str) -> Livestream:
        """Somebody pushes RTMP with that key.

        Raises:
            NotAllowed: it is no key, its stream is disabled or takes nothing now, or is pushed to already.
        """
        known = await store.by_key(self._store.database, key_hash(key))
        if known is None:
            raise NotAllowed("This is no stream key.")
        scope = await app_scope(self._store, AppId(known.app_id), "ingest")
        async with scope.change() as change:
            stream = await store.lock(change, known.id)
            if stream is None or stream.key_hash != key_hash(key) or not stream.takes_ingest:
                raise NotAllowed("This stream takes no RTMP.")
            if stream.is_disabled:
                raise NotAllowed("This stream is disabled.")
            if stream.status is LivestreamStatus.LIVE:
                raise NotAllowed("Somebody pushes to this stream already.")
            now = change.now()
            if stream.meeting_id is not None:
                if stream.status is not LivestreamStatus.INVOKED:
                    raise NotAllowed("Nobody has asked for this stream.")
                run = await store.last_run(change, stream.id)
                assert run is not None
            else:
                run = await self._open_run(change, stream, None)
            run = replace(run, started_at=now, updated_at=now)
            stream = replace(stream, status=LivestreamStatus.LIVE, updated_at=now)
            await store.put_run(change, run)
            await store.put(change, stream)
            await self._announce(change, stream, run, Told.LIVE)
        return stream

    async def is_pushed_to(self, stream_id: str) -> bool:
        """Somebody still pushes to that stream; False when they shall stop."""
        known = await store.by_id(self._store.database, stream_id)
        if known is None or known.is_disabled or known.status is not LivestreamStatus.LIVE:
            return False
        return await self.flows(await app_scope(self._store, AppId(known.app_id), "ingest"), known.id)

    async def flows(self, scope: AppScope, stream_id: LivestreamId) -> bool:
        """Note that media flows into a stream; to be told every few seconds. False when it is not live."""
        async with scope.change() as change:
            stream = await store.lock(change, stream_id)
            run = await store.last_run(change, stream_id)
            if stream is None or run is None or stream.status is not LivestreamStatus.LIVE:
                return False
            now = change.now()
            await store.put_run(change, replace(run, ingest_ms=run.ingested_until(now), updated_at=now))
        return True

    async def publish_ended(self, stream_id: str) -> None:
        """Nobody pushes to that stream any more; safe to be told twice."""
        known = await store.by_id(self._store.database, stream_id)
        if known is not None and known.takes_ingest:
            scope = await app_scope(self._store, AppId(known.app_id), "ingest")
            if known.status is LivestreamStatus.LIVE:
                await self.stop(scope, known.id)

    async def watched(self, run_id: RunId, watched_ms: int) -> None:
        """All viewers together watched for that much longer."""
        await store.watched(self._store.database, run_id, watched_ms)

    async def to_play(self, stream_id: str) -> Found | None:
        """A stream for its viewers, with its newest run; None when there is no such stream."""
        stream = await store.by_id(self._store.database, stream_id)
        if stream is None:
            return None
        scope = await app_scope(self._store, AppId(stream.app_id), "viewer")
        return stream, await store.last_run(scope, stream.id)

    # --- steps ------------------------------------------------------------------------------------

    def _make_key(self) -> tuple[bytes, str]:
        key = secrets.token_hex(KEY_BYTES)
        return self._store.vault.seal(KEY_PURPOSE, key.encode()), key_hash(key)

    def _new(
        self, scope: AppScope, meeting_id: MeetingId | None, name: str | None, settings: StreamSettings
    ) -> Livestream:
        now = scope.now()
        sealed, hashed = self._make_key()
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

    async def _open_run(self, change: Change, stream: Livestream, session_id: SessionId | None) -> Run:
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

    async def _end(
        self, change: Change, before: Livestream, status: LivestreamStatus, error: str | None
    ) -> Livestream:
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
        scope = await app_scope(self._store, AppId(job.app_id), "system")
        async with scope.change() as change:
            stream = await store.lock(change, LivestreamId(job.body))
            run = None if stream is None else await store.last_run(change, stream.id)
            if stream is None or run is None or stream.is_active or run.id != job.key:
                return  # it is on again
            await self._announce(change, stream, run, Told.IDLE)

    async def _announce(self, change: Change, stream: Livestream, run: Run, told: Told) -> None:
        labels: dict[str, Any] = {}
        if stream.meeting_id is not None:
            labels = asdict(await store.labels(change, stream.meeting_id, run.session_id))
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
                **labels,
            )
        )


def key_hash(key: str) -> str:
    """Under which a key is found; keys are random, so that nothing slower is needed."""
    return hashlib.sha256(key.encode()).hexdigest()


def _found(stream: Livestream | None, stream_id: str) -> Livestream:
    if stream is None:
        raise NotFound(f"No livestream found with id {stream_id}")
    return stream


def settings_of(meeting: Meeting, wanted: StreamSettings) -> StreamSettings:
    """With what the meeting itself says about streaming."""
    target = ((meeting.recording_config or {}).get("live_streaming_config") or {}).get("rtmp_url")
    return replace(wanted, rtmp_url=None if wanted.manual_ingest else target)
