"""Recordings (`realtimekit.md` section 10)."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from parley.accounts.scope import AppScope
from parley.base.errors import Invalid, ParleyError
from parley.base.ids import MeetingId, is_uuid
from parley.base.paging import Order
from parley.livestreams.model import Run
from parley.livestreams.service import pushed_to
from parley.meetings import service as meetings
from parley.meetings.configs import (
    AudioRecording,
    BucketConfig,
    LiveStreaming,
    RecordingConfig,
    Seconds,
    StorageConfig,
    Uri,
    VideoRecording,
    missing_storage_key,
    stored_form,
)
from parley.meetings.history import service as history
from parley.meetings.model import Meeting
from parley.recordings.model import (
    SERVER,
    Recording,
    RecordingAction,
    RecordingFilter,
    RecordingId,
    RecordingKind,
    RecordingStatus,
    Start,
    StartReason,
)
from parley.recordings.service import get_recording
from parley.recordings.settings import RecordingSettings, resolve
from parley.wire.realtimekit.answers import One, Paging
from parley.wire.realtimekit.endpoint import AppCall, Routes
from parley.wire.realtimekit.meetings import shape_of as meeting_shape
from parley.wire.realtimekit.reading import Instant, PageQuery, time_range
from parley.wire.realtimekit.recording_shapes import (
    RecordingShape,
    RecordingsShape,
    Status,
    TrackStarted,
    recording_shape,
)


async def _load_recording(scope: AppScope, path: Mapping[str, str]) -> Recording:
    return await get_recording(scope, RecordingId(path["recording_id"]))


routes = Routes("Recordings", loads={"recording": _load_recording})
Prefix = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_\-]*$(?!\n)", max_length=128)]
MAX_USERS = 100
MAX_LAYERS = 8
DEFAULT_LAYER = "default"


class RtmpOut(msgspec.Struct, frozen=True):
    """Where the picture is also sent."""

    rtmp_url: Uri | UnsetType = UNSET


class Interactive(msgspec.Struct, frozen=True):
    """Timed metadata (`realtimekit.md` 10.8)."""

    type: Literal["ID3"]


class StartBody(msgspec.Struct, frozen=True, kw_only=True):
    """What shall be recorded, and how; what is absent is decided by the meeting's `recording_config`."""

    meeting_id: Annotated[str, Meta(min_length=1)]
    max_seconds: Seconds | UnsetType = UNSET
    allow_multiple_recordings: bool = False
    file_name_prefix: Prefix | UnsetType = UNSET
    video_config: VideoRecording | UnsetType = UNSET
    audio_config: AudioRecording | UnsetType = UNSET
    storage_config: StorageConfig | UnsetType | None = UNSET
    realtimekit_bucket_config: BucketConfig | UnsetType = UNSET
    dyte_bucket_config: BucketConfig | UnsetType = UNSET
    live_streaming_config: LiveStreaming | UnsetType = UNSET
    rtmp_out_config: RtmpOut | UnsetType = UNSET
    """The meeting is streamed there as long as it is recorded."""
    interactive_config: Interactive | UnsetType | None = UNSET
    url: Uri | UnsetType = UNSET
    """Not served: the meeting itself is recorded."""


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of file of a track recording."""

    media_kind: Literal["audio"] = "audio"
    file_name_prefix: Prefix | UnsetType = UNSET


class TrackBody(msgspec.Struct, frozen=True, kw_only=True):
    """Whose sound shall be recorded, each in a file of its own."""

    meeting_id: Annotated[str, Meta(min_length=1)]
    max_seconds: Seconds | UnsetType = UNSET
    layers: dict[str, Layer] | UnsetType = UNSET
    user_ids: Annotated[list[str], Meta(max_length=MAX_USERS)] | UnsetType = UNSET
    """Participant ids, or the customer's own."""


