"""Breakout rooms (connected meetings)."""

from __future__ import annotations

from google.protobuf.message import Message

from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client import shapes
from parley.wire.realtimekit.client.events import Room
from parley.wire.realtimekit.client.limits import CONNECTED_ROOMS
from parley.wire.realtimekit.client.notices import rooms_created_message, rooms_deleted_message
from parley.wire.realtimekit.client.verbs.verb import Call, Nothing, verb


@verb(Room.CONNECTED_ROOMS, Nothing, rate=CONNECTED_ROOMS)
async def connected_rooms(call: Call, _: Message) -> Message:
    """The main meeting, its rooms, and who is where; nothing of it in the waiting room."""
    if call.peer.is_waiting:
        return pb.RoomGetConnectedRoomsDumpResponse()
    call.peer.require_joined()
    return shapes.rooms(await call.live.breakout.view(call.peer))


@verb(Room.CREATE_CONNECTED_ROOMS, pb.RoomCreateConnectedRoomsRequest)
async def create_rooms(call: Call, request: pb.RoomCreateConnectedRoomsRequest) -> Message:
    """Open rooms."""
    made = await call.live.breakout.create(call.peer, [payload.title for payload in request.payloads])
    return rooms_created_message(made)


@verb(Room.DELETE_CONNECTED_ROOMS, pb.RoomDisableConnectedRoomsRequest)
async def delete_rooms(call: Call, request: pb.RoomDisableConnectedRoomsRequest) -> Message:
    """Close rooms."""
    gone = await call.live.breakout.delete(call.peer, [payload.id for payload in request.payloads])
    return rooms_deleted_message(gone)


@verb(Room.MOVE_PEERS, pb.RoomMovePeersBetweenRoomsRequest)
async def move_peers(call: Call, request: pb.RoomMovePeersBetweenRoomsRequest) -> Message:
    """Send people to another room; they are told after the answer, since the mover may be one of them."""
    target = request.destination_meeting_id
    moves = await call.live.breakout.plan_move(
        call.peer, request.source_meeting_id, target, [p.id for p in request.participants]
    )
    call.after.append(lambda: call.live.breakout.carry_out(moves, target))
    return pb.RoomMovePeersBetweenRoomsResponse(
        payloads=[
            pb.RoomMovedPeer(meeting_id=target, custom_participant_id=peer.participant.custom_participant_id)
            for _, peer in moves
        ]
    )


@verb(Room.ADDED_PARTICIPANTS, Nothing)
async def added_participants(call: Call, _: Message) -> Message:
    """Everybody of the meeting and its rooms."""
    found = await call.live.breakout.added_participants(call.peer)
    return pb.RoomGetAllAddedParticipantsResponse(
        participants=[
            pb.RoomAddedParticipant(id=pid, name=name, picture=picture, custom_participant_id=custom_id)
            for pid, name, picture, custom_id in found
        ]
    )
