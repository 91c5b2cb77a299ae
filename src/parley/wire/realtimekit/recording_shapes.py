"""A recording as REST shows it (`realtimekit.md` 10.1)."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from parley.base.times import iso_ms
from parley.meetings.configs import shown_form
from parley.recordings.model import (
    Caller,
    FileRole,
    Recording,
    RecordingKind,
    RecordingStatus,
    StartReason,
    StopReason,
)
from parley.wire.realtimekit.answers import Paging, Timestamp, Uuid
from parley.wire.realtimekit.endpoint import AppCall
from parley.wire.realtimekit.meetings import MeetingShape

Status = Literal["INVOKED", "RECORDING", "PAUSED", "UPLOADING", "UPLOADED", "ERRORED"]


class CallerShape(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who asked."""

    type: Literal["ORGANIZATION", "USER"]
    name: str | UnsetType = UNSET
    user_id: str | UnsetType = msgspec.field(name="user_Id", default=UNSET)


class ReasonShape(msgspec.Struct, frozen=True):
    """Why it was started, or stopped."""

    reason: str
    caller: CallerShape | UnsetType = UNSET


class RecordingShape(msgspec.Struct, frozen=True, kw_only=True):
    """A recording."""

    id: Uuid
    status: Status
    invoked_time: Timestamp
    started_time: Timestamp | None
    stopped_time: Timestamp | None
    recording_duration: int | UnsetType = UNSET
    output_file_name: str
    file_size: int | None
    download_url: str | None
    audio_download_url: str | None
    download_url_expiry: Timestamp | None
    session_id: str | None
    storage_config: dict[str, Any] | UnsetType | None = UNSET
    start_reason: ReasonShape | UnsetType = UNSET
    stop_reason: ReasonShape | UnsetType = UNSET
    meeting: MeetingShape | UnsetType = UNSET
    meeting_id: Uuid | UnsetType = UNSET
    type: Literal["TRACK"] | UnsetType = UNSET
    track_download_urls: Sequence[dict[str, Any]] | UnsetType = UNSET
    error: str | UnsetType = UNSET
    """Of an ERRORED one: why, in plain words. Of an UPLOADED one: what it goes without."""
    progress: int | UnsetType = UNSET
    """Of an UPLOADING one: how far the work has come, 0 to 100."""


class RecordingsShape(msgspec.Struct, frozen=True):
    """A page of recordings."""

    data: Sequence[RecordingShape]
    paging: Paging
    success: bool = True


class TrackStarted(msgspec.Struct, frozen=True):
    """The recording that was started."""

    recording: RecordingShape


def _reason(reason: StartReason | StopReason | None) -> ReasonShape | UnsetType:
    if reason is None:
        return UNSET
    caller = reason.caller
    return ReasonShape(reason.reason.value, UNSET if caller is None else _caller(caller))


def _caller(caller: Caller) -> CallerShape:
    if caller.user_id is None:
        return CallerShape(type="ORGANIZATION")
    return CallerShape(type="USER", name=caller.name or "", user_id=caller.user_id)


def recording_shape(call: AppCall, recording: Recording, *, is_full: bool) -> RecordingShape:
    """A recording; `is_full` adds storage and reasons."""
    recordings, now = call.context.recordings, call.scope.now()
    is_there = (
        recording.status in (RecordingStatus.UPLOADED, RecordingStatus.ERRORED)
        and recording.expires_at is not None
        and recording.expires_at > now
    )
    storage = recording.config.get("storage_config")
    is_track = recording.kind is RecordingKind.TRACKS
    main = FileRole.ARCHIVE if is_track else FileRole.VIDEO
    return RecordingShape(
        id=recording.id,
        status=recording.status.value,
        invoked_time=iso_ms(recording.invoked_at),
        started_time=None if recording.started_at is None else iso_ms(recording.started_at),
        stopped_time=None if recording.stopped_at is None else iso_ms(recording.stopped_at),
        recording_duration=UNSET if recording.started_at is None else recording.recorded_until(now) // 1000,
        output_file_name=recording.file_name,
        file_size=recording.size_bytes,
        download_url=recordings.download_url(recording, main) if is_there else None,
        audio_download_url=recordings.download_url(recording, FileRole.AUDIO) if is_there else None,
        download_url_expiry=(
            iso_ms(recording.expires_at) if is_there and recording.expires_at is not None else None
        ),
        session_id=recording.session_id,
        storage_config=_storage(storage) if is_full and not is_track else UNSET,
        start_reason=_reason(recording.start_reason) if is_full and not is_track else UNSET,
        stop_reason=_reason(recording.stop_reason) if is_full and not is_track else UNSET,
        meeting_id=(recording.meeting_id or UNSET) if is_track else UNSET,
        type="TRACK" if is_track else UNSET,
        track_download_urls=recordings.track_urls(recording) if is_track and is_there else UNSET,
        error=UNSET if recording.error is None else recording.error,
        progress=recording.progress if recording.status is RecordingStatus.UPLOADING else UNSET,
    )


def _storage(stored: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if stored is None:
        return None
    shown: dict[str, Any] = shown_form({"storage_config": dict(stored)})["storage_config"]
    return shown