class ActionBody(msgspec.Struct, frozen=True):
    """What to do."""

    action: Literal["stop", "pause", "resume", "retry"]
    """`retry`: make and store the files of an ERRORED recording once more."""
    storage_config: StorageConfig | UnsetType = UNSET
    """With `retry`: in place of the settings that did not work."""


class RecordingQuery(PageQuery, frozen=True, kw_only=True):
    """Which recordings."""

    meeting_id: str = ""
    search: str = ""
    expired: bool | UnsetType = UNSET
    sort_by: Literal["invokedTime"] = "invokedTime"
    sort_order: Literal["ASC", "DESC"] = "DESC"
    start_time: Instant = ""
    end_time: Instant = ""
    status: list[Status] = msgspec.field(default_factory=list)


# --- what a request decides -------------------------------------------------------------------

_LEVELLED = tuple(RecordingConfig.__struct_fields__)


def settings_of(scope: AppScope, meeting: Meeting, body: StartBody) -> RecordingSettings:
    """The request over the meeting's own settings."""
    _require_whole(body.storage_config)
    if body.url is not UNSET:
        raise Invalid('"url" cannot be recorded: this server records the meeting itself', field="url")
    given = {name: value for name in _LEVELLED if (value := getattr(body, name)) is not UNSET}
    request = stored_form(scope.store.vault, RecordingConfig(**given))
    is_interactive = isinstance(body.interactive_config, Interactive)
    return resolve(meeting.recording_config, request, is_interactive=is_interactive)


def _require_whole(storage: StorageConfig | UnsetType | None) -> None:
    missing = missing_storage_key(storage) if isinstance(storage, StorageConfig) else None
    if missing:
        raise Invalid(f'"storage_config.{missing}" is required', field=f"storage_config.{missing}")


def _sealed(scope: AppScope, storage: StorageConfig | UnsetType) -> Mapping[str, Any] | None:
    if storage is UNSET:
        return None
    _require_whole(storage)
    sealed: Mapping[str, Any] = stored_form(scope.store.vault, RecordingConfig(storage_config=storage))[
        "storage_config"
    ]
    return sealed


def _prefixes(body: TrackBody) -> dict[str, str | None]:
    """Those of the files, by layer."""
    layers = {DEFAULT_LAYER: Layer()} if body.layers is UNSET or not body.layers else body.layers
    if len(layers) > MAX_LAYERS:
        raise Invalid(f'"layers" must contain less than or equal to {MAX_LAYERS} items', field="layers")
    prefixes = {name: each.file_name_prefix or None for name, each in layers.items()}
    if len({prefix or DEFAULT_LAYER for prefix in prefixes.values()}) < len(prefixes):
        raise Invalid('"layers" must differ in "file_name_prefix": files are named by it', field="layers")
    return prefixes


async def _stream_out(
    call: AppCall, meeting: Meeting, body: StartBody, settings: RecordingSettings
) -> Run | None:
    """Have the picture sent to an RTMP server outside, if that is wanted."""
    url = UNSET if body.rtmp_out_config is UNSET else body.rtmp_out_config.rtmp_url
    if url is UNSET:
        return None
    streams, video = call.context.livestreams, settings.video_config
    stream = await streams.start(call.scope, meeting, pushed_to(url, video.width, video.height))
    _, run = await streams.active_run(call.scope, stream.id)
    return run


async def _meeting(scope: AppScope, meeting_id: str) -> Meeting:
    if not is_uuid(meeting_id):
        raise Invalid('"meeting_id" must be a valid GUID', field="meeting_id")
    return await meetings.get_meeting(scope, MeetingId(meeting_id.lower()))


# --- routes -----------------------------------------------------------------------------------


