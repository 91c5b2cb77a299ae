"""The live stream buttons and the viewers of official clients (`rtk-client-protocol.md` section 4)."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, Router, get, post
from litestar.params import FromPath

from parley.base.errors import NotFound, ParleyError
from parley.livestreams.model import Livestream, LivestreamStatus, StreamSettings
from parley.livestreams.service import settings_of
from parley.meetings.live.admission import may_stream, require_may_stream
from parley.wire.realtimekit.client.http import Callers, ClientHttpContext, answer, read_body, refused


def livestream_router(context: ClientHttpContext) -> Router:
    """The routes, to be mounted at the root; each takes the participant token."""
    handlers, streams = Callers(context), context.livestreams

    @post("/v2/meetings/{meeting_id:str}/livestreams", status_code=200)
    async def start(request: Request[Any, Any, Any], meeting_id: FromPath[str]) -> Response[bytes]:
        scope, admitted = await handlers.caller(request)
        _require(meeting_id, admitted.meeting.id)
        await require_may_stream(scope, admitted)
        body = await read_body(request) if await request.body() else {}
        stream = await streams.start(
            scope,
            admitted.meeting,
            settings_of(admitted.meeting, StreamSettings(manual_ingest=body.get("manual_ingest") is True)),
        )
        return answer({"success": True, "data": _shape(context, stream, is_owner=True)})

    @post("/v2/meetings/{meeting_id:str}/active-livestream/stop", status_code=200)
    async def stop(request: Request[Any, Any, Any], meeting_id: FromPath[str]) -> Response[bytes]:
        scope, admitted = await handlers.caller(request)
        _require(meeting_id, admitted.meeting.id)
        await require_may_stream(scope, admitted)
        await streams.stop_of_meeting(scope, admitted.meeting.id)
        return answer({"success": True, "data": {"message": "Stopped live stream successfully"}})

    @get("/v2/meetings/{meeting_id:str}/active-livestream")
    async def active(request: Request[Any, Any, Any], meeting_id: FromPath[str]) -> Response[bytes]:
        scope, admitted = await handlers.caller(request)
        _require(meeting_id, admitted.meeting.id)
        stream = await streams.active(scope, admitted.meeting.id)
        is_owner = await may_stream(scope, admitted)
        return answer({"success": True, "data": _shape(context, stream, is_owner=is_owner)})

    return Router(
        path="/",
        route_handlers=[start, stop, active],
        exception_handlers={ParleyError: refused},
        include_in_schema=False,
    )


def _require(meeting_id: str, own_id: str) -> None:
    if meeting_id != own_id:
        raise NotFound(f"No active livestream found for meeting_id {meeting_id}")


def _shape(context: ClientHttpContext, stream: Livestream, *, is_owner: bool) -> dict[str, Any]:
    """Viewers are not told the stream key, and hosts only where one pushes with it.

    The players of official clients give up for good when they are told an address too early.
    """
    streams = context.livestreams
    is_live = stream.status is LivestreamStatus.LIVE
    shown = {
        "id": stream.id,
        "playback_url": streams.playback_url(stream) if is_live else "",
        "status": stream.status.value,
        "manual_ingest": stream.config.manual_ingest,
    }
    if is_owner and stream.config.manual_ingest:
        shown |= {"ingest_server": streams.ingest_server, "stream_key": streams.key(stream)}
    return shown
