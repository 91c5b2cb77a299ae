"""Meetings (`realtimekit.md` section 4)."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType, field

from parley.base.errors import Invalid
from parley.base.times import iso_ms
from parley.meetings import service
from parley.meetings.configs import (
    AiConfig,
    RecordingConfig,
    all_shown_json,
    missing_storage_key,
    shown_form,
    shown_json,
)
from parley.meetings.model import KEEP_ALIVE_MAX_S, KEEP_ALIVE_MIN_S, Meeting, MeetingFilter, MeetingStatus
from parley.meetings.service import MeetingEdit, MeetingInput
from parley.store.rows import Stored
from parley.wire.realtimekit.answers import Many, One, Paging, Timestamp, Uuid
from parley.wire.realtimekit.endpoint import AppCall, Routes
from parley.wire.realtimekit.reading import Instant, PageQuery, time_range

routes = Routes("Meetings")
Status = Literal["ACTIVE", "INACTIVE"]
Title = Annotated[str, Meta(max_length=256)]
ShownConfig = Annotated[
    Raw | UnsetType,
    Meta(extra_json_schema={"type": "object"}),
    Stored(shown_json, null=UNSET, read_all=all_shown_json),
]
"""JSON as it is stored."""
KeepAlive = Annotated[float, Meta(ge=KEEP_ALIVE_MIN_S, le=KEEP_ALIVE_MAX_S, multiple_of=1)]


class MeetingRow(msgspec.Struct, frozen=True, gc=False):
    """A meeting as lists show it; made of the stored columns of these names."""

    id: Uuid
    title: str | None
    status: Status
    record_on_start: bool
    live_stream_on_start: bool
    persist_chat: bool
    session_keep_alive_s: int = field(name="session_keep_alive_time_in_secs")
    summarize_on_end: bool
    transcribe_on_end: bool
    created_at: Timestamp
    updated_at: Timestamp
    recording_config: ShownConfig = UNSET
    """As it was given, without the secrets of a storage."""


class MeetingShape(MeetingRow, frozen=True, gc=False):
    """A meeting."""

    ai_config: ShownConfig = UNSET
    """As it was given."""


class MeetingBody(msgspec.Struct, frozen=True, kw_only=True):
    """A meeting to create, or to put in the place of another."""

    title: Title | None = None
    record_on_start: bool | None = False
    live_stream_on_start: bool | None = False
    persist_chat: bool = False
    session_keep_alive_time_in_secs: KeepAlive = KEEP_ALIVE_MIN_S
    summarize_on_end: bool = False
    transcribe_on_end: bool = False
    recording_config: RecordingConfig | UnsetType = UNSET
    ai_config: AiConfig | UnsetType = UNSET

    def read(self) -> MeetingInput:
        """What the customer decides."""
        _check_storage(self.recording_config)
        return MeetingInput(
            title=self.title,
            record_on_start=bool(self.record_on_start),
            live_stream_on_start=bool(self.live_stream_on_start),
            persist_chat=self.persist_chat,
            session_keep_alive_s=int(self.session_keep_alive_time_in_secs),
            summarize_on_end=self.summarize_on_end,
            transcribe_on_end=self.transcribe_on_end,
            recording_config=None if self.recording_config is UNSET else self.recording_config,
            ai_config=None if self.ai_config is UNSET else self.ai_config,
        )


class MeetingPatch(msgspec.Struct, frozen=True, kw_only=True):
    """Changes of a meeting: what is absent stays; both configs are replaced as a whole."""

    title: Title | UnsetType | None = UNSET
    status: Status | UnsetType = UNSET
    record_on_start: bool | UnsetType | None = UNSET
    live_stream_on_start: bool | UnsetType | None = UNSET
    persist_chat: bool | UnsetType = UNSET
    session_keep_alive_time_in_secs: KeepAlive | UnsetType = UNSET
    summarize_on_end: bool | UnsetType = UNSET
    transcribe_on_end: bool | UnsetType = UNSET
    recording_config: RecordingConfig | UnsetType = UNSET
    ai_config: AiConfig | UnsetType = UNSET

    def read(self) -> MeetingEdit:
        """What the customer changes; null means the default."""
        _check_storage(self.recording_config)
        keep_alive = self.session_keep_alive_time_in_secs
        return MeetingEdit(
            title=self.title,
            status=self.status if self.status is UNSET else MeetingStatus(self.status),
            record_on_start=self.record_on_start or _absent(self.record_on_start),
            live_stream_on_start=self.live_stream_on_start or _absent(self.live_stream_on_start),
            persist_chat=self.persist_chat,
            session_keep_alive_s=keep_alive if keep_alive is UNSET else int(keep_alive),
            summarize_on_end=self.summarize_on_end,
            transcribe_on_end=self.transcribe_on_end,
            recording_config=self.recording_config,
            ai_config=self.ai_config,
        )


class MeetingQuery(PageQuery, frozen=True, kw_only=True):
    """Which meetings."""

    search: str = ""
    status: Status | UnsetType = UNSET
    start_time: Instant = ""
    end_time: Instant = ""


def _absent(value: bool | UnsetType | None) -> bool | UnsetType:
    """`UNSET` for what was not given, False for null and false."""
    return UNSET if value is UNSET else False


def _check_storage(config: RecordingConfig | UnsetType) -> None:
    storage = None if config is UNSET else config.storage_config
    if storage is UNSET or storage is None:
        return
    missing = missing_storage_key(storage)
    if missing:
        field = f"recording_config.storage_config.{missing}"
        raise Invalid(f'"{field}" is required', field=field)


def _shown(config: dict[str, Any] | None) -> Raw | UnsetType:
    return UNSET if config is None else Raw(msgspec.json.encode(shown_form(config)))


def shape_of(meeting: Meeting) -> MeetingShape:
    """A meeting."""
    return MeetingShape(
        id=meeting.id,
        title=meeting.title,
        status=meeting.status.value,
        record_on_start=meeting.record_on_start,
        live_stream_on_start=meeting.live_stream_on_start,
        persist_chat=meeting.persist_chat,
        session_keep_alive_s=meeting.session_keep_alive_s,
        summarize_on_end=meeting.summarize_on_end,
        transcribe_on_end=meeting.transcribe_on_end,
        created_at=iso_ms(meeting.created_at),
        updated_at=iso_ms(meeting.updated_at),
        recording_config=_shown(meeting.recording_config),
        ai_config=_shown(meeting.ai_config),
    )


@routes.get("{app}/meetings")
async def list_meetings(call: AppCall, query: MeetingQuery) -> Many[MeetingRow]:
    """List meetings.

    Newest first. `search` is part of a title, or a whole id; times are those of creation.
    """
    start, end = time_range(query.start_time, query.end_time)
    wanted = MeetingFilter(
        search=query.search or None,
        status=None if query.status is UNSET else MeetingStatus(query.status),
        created_from=start,
        created_to=end,
    )
    page = await service.list_meetings(call.scope, wanted, query.page(), MeetingRow)
    return Many(page.rows, Paging.of(page))


@routes.post("{app}/meetings", status=201)
async def create_meeting(call: AppCall, body: MeetingBody) -> One[MeetingShape]:
    """Create a meeting."""
    return One(shape_of(await service.create_meeting(call.scope, body.read())))


@routes.get("{app}/meetings/{meeting_id}")
async def get_meeting(call: AppCall, meeting: Meeting) -> One[MeetingShape]:
    """Get a meeting."""
    return One(shape_of(meeting))


@routes.patch("{app}/meetings/{meeting_id}")
async def edit_meeting(call: AppCall, meeting: Meeting, body: MeetingPatch) -> One[MeetingShape]:
    """Change a meeting.

    A running session takes up title and status at once, and everything else never. An inactive meeting cannot
    be joined; a session that runs goes on until it is ended.
    """
    return One(shape_of(await service.edit_meeting(call.scope, meeting.id, body.read())))


@routes.put("{app}/meetings/{meeting_id}")
async def replace_meeting(call: AppCall, meeting: Meeting, body: MeetingBody) -> One[MeetingShape]:
    """Replace a meeting.

    What is not given returns to its default; id, status and participants stay.
    """
    return One(shape_of(await service.replace_meeting(call.scope, meeting.id, body.read())))
