"""Live streams and what was watched of them (`realtimekit.md` sections 11, 12.2 and 12.3)."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from parley.base.errors import Invalid
from parley.base.ids import SessionId
from parley.base.paging import Order
from parley.base.times import iso_ms
from parley.livestreams.model import (
    DayUse,
    Livestream,
    LivestreamFilter,
    LivestreamStatus,
    Run,
    Size,
    StreamSettings,
)
from parley.livestreams.service import settings_of
from parley.meetings.history import service as history
from parley.meetings.model import Meeting
from parley.wire.realtimekit.answers import One, Paging, Timestamp, Uuid
from parley.wire.realtimekit.endpoint import AppCall, Routes
from parley.wire.realtimekit.reading import Instant, PageQuery, instant, time_range

routes = Routes("Livestreams")
Status = Literal["LIVE", "IDLE", "ERRORED", "INVOKED"]
Name = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9\-_]*$(?!\n)", max_length=256)]
DEFAULT_DAYS = 30
"""Of the analytics, up to now."""


class LivestreamShape(msgspec.Struct, frozen=True, kw_only=True):
    """A livestream."""

    id: Uuid
    name: str | None
    status: Status
    ingest_server: str
    stream_key: str
    playback_url: str
    meeting_id: Uuid | None
    disabled: Literal["true", "false"]
    """Text, as the official clients have it."""
    created_at: Timestamp
    updated_at: Timestamp


class RunShape(msgspec.Struct, frozen=True, kw_only=True):
    """One time that a livestream was on."""

    id: Uuid
    livestream_id: Uuid
    err_message: str | None
    invoked_time: Timestamp
    started_time: Timestamp | None
    stopped_time: Timestamp | None
    created_at: Timestamp
    updated_at: Timestamp
    ingest_seconds: float | int | str
    viewer_seconds: float | int | str


class StartedShape(msgspec.Struct, frozen=True, kw_only=True):
    """The stream that was asked for."""

    id: Uuid
    status: Status
    ingest_server: str
    stream_key: str
    playback_url: str


class CreatedShape(StartedShape, frozen=True, kw_only=True):
    """A new independent livestream."""

    name: str | None
    meeting_id: None
    disabled: bool


class ListedShape(msgspec.Struct, frozen=True, kw_only=True):
    """The first livestream of a page, and all of them."""

    livestreams: Sequence[LivestreamShape]
    paging: Paging
    id: Uuid | UnsetType = UNSET
    name: str | UnsetType | None = UNSET
    status: Status | UnsetType = UNSET
    ingest_server: str | UnsetType = UNSET
    stream_key: str | UnsetType = UNSET
    playback_url: str | UnsetType = UNSET
    meeting_id: Uuid | UnsetType | None = UNSET
    disabled: Literal["true", "false"] | UnsetType = UNSET
    created_at: Timestamp | UnsetType = UNSET
    updated_at: Timestamp | UnsetType = UNSET


class LivestreamPage(msgspec.Struct, frozen=True):
    """A page of livestreams."""

    data: ListedShape
    paging: Paging
    success: bool = True


class WithRuns(msgspec.Struct, frozen=True):
    """A livestream, and the times it was on."""

    livestream: LivestreamShape
    session: RunShape | None
    sessions: Sequence[RunShape]
    paging: Paging


class WithRun(msgspec.Struct, frozen=True):
    """A livestream that is on."""

    livestream: LivestreamShape
    session: RunShape


class RunPage(msgspec.Struct, frozen=True):
    """A page of the times a session was streamed."""

    data: Sequence[RunShape]
    paging: Paging
    success: bool = True


class Message(msgspec.Struct, frozen=True):
    """What was done."""

    message: str


class UseShape(msgspec.Struct, frozen=True):
    """What was streamed in a range of time."""

    count: int
    total_ingest_seconds: int
    total_viewer_seconds: int


class DayUseShape(msgspec.Struct, frozen=True):
    """What was streamed on one day."""

    date: Timestamp
    count: int
    total_ingest_seconds: int
    total_viewer_seconds: int


class VideoSize(msgspec.Struct, frozen=True):
    """Pixels of the picture."""

    width: Size = 1280
    height: Size = 720


class StartBody(msgspec.Struct, frozen=True, kw_only=True):
    """How a meeting shall be streamed."""

    name: Name | None = None
    video_config: VideoSize = VideoSize()
    manual_ingest: bool = False
    """RTMP will be pushed instead of the picture of the meeting."""


class CreateBody(msgspec.Struct, frozen=True, kw_only=True):
    """A new independent livestream."""

    name: Name | None = None


class LivestreamQuery(PageQuery, frozen=True, kw_only=True):
    """Which livestreams."""

    exclude_meetings: bool = False
    status: Status | UnsetType = UNSET
    start_time: Instant = ""
    end_time: Instant = ""
    sort_order: Literal["ASC", "DSC", "DESC"] = "DSC"


class UseQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A range of time, in seconds since 1970 or ISO 8601; the last 30 days by default."""

    start_time: str = ""
    end_time: str = ""
    filters: str = ""
    """Taken, and of no effect."""