@routes.get("{app}/recordings")
async def list_recordings(call: AppCall, query: RecordingQuery) -> RecordingsShape:
    """List recordings.

    Newest first. `search` is a meeting's id, or part of its title; times are those of the request to record.
    """
    if query.meeting_id and not is_uuid(query.meeting_id):
        raise Invalid('"meeting_id" must be a valid GUID', field="meeting_id")
    start, end = time_range(query.start_time, query.end_time)
    wanted = RecordingFilter(
        meeting_id=MeetingId(query.meeting_id.lower()) if query.meeting_id else None,
        search=query.search or None,
        is_expired=None if query.expired is UNSET else query.expired,
        statuses=[RecordingStatus(each) for each in query.status],
        invoked_from=start,
        invoked_to=end,
        order=Order(query.sort_order),
    )
    page = await call.context.recordings.find(call.scope, wanted, query.page())
    of_rows = {row.meeting_id for row in page.rows if row.meeting_id is not None}
    known = {each: meeting_shape(await meetings.get_meeting(call.scope, each)) for each in of_rows}
    rows = [
        msgspec.structs.replace(
            recording_shape(call, row, is_full=True),
            start_reason=UNSET,
            stop_reason=UNSET,
            meeting=known[row.meeting_id],
        )
        for row in page.rows
        if row.meeting_id is not None
    ]
    return RecordingsShape(rows, Paging.of(page))


@routes.post("{app}/recordings")
async def start_recording(call: AppCall, body: StartBody) -> One[RecordingShape]:
    """Start recording a meeting.

    Accepted also while nobody is there; it begins with the first who joins.
    """
    meeting = await _meeting(call.scope, body.meeting_id)
    settings = settings_of(call.scope, meeting, body)
    copy = await _stream_out(call, meeting, body, settings)
    if copy is not None:
        settings = msgspec.structs.replace(settings, copied_by=copy.id)
    try:
        recording = await call.context.recordings.start(
            call.scope,
            meeting,
            settings,
            StartReason(Start.API_CALL, SERVER),
            allow_multiple=body.allow_multiple_recordings,
        )
    except ParleyError:
        if copy is not None:
            await call.context.livestreams.stop(call.scope, copy.livestream_id)
        raise
    return One(recording_shape(call, recording, is_full=True))


@routes.post("{app}/recordings/track")
async def start_track_recording(call: AppCall, body: TrackBody) -> One[TrackStarted]:
    """Record the sound of each peer of a running session in a file of its own."""
    meeting = await _meeting(call.scope, body.meeting_id)
    session = await history.active_session(call.scope, meeting.id)
    recording = await call.context.recordings.start(
        call.scope,
        meeting,
        resolve(
            meeting.recording_config,
            {} if body.max_seconds is UNSET else {"max_seconds": int(body.max_seconds)},
            layers=_prefixes(body),
            user_ids=[] if body.user_ids is UNSET else body.user_ids,
        ),
        StartReason(Start.API_CALL, SERVER),
        kind=RecordingKind.TRACKS,
        session_id=session.session.id,
    )
    return One(TrackStarted(recording_shape(call, recording, is_full=False)))


@routes.get("{app}/recordings/active-recording/{meeting_id}")
async def get_active_recording(call: AppCall, meeting_id: str) -> One[RecordingShape]:
    """Get the newest active recording of a meeting."""
    recording = await call.context.recordings.active(call.scope, MeetingId(meeting_id))
    return One(recording_shape(call, recording, is_full=False))


@routes.get("{app}/recordings/{recording_id}")
async def show_recording(call: AppCall, recording: Recording) -> One[RecordingShape]:
    """Get a recording."""
    return One(recording_shape(call, recording, is_full=True))


@routes.put("{app}/recordings/{recording_id}")
async def act_on_recording(call: AppCall, recording: Recording, body: ActionBody) -> One[RecordingShape]:
    """Stop, pause or resume a recording, or try again to finish one that is ERRORED."""
    if body.action == "retry":
        after = await call.context.recordings.retry(
            call.scope, recording.id, _sealed(call.scope, body.storage_config)
        )
    else:
        after = await call.context.recordings.act(
            call.scope, recording.id, RecordingAction(body.action), SERVER
        )
    return One(recording_shape(call, after, is_full=True))
