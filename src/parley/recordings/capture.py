"""What is recorded of the meetings that run here: streams into files, and what the picture has to follow.

The rows of recordings say what is wanted, the running meeting says what there is; `Capture` brings both
together whenever one of them changes. So it does not matter who changed what: a start by REST on
another server, a resumed pause, a camera switched on, a server that took the meeting up after a crash.

    recordings (rows) ─┐                      ┌─ media engine: capture this sender, or not
                       ├─ Capture ────────────┼─ recording_tracks: which stream is in which file, from when
    running meeting ───┘                      └─ recording_moments: who joined, left, was pinned

A muted stream is not recorded: its track ends, and another begins when it can be heard again. Rooms of the
Real Time Block are recorded the same way, see `rooms.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

import structlog

from parley.accounts.scope import AppScope
from parley.base.errors import Conflict
from parley.base.events import Event
from parley.base.ids import MeetingId, PeerId, SessionId, new_uuid
from parley.base.loops import OnChange
from parley.media.ports import MediaError, SendTransport
from parley.meetings.model import Session
from parley.meetings.ports import Publisher, RunningMeeting, Stream
from parley.meetings.service import get_meeting
from parley.meetings.sessions import store as sessions
from parley.recordings import store
from parley.recordings.events import RecordingStatusChanged
from parley.recordings.model import (
    MomentKind,
    Recording,
    RecordingId,
    RecordingKind,
    RecordingStatus,
    Start,
    StartReason,
    Stop,
    StopReason,
    Track,
    TrackId,
    TrackSource,
)
from parley.recordings.service import Recordings
from parley.recordings.settings import resolve

log = structlog.get_logger(__name__)
METADATA_KINDS = frozenset({"ID3", "ID3Data"})
"""Messages that become timed metadata of interactive recordings (`realtimekit.md` 10.8)."""
END_OF_METADATA = "CLOSE_TRANSPORT"
NOTES_LIMIT = 256
"""Metadata that waits to be written; what comes while there is more is left out."""
AWAY = timedelta(seconds=60)
"""A meeting that no server ran for longer than this has a gap that is cut out of its recordings."""


@dataclass(slots=True)
class _Following:
    """What has been written down of one recording, by this process."""

    present: set[PeerId] = field(default_factory=set)
    pinned: PeerId | None = None
    tracks: dict[tuple[str, str], TrackId] = field(default_factory=dict)
    """The open ones, by stream and sender."""


class Captures:
    """Follows every meeting that runs in this process."""

    def __init__(self, recordings: Recordings, running: Callable[[MeetingId], RunningMeeting | None]) -> None:
        """Prepare.

        Args:
            recordings: their states.
            running: the meeting of an id, if it runs here.
        """
        self._recordings = recordings
        self._running = running
        self._meetings: dict[MeetingId, MeetingCapture] = {}

    def changed(self, live: RunningMeeting) -> None:
        """See `meetings.ports.Observer`."""
        capture = self._meetings.get(live.id)
        if capture is None or capture.live is not live:
            capture = self._meetings[live.id] = MeetingCapture(live, self._recordings, self._forget)
        capture.wake()

    def heard(self, happened: Event) -> None:
        """An event of any server: a recording of a meeting that runs here was changed."""
        if not isinstance(happened, RecordingStatusChanged):
            return
        live = self._running(happened.meeting_id)
        if live is not None:
            if happened.kind is RecordingKind.COMPOSITE:
                live.on_air.recording_changed(happened.recording_id, happened.status)
            self.changed(live)

    def broadcast(self, live: RunningMeeting, kind: str, payload: bytes) -> None:
        """See `meetings.ports.Observer`."""
        capture = self._meetings.get(live.id)
        if capture is not None and kind in METADATA_KINDS:
            capture.note(payload)

    async def stop(self) -> None:
        """End; captures go on until their meetings are closed."""
        for capture in list(self._meetings.values()):
            await capture.stop()
        self._meetings.clear()

    def _forget(self, capture: MeetingCapture) -> None:
        if self._meetings.get(capture.live.id) is capture:
            del self._meetings[capture.live.id]


class Recorded(Protocol):
    """What is recorded."""

    @property
    def id(self) -> str:
        """Names it in the log."""
        ...

    @property
    def pinned(self) -> PeerId | None:
        """Who is pinned for everybody."""
        ...


class Due(NamedTuple):
    """What has to be captured now."""

    scope: AppScope
    people: list[Publisher]
    session_id: SessionId | None
    """Of a meeting."""
    active: list[Recording]


class Capture:
    """What is captured of something that runs; a subclass decides what is due."""

    def __init__(self, live: Recorded, recordings: Recordings, on_end: Callable[[], None]) -> None:
        self._live = live
        self._recordings = recordings
        self._on_end = on_end
        self._senders: dict[str, SendTransport] = {}
        """Those that are captured, by id."""
        self._following: dict[RecordingId, _Following] = {}
        self._looks = OnChange(self._look, "capture", of=live.id, rested=self._rest)

    def wake(self) -> None:
        """Look again soon."""
        self._looks.wake()

    async def stop(self) -> None:
        """Look no more."""
        await self._looks.stop()

    def _rest(self) -> None:
        if not self._following:
            self._on_end()

    async def _due(self) -> Due:
        raise AssertionError("overridden by whoever knows what is to be recorded")

    async def _look(self) -> None:
        scope, people, session_id, active = await self._due()
        running = [
            await self._begin(scope, recording, session_id)
            for recording in active
            if people and recording.status in (RecordingStatus.INVOKED, RecordingStatus.RECORDING)
        ]
        running = [recording for recording in running if recording.status is RecordingStatus.RECORDING]
        await self._capture(people, running)
        now = scope.now()
        gone = set(self._following) - {recording.id for recording in running}
        if gone:
            await self._close(scope, gone, now)
        for recording in running:
            await self._write(scope, recording, people, now)
        await self._followed(scope, running)

    async def _followed(self, scope: AppScope, running: list[Recording]) -> None:
        """Everything is noted of the recordings that run now."""

    async def _begin(self, scope: AppScope, recording: Recording, session_id: SessionId | None) -> Recording:
        """Take up a recording that this process does not follow yet."""
        goes_on = recording.status is RecordingStatus.RECORDING and recording.capturing_since is not None
        if goes_on or recording.id in self._following:
            return recording
        return await self._recordings.began(scope, recording.id, session_id)

    # --- the engine -------------------------------------------------------------------------------

    async def _capture(self, people: list[Publisher], running: list[Recording]) -> None:
        """Have the engine write what is needed, and nothing else."""
        wanted = {
            person.sender.id: person.sender
            for person in people
            if person.sender is not None and any(_is_meant(recording, person) for recording in running)
        }
        for sender_id in set(self._senders) - set(wanted):
            sender = self._senders.pop(sender_id)
            await _tell(sender, None)
        for sender_id, sender in wanted.items():
            if sender_id not in self._senders and await _tell(sender, new_uuid()):
                self._senders[sender_id] = sender

    # --- the rows ---------------------------------------------------------------------------------

    async def _write(
        self, scope: AppScope, recording: Recording, people: list[Publisher], now: datetime
    ) -> None:
        """Note what is new of one recording, as one change."""
        meant = [person for person in people if _is_meant(recording, person)]
        is_new = recording.id not in self._following
        known = self._following.get(recording.id) or _Following(await store.present_in(scope, recording.id))
        present = {person.peer_id: person for person in meant}
        there = self._open_streams(recording, meant)
        joined = [person for person in meant if person.peer_id not in known.present]
        left = known.present - set(present)
        begun = {key: _track(recording, *each, now) for key, each in there.items() if key not in known.tracks}
        ended = [track_id for key, track_id in known.tracks.items() if key not in there]
        pinned = self._live.pinned
        if not (is_new or joined or left or begun or ended or pinned != known.pinned):
            return
        async with scope.change() as change:
            if is_new:
                await store.stop_open_tracks(change, recording.id, now)
            for peer_id in left:
                await store.add_moment(change, recording.id, MomentKind.LEAVE, now, peer_id=peer_id)
            for person in joined:
                await store.add_moment(change, recording.id, MomentKind.JOIN, now, **_label(person))
            if pinned != known.pinned:
                await store.add_moment(change, recording.id, MomentKind.PIN, now, peer_id=pinned)
            for track_id in ended:
                await store.stop_track(change, track_id, now)
            for track in begun.values():
                await store.insert_track(change, track)
        self._following[recording.id] = _Following(
            present=set(present),
            pinned=pinned,
            tracks={key: begun[key].id if key in begun else known.tracks[key] for key in there},
        )

    def _open_streams(
        self, recording: Recording, people: list[Publisher]
    ) -> dict[tuple[str, str], tuple[Publisher, Stream, str]]:
        found: dict[tuple[str, str], tuple[Publisher, Stream, str]] = {}
        for person in people:
            sender = person.sender
            if sender is None or sender.id not in self._senders:
                continue
            for stream in person.streams:
                if recording.kind is RecordingKind.TRACKS and (
                    stream.kind != "audio" or stream.is_screen_share
                ):
                    continue
                file = sender.capture_file(stream.mid)
                if file is not None:
                    found[(stream.id, sender.id)] = (person, stream, file)
        return found

    async def _close(self, scope: AppScope, gone: set[RecordingId], now: datetime) -> None:
        """Recordings that are paused or stopped: their tracks end."""
        async with scope.change() as change:
            for recording_id in gone:
                await store.stop_open_tracks(change, recording_id, now)
        for recording_id in gone:
            del self._following[recording_id]


class MeetingCapture(Capture):
    """What is captured of one running meeting."""

    def __init__(
        self, live: RunningMeeting, recordings: Recordings, on_end: Callable[[MeetingCapture], None]
    ) -> None:
        super().__init__(live, recordings, lambda: on_end(self))
        self.live = live
        self._notes: list[tuple[datetime, str]] = []
        self._without_metadata: set[RecordingId] = set()
        """Those whose clients said that nothing more comes."""
        self._started_for: SessionId | None = None

    def note(self, payload: bytes) -> None:
        """Keep metadata for the interactive recordings that run now."""
        if len(self._notes) < NOTES_LIMIT:
            self._notes.append((self.live.scope.now(), payload.decode("utf-8", "replace")))
            self.wake()

    async def _due(self) -> Due:
        live, scope, session = self.live, self.live.scope, self.live.session
        if session is not None and session.settings.record_on_start:
            await self._start_by_itself(scope, session)
        active = await store.active_of(scope, live.id)
        if session is not None:
            if await self._cut_gap(scope, active, session.id):
                active = await store.active_of(scope, live.id)
            return Due(scope, live.publishers(), session.id, active)
        # By the store: a session that has just begun may be there before the meeting knows of it.
        for recording in active:
            if recording.session_id is not None and await sessions.is_over(scope, recording.session_id):
                await self._recordings.stop(scope, recording.id, StopReason(Stop.ALL_PEERS_LEFT))
        return Due(scope, [], None, active)

    async def _followed(self, scope: AppScope, running: list[Recording]) -> None:
        await self._write_notes(scope, [each for each in running if each.config.get("is_interactive")])

    async def _cut_gap(self, scope: AppScope, active: list[Recording], session_id: SessionId) -> bool:
        """End what no server has captured for long; True if there was any. By when a server last ran it."""
        running = [each for each in active if each.capturing_since is not None]
        if not running or any(each.id in self._following for each in running):
            return False
        seen = await sessions.last_seen(scope, session_id)
        if scope.now() - seen <= AWAY:
            return False
        for recording in running:
            await self._recordings.cut_off(scope, recording.id, seen)
        return True

    async def _start_by_itself(self, scope: AppScope, session: Session) -> None:
        """Once in a session: also after a crash, and not again after somebody stopped it."""
        if self._started_for == session.id:
            return
        own = await store.of_session(scope, session.id)
        if not any(each.start_reason.reason is Start.RECORD_ON_START for each in own):
            meeting = await get_meeting(scope, self.live.id)
            with contextlib.suppress(Conflict):  # somebody had asked for it already
                await self._recordings.start(
                    scope,
                    meeting,
                    resolve(session.settings.recording_config, {}),
                    StartReason(Start.RECORD_ON_START),
                    session_id=session.id,
                )
        self._started_for = session.id

    async def _write_notes(self, scope: AppScope, interactive: list[Recording]) -> None:
        notes, self._notes = self._notes, []
        if not notes or not interactive:
            return
        async with scope.change() as change:
            for at, data in notes:
                for recording in interactive:
                    if recording.id in self._without_metadata:
                        continue
                    if END_OF_METADATA in data:
                        self._without_metadata.add(recording.id)
                    else:
                        await store.add_moment(change, recording.id, MomentKind.METADATA, at, data=data)


async def _tell(sender: SendTransport, name: str | None) -> bool:
    try:
        await sender.capture(name)
    except MediaError as refused:
        log.warning("sender_not_captured", sender=sender.id, reason=refused.message)
        return False
    return True


def _is_meant(recording: Recording, person: Publisher) -> bool:
    """Films show the stage; in a meeting without one everybody is on it."""
    if recording.kind is RecordingKind.COMPOSITE and not person.is_on_stage:
        return False
    chosen = recording.config.get("user_ids") or ()
    return not chosen or person.participant_id in chosen or person.custom_participant_id in chosen


def _label(person: Publisher) -> dict[str, Any]:
    return {
        "peer_id": person.peer_id,
        "name": person.name,
        "picture": person.picture,
        "colours": dict(person.colours),
    }


_SOURCES = {
    ("audio", False): TrackSource.MICROPHONE,
    ("audio", True): TrackSource.SCREEN_AUDIO,
    ("video", False): TrackSource.CAMERA,
    ("video", True): TrackSource.SCREEN,
}


def _track(recording: Recording, person: Publisher, stream: Stream, file: str, now: datetime) -> Track:
    return Track(
        id=TrackId(new_uuid()),
        app_id=recording.app_id,
        recording_id=recording.id,
        peer_id=person.peer_id,
        participant_id=person.participant_id,
        custom_participant_id=person.custom_participant_id,
        display_name=person.name,
        picture=person.picture,
        source=_SOURCES[stream.kind, stream.is_screen_share],
        file_name=file,
        started_at=now,
    )