# --- shapes -----------------------------------------------------------------------------------


def _shape(call: AppCall, stream: Livestream) -> LivestreamShape:
    streams = call.context.livestreams
    return LivestreamShape(
        id=stream.id,
        name=stream.name,
        status=stream.status.value,
        ingest_server=streams.ingest_server,
        stream_key=streams.key(stream),
        playback_url=streams.playback_url(stream),
        meeting_id=stream.meeting_id,
        disabled="true" if stream.is_disabled else "false",
        created_at=iso_ms(stream.created_at),
        updated_at=iso_ms(stream.updated_at),
    )


def _run(call: AppCall, run: Run, form: type[float | int | str]) -> RunShape:
    """The type of the counters differs by route."""

    def counted(milliseconds: int) -> float | int | str:
        if form is float:
            return milliseconds / 1000
        return form(milliseconds // 1000)

    return RunShape(
        id=run.id,
        livestream_id=run.livestream_id,
        err_message=run.error,
        invoked_time=iso_ms(run.invoked_at),
        started_time=None if run.started_at is None else iso_ms(run.started_at),
        stopped_time=None if run.stopped_at is None else iso_ms(run.stopped_at),
        created_at=iso_ms(run.created_at),
        updated_at=iso_ms(run.updated_at),
        ingest_seconds=counted(run.ingested_until(call.scope.now())),
        viewer_seconds=counted(run.viewer_ms),
    )


async def _with_runs(call: AppCall, stream: Livestream, query: PageQuery) -> One[WithRuns]:
    page = await call.context.livestreams.runs(call.scope, stream.id, query.page())
    rows = [_run(call, run, float) for run in page.rows]
    return One(WithRuns(_shape(call, stream), rows[0] if rows else None, rows, Paging.of(page)))


# --- livestreams ------------------------------------------------------------------------------


@routes.get("{app}/livestreams")
async def list_livestreams(call: AppCall, query: LivestreamQuery) -> LivestreamPage:
    """List livestreams.

    Newest first. `data` has the members of the first one, for clients that expect one, and all of them in
    `livestreams`.
    """
    start, end = time_range(query.start_time, query.end_time)
    wanted = LivestreamFilter(
        status=None if query.status is UNSET else LivestreamStatus(query.status),
        without_meetings=query.exclude_meetings,
        created_from=start,
        created_to=end,
        order=Order.ASC if query.sort_order == "ASC" else Order.DESC,
    )
    page = await call.context.livestreams.find(call.scope, wanted, query.page())
    rows = [_shape(call, row) for row in page.rows]
    paging = Paging.of(page)
    first = msgspec.structs.asdict(rows[0]) if rows else {}
    return LivestreamPage(ListedShape(livestreams=rows, paging=paging, **first), paging)


@routes.post("{app}/livestreams", status=201)
async def create_livestream(call: AppCall, body: CreateBody) -> One[CreatedShape]:
    """Create a livestream of its own.

    RTMP is pushed to its `ingest_server` with its `stream_key`.
    """
    streams = call.context.livestreams
    stream = await streams.create(call.scope, body.name)
    return One(
        CreatedShape(
            id=stream.id,
            status=stream.status.value,
            name=stream.name,
            meeting_id=None,
            ingest_server=streams.ingest_server,
            stream_key=streams.key(stream),
            playback_url=streams.playback_url(stream),
            disabled=stream.is_disabled,
        )
    )


@routes.get("{app}/livestreams/sessions/{livestream_session_id}")
async def get_livestream_session(call: AppCall, livestream_session_id: str) -> One[RunShape]:
    """Get one time that a livestream was on."""
    run = await call.context.livestreams.run(call.scope, livestream_session_id)
    return One(_run(call, run, int))


@routes.get("{app}/livestreams/{livestream_id}")
async def get_livestream(call: AppCall, livestream_id: str, query: PageQuery) -> One[WithRuns]:
    """Get a livestream.

    With the times it was on, newest first.
    """
    return await _with_runs(call, await call.context.livestreams.get(call.scope, livestream_id), query)


@routes.get("{app}/livestreams/{livestream_id}/active-livestream-session")
async def get_active_livestream_session(call: AppCall, livestream_id: str) -> One[WithRun]:
    """Get a livestream that is on."""
    stream, run = await call.context.livestreams.active_run(call.scope, livestream_id)
    return One(WithRun(_shape(call, stream), _run(call, run, str)))


@routes.post("{app}/livestreams/{livestream_id}/reset-stream-key")
async def reset_stream_key(call: AppCall, livestream_id: str) -> One[LivestreamShape]:
    """Give a livestream another stream key.

    The old one is refused from now on.
    """
    return One(_shape(call, await call.context.livestreams.reset_key(call.scope, livestream_id)))


@routes.put("{app}/livestreams/{livestream_id}/enable")
async def enable_livestream(call: AppCall, livestream_id: str) -> One[LivestreamShape]:
    """Take again what is pushed to a livestream."""
    stream = await call.context.livestreams.set_disabled(call.scope, livestream_id, False)
    return One(_shape(call, stream))


@routes.put("{app}/livestreams/{livestream_id}/disable")
async def disable_livestream(call: AppCall, livestream_id: str) -> One[LivestreamShape]:
    """Refuse what is pushed to a livestream; what is pushed now ends."""
    stream = await call.context.livestreams.set_disabled(call.scope, livestream_id, True)
    return One(_shape(call, stream))


# --- of meetings ------------------------------------------------------------------------------


@routes.post("{app}/meetings/{meeting_id}/livestreams", status=201)
async def start_livestream(call: AppCall, meeting: Meeting, body: StartBody) -> One[StartedShape]:
    """Stream a meeting.

    Accepted also while nobody is there; it is live as soon as there is something to see.
    """
    streams = call.context.livestreams
    stream = await streams.start(
        call.scope,
        meeting,
        settings_of(
            meeting,
            StreamSettings(body.video_config.width, body.video_config.height, body.manual_ingest),
        ),
        name=body.name,
    )
    return One(
        StartedShape(
            id=stream.id,
            status=stream.status.value,
            ingest_server=streams.ingest_server,
            stream_key=streams.key(stream),
            playback_url=streams.playback_url(stream),
        )
    )


@routes.get("{app}/meetings/{meeting_id}/livestream")
async def get_livestream_of_meeting(call: AppCall, meeting: Meeting, query: PageQuery) -> One[WithRuns]:
    """Get the livestream of a meeting.

    With the times it was on, newest first.
    """
    return await _with_runs(call, await call.context.livestreams.of_meeting(call.scope, meeting.id), query)


@routes.get("{app}/meetings/{meeting_id}/active-livestream")
async def get_active_livestream(call: AppCall, meeting: Meeting) -> One[LivestreamShape]:
    """Get the livestream of a meeting that is streamed now."""
    return One(_shape(call, await call.context.livestreams.active(call.scope, meeting.id)))


@routes.post("{app}/meetings/{meeting_id}/active-livestream/stop")
async def stop_livestream(call: AppCall, meeting: Meeting) -> One[Message]:
    """Stop streaming a meeting."""
    await call.context.livestreams.stop_of_meeting(call.scope, meeting.id)
    return One(Message("Stopped live stream successfully"))


@routes.get("{app}/sessions/{session_id}/livestream-sessions")
async def list_livestream_sessions(call: AppCall, session_id: str, query: PageQuery) -> RunPage:
    """List the times a session was streamed."""
    found = await history.get_session(call.scope, SessionId(session_id))
    page = await call.context.livestreams.runs_of_session(call.scope, found.session.id, query.page())
    return RunPage([_run(call, run, float) for run in page.rows], Paging.of(page))


# --- analytics --------------------------------------------------------------------------------


@routes.get("{app}/analytics/livestreams/overall")
async def get_livestream_use(call: AppCall, query: UseQuery) -> One[UseShape]:
    """Sum up what was streamed."""
    days = await _use(call, query)
    return One(
        UseShape(
            sum(day.count for day in days),
            sum(day.ingest_ms for day in days) // 1000,
            sum(day.viewer_ms for day in days) // 1000,
        )
    )


@routes.get("{app}/analytics/livestreams/daywise")
async def get_livestream_use_by_day(call: AppCall, query: UseQuery) -> One[list[DayUseShape]]:
    """Sum up what was streamed, day by day (UTC)."""
    start, end = _range(call, query)
    known = {day.day: day for day in await _use(call, query)}
    day = start.replace(hour=0, minute=0, second=0, microsecond=0)
    found = []
    while day <= end:
        use = known.get(day) or DayUse(day, 0, 0, 0)
        found.append(DayUseShape(iso_ms(day), use.count, use.ingest_ms // 1000, use.viewer_ms // 1000))
        day += timedelta(days=1)
    return One(found)


MOST_DAYS = 3660


async def _use(call: AppCall, query: UseQuery) -> Sequence[DayUse]:
    return await call.context.livestreams.use(call.scope, *_range(call, query))


def _range(call: AppCall, query: UseQuery) -> tuple[datetime, datetime]:
    end = _time(query.end_time, "end_time") or call.scope.now()
    try:
        start = _time(query.start_time, "start_time") or end - timedelta(days=DEFAULT_DAYS)
        end + timedelta(days=1)
    except OverflowError as error:
        raise Invalid('"end_time" must be a valid date', field="end_time") from error
    if start > end:
        raise Invalid('"start_time" must not be after "end_time"', field="start_time")
    if end - start > timedelta(days=MOST_DAYS):
        raise Invalid(f"The range must not be longer than {MOST_DAYS} days", field="start_time")
    return start, end


def _time(text: str, field: str) -> datetime | None:
    if not text.isascii() or not text.isdigit():
        return instant(text, field)
    try:
        return datetime.fromtimestamp(int(text), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Invalid(f'"{field}" must be a valid date', field=field) from error
