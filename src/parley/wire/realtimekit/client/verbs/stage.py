"""The stage of a webinar."""

from __future__ import annotations

from google.protobuf.message import Message

from parley.meetings.model import StageState
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client import shapes
from parley.wire.realtimekit.client.events import Room
from parley.wire.realtimekit.client.verbs.verb import Answer, Call, Nothing, verb


@verb(Room.STAGE_REQUESTS, Nothing)
async def stage_requests(call: Call, _: Message) -> Message:
    """Who asks for the stage."""
    return shapes.stage_requests(call.live.stage.requests_for(call.peer))


@verb(Room.REQUEST_STAGE, Nothing, answers=False)
async def request_stage(call: Call, _: Message) -> None:
    """Ask for the stage."""
    await call.live.stage.request(call.peer)


@verb(Room.CANCEL_STAGE_REQUEST, Nothing, answers=False)
async def cancel_stage_request(call: Call, _: Message) -> None:
    """Take the request back."""
    await call.live.stage.cancel_request(call.peer)


@verb(Room.GRANT_STAGE, pb.LiveGrantStageAccessRequest, answers=False)
async def grant_stage(call: Call, request: pb.LiveGrantStageAccessRequest) -> None:
    """Let people on the stage."""
    await call.live.stage.decide(call.peer, request.user_ids, is_granted=True)


@verb(Room.DENY_STAGE, pb.LiveDenyStageAccessRequest, answers=False)
async def deny_stage(call: Call, request: pb.LiveDenyStageAccessRequest) -> None:
    """Refuse requests for the stage."""
    await call.live.stage.decide(call.peer, request.user_ids, is_granted=False)


@verb(Room.JOIN_STAGE, Nothing)
async def join_stage(call: Call, _: Message) -> Answer:
    """Step on the stage; answered as a status update."""
    change = await call.live.stage.join(call.peer)
    return Answer(Room.STAGE_STATUS, shapes.stage_change(change))


@verb(Room.LEAVE_STAGE, pb.LiveLeaveStageRequest)
async def leave_stage(call: Call, request: pb.LiveLeaveStageRequest) -> Answer | None:
    """Step off the stage (answered as a status update), or take others off it."""
    others = [user for user in request.user_ids if user != call.peer.participant.id]
    if others:
        await call.live.stage.remove(call.peer, request.user_ids)
        return None
    return Answer(Room.STAGE_STATUS, shapes.stage_change(await call.live.stage.leave(call.peer)))


@verb(Room.STAGE_STATE, Nothing)
async def stage_state(call: Call, _: Message) -> Message:
    """Everybody by their place."""
    call.peer.require_joined()
    places = call.live.stage.by_state()
    return pb.RoomGetRoomStageStateResponse(
        on_stage_peers=[peer.id for peer in places[StageState.ON_STAGE]],
        approved_stage_peers=[peer.id for peer in places[StageState.APPROVED]],
        requested_stage_peers=[peer.id for peer in places[StageState.REQUESTED]],
    )
