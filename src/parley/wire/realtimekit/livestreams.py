"""Live streams (`realtimekit.md` section 11)."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from parley.base.ids import SessionId
from parley.base.paging import Order
from parley.livestreams.model import Livestream, LivestreamFilter, LivestreamStatus, Size, StreamSettings
from parley.livestreams.service import settings_of
from parley.meetings.history import service as history
from parley.meetings.model import Meeting
from parley.wire.realtimekit.answers import One, Paging
from parley.wire.realtimekit.endpoint import AppCall, Routes
from parley.wire.realtimekit.livestream_shapes import (
    CreatedShape,
    ListedShape,
    LivestreamPage,
    LivestreamShape,
    Message,
    RunPage,
    RunShape,
    StartedShape,
    Status,
    WithRun,
    WithRuns,
    run_shape,
    shape_of,
)
from parley.wire.realtimekit.reading import Instant, PageQuery, time_range

routes = Routes("Livestreams")
Name = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9\-_]*$(?!\n)", max_length=256)]


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


async def _with_runs(call: AppCall, stream: Livestream, query: PageQuery) -> One[WithRuns]:
    page = await call.context.livestreams.runs(call.scope, stream.id, query.page())
    rows = [run_shape(call, run, float) for run in page.rows]
    return One(WithRuns(shape_of(call, stream), rows[0] if rows else None, rows, Paging.of(page)))


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
    rows = [shape_of(call, row) for row in page.rows]
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
    return One(run_shape(call, run, int))


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
    return One(WithRun(shape_of(call, stream), run_shape(call, run, str)))


@routes.post("{app}/livestreams/{livestream_id}/reset-stream-key")
async def reset_stream_key(call: AppCall, livestream_id: str) -> One[LivestreamShape]:
    """Give a livestream another stream key.

    The old one is refused from now on.
    """
    return One(shape_of(call, await call.context.livestreams.reset_key(call.scope, livestream_id)))


@routes.put("{app}/livestreams/{livestream_id}/enable")
async def enable_livestream(call: AppCall, livestream_id: str) -> One[LivestreamShape]:
    """Take again what is pushed to a livestream."""
    stream = await call.context.livestreams.set_disabled(call.scope, livestream_id, False)
    return One(shape_of(call, stream))


@routes.put("{app}/livestreams/{livestream_id}/disable")
async def disable_livestream(call: AppCall, livestream_id: str) -> One[LivestreamShape]:
    """Refuse what is pushed to a livestream; what is pushed now ends."""
    stream = await call.context.livestreams.set_disabled(call.scope, livestream_id, True)
    return One(shape_of(call, stream))


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
    return One(shape_of(call, await call.context.livestreams.active(call.scope, meeting.id)))


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
    return RunPage([run_shape(call, run, float) for run in page.rows], Paging.of(page))
