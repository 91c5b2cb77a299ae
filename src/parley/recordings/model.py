"""What a recording is (`realtimekit.md` section 10)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType

import msgspec

from parley.base.ids import AppId, MeetingId, PeerId, SessionId
from parley.base.paging import Order

RecordingId = NewType("RecordingId", str)
TrackId = NewType("TrackId", str)


class RecordingKind(StrEnum):
    """What the result looks like."""

    COMPOSITE = "composite"
    """One file in which everybody is seen and heard."""
    TRACKS = "tracks"
    """One sound file for each recorded peer."""


class RecordingStatus(StrEnum):
    """How far a recording has come."""

    INVOKED = "INVOKED"
    """Asked for; nothing is captured yet."""
    RECORDING = "RECORDING"
    PAUSED = "PAUSED"
    UPLOADING = "UPLOADING"
    """Stopped; the files are being made and stored."""
    UPLOADED = "UPLOADED"
    ERRORED = "ERRORED"


ACTIVE = frozenset({RecordingStatus.INVOKED, RecordingStatus.RECORDING, RecordingStatus.PAUSED})
"""Not stopped yet."""


class RecordingAction(StrEnum):
    """What can be asked of an active recording."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"


class Start(StrEnum):
    """Why a recording was started."""

    API_CALL = "API_CALL"
    RECORD_ON_START = "RECORD_ON_START"


class Stop(StrEnum):
    """Why a recording was stopped."""

    API_CALL = "API_CALL"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    ALL_PEERS_LEFT = "ALL_PEERS_LEFT"


class Caller(msgspec.Struct, frozen=True):
    """Who asked: the customer's server, or a participant."""

    name: str | None = None
    user_id: str | None = None
    """Of the participant; None for the customer's server."""


SERVER = Caller()


class StartReason(msgspec.Struct, frozen=True):
    """Why, and on whose demand."""

    reason: Start
    caller: Caller | None = None
    """None when the meeting itself demands it."""


class StopReason(msgspec.Struct, frozen=True):
    """The same for the end."""

    reason: Stop
    caller: Caller | None = None


class FileRole(StrEnum):
    """What a stored file is for."""

    VIDEO = "video"
    AUDIO = "audio"
    TRACK = "track"
    ARCHIVE = "archive"
    """All tracks together."""


class StoredFile(msgspec.Struct, frozen=True):
    """A finished file in Parley's own bucket."""

    role: FileRole
    name: str
    size_bytes: int
    blob_key: str | None
    """None when only the customer's storage has it."""
    layer: str | None = None
    """Of a track recording."""


class Recording(msgspec.Struct, frozen=True):
    """One recording, of a meeting or of a WebRTC room."""

    id: RecordingId
    app_id: AppId
    meeting_id: MeetingId | None
    """None = of a room."""
    session_id: SessionId | None
    kind: RecordingKind
    status: RecordingStatus
    config: dict[str, Any]
    """`settings.RecordingSettings`, with secrets sealed."""
    file_name: str
    start_reason: StartReason
    invoked_at: datetime
    updated_at: datetime
    room_id: str | None = None
    """None = of a meeting."""
    stop_reason: StopReason | None = None
    error: str | None = None
    """Why it is ERRORED, or what an UPLOADED one goes without, in plain words."""
    recorded_ms: int = 0
    """Captured up to `capturing_since`, pauses excluded."""
    capturing_since: datetime | None = None
    """Since when this piece is captured; None while nothing is."""
    progress: int = 0
    """Of the work after the stop, 0 to 100."""
    size_bytes: int | None = None
    files: tuple[StoredFile, ...] = ()
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    uploaded_at: datetime | None = None
    expires_at: datetime | None = None
    """When the files in Parley's own bucket are removed."""

    @property
    def is_active(self) -> bool:
        """Not stopped yet."""
        return self.status in ACTIVE

    def recorded_until(self, now: datetime) -> int:
        """Milliseconds captured by that time, pauses excluded."""
        if self.capturing_since is None:
            return self.recorded_ms
        return self.recorded_ms + max(0, round((now - self.capturing_since).total_seconds() * 1000))


class TrackSource(StrEnum):
    """What a captured stream shows or lets hear."""

    MICROPHONE = "microphone"
    CAMERA = "camera"
    SCREEN = "screen"
    SCREEN_AUDIO = "screen_audio"


class Track(msgspec.Struct, frozen=True):
    """One captured stream of one peer, in one file of the media engine."""

    id: TrackId
    app_id: AppId
    recording_id: RecordingId
    peer_id: PeerId
    participant_id: str
    custom_participant_id: str
    display_name: str
    picture: str | None
    source: TrackSource
    file_name: str
    """Below the folder of captures."""
    started_at: datetime
    stopped_at: datetime | None = None


class MomentKind(StrEnum):
    """What can happen while something is recorded."""

    CAPTURE = "capture"
    """A piece begins: at the start, after a pause, after a crash."""
    HALT = "halt"
    """It ends."""
    JOIN = "join"
    LEAVE = "leave"
    PIN = "pin"
    METADATA = "metadata"
    """What a client sent to be seen with the picture of that time (`realtimekit.md` 10.8)."""


class Moment(msgspec.Struct, frozen=True):
    """Something that happened, and that the finished picture follows."""

    app_id: AppId
    recording_id: RecordingId
    kind: MomentKind
    payload: dict[str, Any]
    at: datetime


class RecordingFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which recordings; absent conditions do not count."""

    meeting_id: MeetingId | None = None
    search: str | None = None
    """A whole meeting id, or a part of a meeting's title."""
    is_expired: bool | None = None
    statuses: Sequence[RecordingStatus] = ()
    invoked_from: datetime | None = None
    invoked_to: datetime | None = None
    order: Order = Order.DESC
