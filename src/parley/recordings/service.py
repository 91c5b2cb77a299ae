"""What is asked of recordings: start, pause, resume, stop and look (`realtimekit.md` section 10).

A recording is a row that moves through its states; every step is one transaction together with what is
announced and what is enqueued. Whoever runs the meeting reads the rows and captures what they say
(`meetings.live.capture`), so a step is never lost between two servers, or between two lives of one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
from msgspec.structs import replace

from parley.accounts.scope import AppScope, Change
from parley.base.days import DayCount, Days
from parley.base.errors import Conflict, NotFound, StateForbids
from parley.base.ids import MeetingId, SessionId, new_uuid
from parley.base.paging import Page, PageRequest
from parley.base.signing import SignedLinks
from parley.base.times import to_ms
from parley.meetings.model import Meeting, MeetingStatus
from parley.meetings.sessions import store as sessions
from parley.recordings import store
from parley.recordings.events import RecordingStatusChanged
from parley.recordings.model import (
    Caller,
    FileRole,
    MomentKind,
    Recording,
    RecordingAction,
    RecordingFilter,
    RecordingId,
    RecordingKind,
    RecordingStatus,
    Start,
    StartReason,
    Stop,
    StopReason,
    StoredFile,
)
from parley.recordings.naming import composite_name, track_name
from parley.recordings.settings import AudioSettings, RecordingSettings
from parley.store.blobs import Blob
from parley.store.core import Store

FILES = "/files/recordings"
FINISH_QUEUE = "recordings.finish"
"""Jobs that make the files of a stopped recording; their key is its id."""
OF_ROOMS = RecordingSettings(audio_config=AudioSettings(export_file=False))
"""What the recording of a WebRTC room is: one film."""
RoomFilm = Callable[[Change, str, Recording, str], Awaitable[None]]
"""Takes the film of a room over, as a part of a change: the room's id, the recording, and the blob's key."""


class Recordings:
    """The recordings of all apps."""

    def __init__(self, base: Store, links: SignedLinks, *, public_url: str, keep: timedelta) -> None:
        """Prepare.

        Args:
            base: where recordings and their files are.
            links: signs the links to download files.
            public_url: where people reach this server, without a slash at the end.
            keep: how long files stay in Parley's own bucket (`realtimekit.md` section 15).
        """
        self._store = base
        self._links = links
        self._public_url = public_url
        self.keep = keep
        self.room_film: RoomFilm | None = None
        """Told of films of rooms, which are the room's from then on and do not expire."""

    # --- asking ---------------------------------------------------------------------------------

    async def start(
        self,
        scope: AppScope,
        meeting: Meeting,
        settings: RecordingSettings,
        why: StartReason,
        *,
        kind: RecordingKind = RecordingKind.COMPOSITE,
        session_id: SessionId | None = None,
        allow_multiple: bool = False,
    ) -> Recording:
        """Ask for a recording; it begins as soon as somebody is there.

        Raises:
            StateForbids: the meeting is inactive.
            Conflict: one is active, and this one does not allow others.
        """
        if meeting.status is not MeetingStatus.ACTIVE:
            raise StateForbids("This meeting is inactive.")
        now = scope.now()
        recording = Recording(
            id=RecordingId(new_uuid()),
            app_id=scope.app_id,
            meeting_id=meeting.id,
            session_id=session_id,
            kind=kind,
            status=RecordingStatus.INVOKED,
            config=msgspec.to_builtins(settings),
            file_name=(
                composite_name(meeting.id, now, settings.file_name_prefix, settings.ending)
                if kind is RecordingKind.COMPOSITE
                else track_name(next(iter(settings.layers.values()), None), "user", "peer", now)
            ),
            start_reason=why,
            invoked_at=now,
            updated_at=now,
        )
        async with scope.change() as change:
            await sessions.lock_meeting(change, meeting.id)  # two starts at once see each other
            others = await store.active_of(change, meeting.id)
            is_alone = kind is RecordingKind.COMPOSITE and not allow_multiple
            if is_alone and any(other.kind is RecordingKind.COMPOSITE for other in others):
                raise Conflict("This meeting is being recorded already.")
            await store.insert(change, recording)
            await self._announce(change, recording)
        return recording

    async def start_in_room(self, scope: AppScope, room_id: str) -> Recording:
        """Record a WebRTC room; if it is being recorded, that recording."""
        async with scope.change() as change:
            others = await store.active_of_room(change, room_id)
            if others:
                return others[0]
            now = scope.now()
            recording = Recording(
                id=RecordingId(f"rec_{uuid4().hex}"),
                app_id=scope.app_id,
                meeting_id=None,
                room_id=room_id,
                session_id=None,
                kind=RecordingKind.COMPOSITE,
                status=RecordingStatus.INVOKED,
                config=msgspec.to_builtins(OF_ROOMS),
                file_name=composite_name(room_id, now, None, OF_ROOMS.ending),
                start_reason=StartReason(Start.RECORD_ON_START),
                invoked_at=now,
                updated_at=now,
            )
            await store.insert(change, recording)
        return recording

    async def act(
        self, scope: AppScope, recording_id: RecordingId, action: RecordingAction, caller: Caller
    ) -> Recording:
        """Pause, resume or stop.

        Raises:
            NotFound: no such recording in this app.
            StateForbids: not in a state that allows it.
        """
        async with scope.change() as change:
            before = _found(await store.lock(change, recording_id), recording_id)
            if before.kind is RecordingKind.TRACKS and action is not RecordingAction.STOP:
                raise StateForbids("A track recording can only be stopped.")
            if action is RecordingAction.STOP:
                if not before.is_active:
                    raise StateForbids("This recording is not active.")
                return await self._stop(change, before, StopReason(Stop.API_CALL, caller))
            wanted = RecordingStatus.RECORDING if action is RecordingAction.PAUSE else RecordingStatus.PAUSED
            if before.status is not wanted:
                raise StateForbids(f"This recording is {before.status.value}; it cannot {action.value} now.")
            now = change.now()
            if action is RecordingAction.PAUSE:
                after = replace(_halted(before, now), status=RecordingStatus.PAUSED, updated_at=now)
                await store.add_moment(change, before.id, MomentKind.HALT, now)
            else:
                after = replace(before, status=RecordingStatus.RECORDING, capturing_since=now, updated_at=now)
                await store.add_moment(change, before.id, MomentKind.CAPTURE, now)
            await store.put(change, after)
            await self._announce(change, after)
        return after

    async def get(self, scope: AppScope, recording_id: RecordingId) -> Recording:
        """One recording, of a room as well.

        Raises:
            NotFound: no such recording in this app.
        """
        return _found(await store.get(scope, recording_id), recording_id)

    async def active(self, scope: AppScope, meeting_id: MeetingId) -> Recording:
        """The newest active recording of a meeting.

        Raises:
            NotFound: none is active.
        """
        for recording in await store.active_of(scope, meeting_id):
            if recording.kind is RecordingKind.COMPOSITE:
                return recording
        raise NotFound(f"No active recording found for meeting_id {meeting_id}")

    async def find(self, scope: AppScope, wanted: RecordingFilter, page: PageRequest) -> Page[Recording]:
        """A page of the app's recordings."""
        return await store.list_recordings(scope, wanted, page)

    async def by_day(self, scope: AppScope, days: Days) -> dict[date, DayCount]:
        """How many recordings were asked for on each day, and how much was recorded, up to now."""
        return await store.by_day(scope, days)

    # --- what happens -----------------------------------------------------------------------------

    async def began(
        self, scope: AppScope, recording_id: RecordingId, session_id: SessionId | None
    ) -> Recording:
        """Capture has begun, or goes on after a crash; nothing changes for one that is paused or stopped."""
        async with scope.change() as change:
            before = _found(await store.lock(change, recording_id), recording_id)
            if before.status not in (RecordingStatus.INVOKED, RecordingStatus.RECORDING):
                return before
            now = change.now()
            after = replace(
                before,
                status=RecordingStatus.RECORDING,
                session_id=session_id,
                started_at=before.started_at or now,
                capturing_since=now,
                updated_at=now,
            )
            await store.add_moment(change, before.id, MomentKind.CAPTURE, now)
            await store.put(change, after)
            if before.status is RecordingStatus.INVOKED:
                await self._announce(change, after)
        return after

    async def cut_off(self, scope: AppScope, recording_id: RecordingId, at: datetime) -> None:
        """Capture ended at that time without anybody's wish: its server or engine was lost."""
        async with scope.change() as change:
            before = _found(await store.lock(change, recording_id), recording_id)
            if before.status is RecordingStatus.RECORDING and before.capturing_since is not None:
                at = max(at, before.capturing_since)
                await store.add_moment(change, before.id, MomentKind.HALT, at)
                await store.put(change, _halted(before, at))

    async def stop(self, scope: AppScope, recording_id: RecordingId, why: StopReason) -> Recording:
        """Stop it if it is active; otherwise nothing happens."""
        async with scope.change() as change:
            before = _found(await store.lock(change, recording_id), recording_id)
            return await self._stop(change, before, why) if before.is_active else before

    async def retry(
        self, scope: AppScope, recording_id: RecordingId, storage: Mapping[str, Any] | None = None
    ) -> Recording:
        """Make and store the files of a recording once more that could not be finished.

        Args:
            scope: its app.
            recording_id: which.
            storage: takes the place of its `storage_config`, secrets sealed; None leaves that as it is.

        Raises:
            NotFound: no such recording in this app.
            StateForbids: it is not ERRORED, or nothing was captured.
        """
        async with scope.change() as change:
            before = _found(await store.lock(change, recording_id), recording_id)
            if before.status is not RecordingStatus.ERRORED or before.started_at is None:
                raise StateForbids("Only a recording that was captured and is ERRORED can be tried again.")
            config = before.config if storage is None else {**before.config, "storage_config": storage}
            after = replace(
                before,
                status=RecordingStatus.UPLOADING,
                config=config,
                error=None,
                progress=0,
                updated_at=change.now(),
            )
            await store.put(change, after)
            await self._announce(change, after)
            await self._enqueue(change, after)
        return after

    async def progressed(self, scope: AppScope, recording_id: RecordingId, percent: int) -> None:
        """The work after the stop has come this far."""
        async with scope.change() as change:
            before = _found(await store.lock(change, recording_id), recording_id)
            if before.status is RecordingStatus.UPLOADING:
                await store.put(change, replace(before, progress=percent, updated_at=change.now()))

    async def uploaded(
        self,
        scope: AppScope,
        recording_id: RecordingId,
        files: Sequence[StoredFile],
        recorded_ms: int,
        *,
        lacking: str | None = None,
    ) -> Recording:
        """Everything is where it belongs; `lacking` says what it goes without."""
        async with scope.change() as change:
            before = _found(await store.lock(change, recording_id), recording_id)
            if before.status is not RecordingStatus.UPLOADING:
                return before
            now = change.now()
            after = replace(
                before,
                status=RecordingStatus.UPLOADED,
                error=lacking,
                files=tuple(files),
                size_bytes=_main_size(files),
                recorded_ms=recorded_ms,
                progress=100,
                uploaded_at=now,
                expires_at=now + self.keep if before.room_id is None else None,
                updated_at=now,
            )
            await store.put(change, after)
            await self._announce(change, after)
        return after

    async def failed(
        self, scope: AppScope, recording_id: RecordingId, error: str, files: Sequence[StoredFile] = ()
    ) -> Recording:
        """It cannot be finished; files that are in Parley's own bucket can be had from there all the same."""
        async with scope.change() as change:
            before = _found(await store.lock(change, recording_id), recording_id)
            if before.status in (RecordingStatus.UPLOADED, RecordingStatus.ERRORED):
                return before
            now = change.now()
            after = replace(
                _halted(before, now),
                status=RecordingStatus.ERRORED,
                stop_reason=before.stop_reason or StopReason(Stop.INTERNAL_ERROR),
                stopped_at=before.stopped_at or now,
                error=error,
                files=(here := tuple(file for file in files if file.blob_key is not None)),
                size_bytes=_main_size(here),
                expires_at=now + self.keep if here else None,
                updated_at=now,
            )
            await store.put(change, after)
            await self._announce(change, after)
        return after

    async def expire(self, scope: AppScope, recording_id: RecordingId) -> None:
        """Remove the files of a recording whose time is over; its row stays."""
        recording = _found(await store.get(scope, recording_id), recording_id)
        for file in recording.files:
            if file.blob_key is not None:
                await scope.store.blobs.delete(file.blob_key)
        async with scope.change() as change:
            before = _found(await store.lock(change, recording_id), recording_id)
            await store.put(change, replace(before, files=(), updated_at=change.now()))

    async def _stop(self, change: Change, before: Recording, why: StopReason) -> Recording:
        now = change.now()
        is_captured = before.started_at is not None
        after = replace(
            _halted(before, now),
            status=RecordingStatus.UPLOADING if is_captured else RecordingStatus.ERRORED,
            stop_reason=why,
            stopped_at=now,
            error=None if is_captured else "Nothing was captured.",
            updated_at=now,
        )
        if before.capturing_since is not None:
            await store.add_moment(change, before.id, MomentKind.HALT, now)
        await store.put(change, after)
        await self._announce(change, after)
        if is_captured:
            await self._enqueue(change, after)
        return after

    async def _enqueue(self, change: Change, stopped: Recording) -> None:
        body = {"recording_id": stopped.id, "since": to_ms(change.now())}
        await self._store.jobs.enqueue(change.tx, stopped.app_id, FINISH_QUEUE, stopped.id, body)

    # --- links ------------------------------------------------------------------------------------

    def download_url(self, recording: Recording, role: FileRole) -> str | None:
        """Where a file can be had until the recording expires; None when there is none."""
        expires = recording.expires_at
        if expires is None or not any(f.role is role and f.blob_key for f in recording.files):
            return None
        path = f"{FILES}/{recording.id}/{role.value}"
        return f"{self._public_url}{path}?{self._links.query('GET', path, expires)}"

    def track_urls(self, recording: Recording) -> list[dict[str, Any]]:
        """The links of a track recording, by layer and file (`realtimekit.md` 10.7)."""
        expires = recording.expires_at
        layers: dict[str, dict[str, Any]] = {}
        for number, file in enumerate(recording.files):
            if expires is not None and file.blob_key and file.layer is not None:
                path = f"{FILES}/{recording.id}/{number}"
                url = f"{self._public_url}{path}?{self._links.query('GET', path, expires)}"
                layers.setdefault(file.layer, {})[file.name] = {"download_url": url}
        return [{"layer_name": name, "download_urls": urls} for name, urls in layers.items()]

    async def open(self, recording_id: str, which: str, query: Mapping[str, str]) -> tuple[StoredFile, Blob]:
        """A file and its content, for the holder of a link.

        Args:
            recording_id: of the link.
            which: role of the file, or its place among the files.
            query: of the link.

        Raises:
            NotAllowed: the link is wrong or its time is over.
            NotFound: there is no such file any more.
        """
        self._links.check("GET", f"{FILES}/{recording_id}/{which}", query, self._store.clock.now())
        recording = await store.by_link(self._store.database, recording_id)
        for number, file in enumerate(() if recording is None else recording.files):
            if which in (file.role.value, str(number)) and file.blob_key is not None:
                return file, await self._store.blobs.get(file.blob_key)
        raise NotFound("There is no such file.")

    async def _announce(self, change: Change, recording: Recording) -> None:
        if recording.meeting_id is None:
            await self._hand_over(change, recording)
            return
        labels = await sessions.labels(change, recording.meeting_id, recording.session_id)
        is_there = recording.status is RecordingStatus.UPLOADED
        change.announce(
            RecordingStatusChanged(
                recording_id=recording.id,
                meeting_id=recording.meeting_id,
                session_id=recording.session_id,
                kind=recording.kind,
                status=recording.status,
                file_name=recording.file_name,
                invoked_at=recording.invoked_at,
                started_at=recording.started_at,
                stopped_at=recording.stopped_at,
                recorded_ms=recording.recorded_until(change.now()),
                size_bytes=recording.size_bytes,
                download_url=self.download_url(recording, FileRole.VIDEO) if is_there else None,
                audio_download_url=self.download_url(recording, FileRole.AUDIO) if is_there else None,
                download_url_expiry=recording.expires_at,
                stop_reason=None if recording.stop_reason is None else _json(recording.stop_reason),
                copied_by=recording.config.get("copied_by"),
                **msgspec.structs.asdict(labels),
            )
        )

    async def _hand_over(self, change: Change, recording: Recording) -> None:
        """Recordings of rooms are told of when they are films; until then nobody asks for them."""
        if recording.status is RecordingStatus.UPLOADED and self.room_film is not None:
            for file in recording.files:
                if recording.room_id is not None and file.blob_key is not None:
                    await self.room_film(change, recording.room_id, recording, file.blob_key)


async def get_recording(scope: AppScope, recording_id: RecordingId) -> Recording:
    """One recording of a meeting.

    Raises:
        NotFound: no such recording in this app.
    """
    found = await store.get(scope, recording_id)
    return _found(None if found is None or found.meeting_id is None else found, recording_id)


def _halted(recording: Recording, at: datetime) -> Recording:
    """With what was captured until then added up."""
    return replace(recording, recorded_ms=recording.recorded_until(at), capturing_since=None)


def _main_size(files: Sequence[StoredFile]) -> int | None:
    """Of the picture, or of the sound where there is no picture, or of all tracks."""
    for role in FileRole:
        sizes = [file.size_bytes for file in files if file.role is role]
        if sizes:
            return sum(sizes)
    return None


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _found(recording: Recording | None, recording_id: RecordingId) -> Recording:
    if recording is None:
        raise NotFound(f"No recording found with id {recording_id}")
    return recording
