"""What is asked of live streams, and what happens to them (`realtimekit.md` section 11).

A stream is a row that moves between its states, and each time it is on is another row (`model.Run`). Every
step is one transaction together with what is announced. Whoever runs the meeting reads the rows and shows
what they say (`follow`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from msgspec.structs import replace

from parley.accounts.scope import AppScope
from parley.accounts.service import app_scope
from parley.base.errors import Conflict, NotFound, StateForbids
from parley.base.ids import AppId, MeetingId, SessionId
from parley.base.paging import Page, PageRequest
from parley.livestreams import store
from parley.livestreams.model import (
    DayUse,
    Livestream,
    LivestreamFilter,
    LivestreamId,
    LivestreamStatus,
    Run,
    RunId,
    StreamSettings,
)
from parley.livestreams.pushing.target import Target
from parley.livestreams.states import States
from parley.meetings.model import Meeting, MeetingStatus
from parley.store.core import Store

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
        self.states = States(base, public_url=public_url, ingest_server=ingest_server)
        self.ingest_server = ingest_server
        self._open_ingest = open_ingest

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
                before = self.states.new(scope, meeting.id, name, settings)
                await store.insert(change, before)
            stream = replace(
                before,
                name=before.name if name is None else name,
                config=settings,
                status=LivestreamStatus.INVOKED,
                updated_at=scope.now(),
            )
            await store.put(change, stream)
            await self.states.ask(change, stream, session_id)
        return stream

    async def create(self, scope: AppScope, name: str | None) -> Livestream:
        """A stream without a meeting, which RTMP is pushed to.

        Raises:
            Unavailable: this server takes no RTMP.
        """
        await self._open_ingest()
        stream = self.states.new(scope, None, name, StreamSettings(manual_ingest=True))
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
                stream = await self.states.end(change, stream, LivestreamStatus.IDLE, None)
        return stream

    async def reset_key(self, scope: AppScope, stream_id: str) -> Livestream:
        """Give a stream another key; what is pushed with the old one now goes on to its end.

        Raises:
            NotFound: no such stream in this app.
        """
        async with scope.change() as change:
            before = _found(await store.lock(change, LivestreamId(stream_id)), stream_id)
            sealed, key_hash = self.states.make_key()
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
        return self.states.playback_url(stream)

    def key(self, stream: Livestream) -> str:
        """Its stream key; for its owner alone."""
        return self.states.key(stream)

    # --- what happens -----------------------------------------------------------------------------

    async def began(
        self, scope: AppScope, stream_id: LivestreamId, session_id: SessionId | None = None
    ) -> Livestream:
        """There is something to see; nothing changes for one that is live already, or stopped."""
        async with scope.change() as change:
            stream = _found(await store.lock(change, stream_id), stream_id)
            run = await store.last_run(change, stream_id)
            if run is None or stream.status is not LivestreamStatus.INVOKED:
                return stream
            return await self.states.go_live(change, stream, run, session_id)

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
            return await self.states.end(change, stream, status, error)

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


def _found(stream: Livestream | None, stream_id: str) -> Livestream:
    if stream is None:
        raise NotFound(f"No livestream found with id {stream_id}")
    return stream


def pushed_to(url: str, width: int, height: int) -> StreamSettings:
    """For a stream whose picture is sent to an RTMP server outside.

    Raises:
        Invalid: it is no RTMP URL.
    """
    Target.of(url)
    return StreamSettings(width, height, rtmp_url=url)


def settings_of(meeting: Meeting, wanted: StreamSettings) -> StreamSettings:
    """With what the meeting itself says about streaming."""
    target = ((meeting.recording_config or {}).get("live_streaming_config") or {}).get("rtmp_url")
    return replace(wanted, rtmp_url=None if wanted.manual_ingest else target)
