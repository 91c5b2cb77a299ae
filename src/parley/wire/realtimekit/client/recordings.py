"""The recording buttons of official clients (`rtk-client-protocol.md` section 4)."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, Router, get, post, put
from litestar.params import FromPath

from parley.base.errors import Invalid, NotFound, ParleyError
from parley.meetings.live.admission import Admission, require_may_record
from parley.recordings.model import Caller, RecordingAction, RecordingId, Start, StartReason
from parley.recordings.settings import resolve
from parley.wire.realtimekit.client.http import Callers, ClientHttpContext, answer, read_body, refused

_ACTIONS = frozenset(RecordingAction)


def recording_router(context: ClientHttpContext) -> Router:
    """The routes, to be mounted at the root; each takes the participant token."""
    handlers = Callers(context)

    @post("/v2/recordings", status_code=200)
    async def start_recording(request: Request[Any, Any, Any]) -> Response[bytes]:
        scope, admitted = await handlers.caller(request)
        await require_may_record(scope, admitted)
        body = await read_body(request)
        recording = await context.recordings.start(
            scope,
            admitted.meeting,
            resolve(admitted.meeting.recording_config, {}),
            StartReason(Start.API_CALL, _speaker(admitted)),
            allow_multiple=body.get("allow_multiple_recordings") is True,
        )
        return answer({"success": True, "data": {"id": recording.id, "status": recording.status}})

    @put("/v2/recordings/{recording_id:str}", status_code=200)
    async def act_on_recording(
        request: Request[Any, Any, Any], recording_id: FromPath[str]
    ) -> Response[bytes]:
        scope, admitted = await handlers.caller(request)
        await require_may_record(scope, admitted)
        action = (await read_body(request)).get("action")
        if action not in _ACTIONS:
            raise Invalid('"action" must be one of [stop, pause, resume]', field="action")
        recording = await context.recordings.get(scope, RecordingId(recording_id))
        if recording.meeting_id != admitted.meeting.id:
            raise NotFound(f"No recording found with id {recording_id}")
        recording = await context.recordings.act(
            scope, recording.id, RecordingAction(action), _speaker(admitted)
        )
        return answer({"success": True, "data": {"id": recording.id, "status": recording.status}})

    @get("/v2/recordings/active-recording/{meeting_id:str}")
    async def active_recording(request: Request[Any, Any, Any], meeting_id: FromPath[str]) -> Response[bytes]:
        scope, admitted = await handlers.caller(request)
        if meeting_id != admitted.meeting.id:
            raise NotFound(f"No active recording found for meeting_id {meeting_id}")
        recording = await context.recordings.active(scope, admitted.meeting.id)
        return answer({"success": True, "data": {"id": recording.id, "status": recording.status}})

    return Router(
        path="/",
        route_handlers=[start_recording, act_on_recording, active_recording],
        exception_handlers={ParleyError: refused},
        include_in_schema=False,
    )


def _speaker(admitted: Admission) -> Caller:
    """The participant as who asked for it."""
    return Caller(admitted.participant.name or "", admitted.participant.id)
