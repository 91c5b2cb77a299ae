"""Joining, leaving, the roster, the waiting room, kicking and broadcasting."""

from __future__ import annotations

from google.protobuf.message import Message

from parley.base.errors import NotFound, StateForbids
from parley.base.times import to_ms
from parley.meetings.live.peer import LivePeer
from parley.meetings.model import LeaveReason
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client import shapes
from parley.wire.realtimekit.client.events import Room
from parley.wire.realtimekit.client.limits import SHARED
from parley.wire.realtimekit.client.notices import broadcast_message
from parley.wire.realtimekit.client.verbs.verb import Call, Nothing, verb

PEERS_LIMIT = 10_000


@verb(Room.JOIN, pb.RoomJoinRoomRequest)
async def join(call: Call, request: pb.RoomJoinRoomRequest) -> Message:
    """Enter, or wait to be admitted; `waitlisted` in the answer tells which."""
    await call.live.media.await_requests(call.peer)
    await call.live.join(call.peer, request.peer.display_name)
    return shapes.peer_answer(call.peer.info())


@verb(Room.LEAVE, Nothing)
async def leave(call: Call, _: Message) -> None:
    """Leave for good."""
    await call.live.leave(call.peer, LeaveReason.LEFT)


@verb(Room.GET_ROOM, Nothing)
async def get_room(call: Call, _: Message) -> Message:
    """The meeting; `created_at` is in seconds, `room_uuid` is the session."""
    session = call.live.session
    started = session.started_at if session else call.live.scope.now()
    return pb.RoomRoomInfoResponse(
        room=pb.RoomRoom(
            room_id=call.live.id,
            title=call.live.meeting.title or "",
            created_at=to_ms(started) // 1000,
            room_uuid=session.id if session else "",
            active_recordings=[
                pb.RoomActiveRecording(
                    recording_id=recording_id,
                    recording_type=pb.COMMON_RECORDING_TYPE_COMPOSITE,
                    recording_status="STARTING" if status == "INVOKED" else status,
                )
                for recording_id, status in call.live.on_air.recordings.items()
            ],
        )
    )


def _listed(call: Call) -> list[LivePeer]:
    """Who the caller may see: without the list permission, only those on stage and itself.

    A client in the waiting room asks as well, and gets an empty list.
    """
    if call.peer.is_waiting:
        return []
    call.peer.require_joined()
    return call.live.seen_by(call.peer)


@verb(Room.GET_PEERS, pb.RoomRoomPeersInfoRequest)
async def get_peers(call: Call, request: pb.RoomRoomPeersInfoRequest) -> Message:
    """Everybody here, or those whose name matches a search."""
    wanted = request.seach_query.lower()
    found = [peer for peer in _listed(call) if wanted in peer.name.lower()]
    start = max(0, request.offset)
    size = request.limit if 0 < request.limit <= PEERS_LIMIT else PEERS_LIMIT
    return pb.RoomRoomPeersInfoResponse(peers=[shapes.peer(p.info()) for p in found[start : start + size]])


@verb(Room.GET_PEER, pb.RoomGetPeerInfoRequest)
async def get_peer(call: Call, request: pb.RoomGetPeerInfoRequest) -> Message:
    """One peer."""
    for peer in _listed(call):
        if peer.id == request.peer_id:
            return shapes.peer_answer(peer.info())
    raise NotFound("No such peer.")


@verb(Room.WAITING_LIST, Nothing, answers=False)
async def waiting_list(call: Call, _: Message) -> None:
    """Who waits; pushed, not answered."""
    call.peer.notify(call.live.lobby.list_for(call.peer))


@verb(Room.ACCEPT_WAITING, pb.RoomAcceptWaitingRoomRequests, answers=False)
async def accept_waiting(call: Call, request: pb.RoomAcceptWaitingRoomRequests) -> None:
    """Admit people."""
    await call.live.lobby.accept(call.peer, request.user_ids)


@verb(Room.DENY_WAITING, pb.RoomDenyWaitingRoomRequests, answers=False)
async def deny_waiting(call: Call, request: pb.RoomDenyWaitingRoomRequests) -> None:
    """Turn people away."""
    await call.live.lobby.deny(call.peer, request.user_ids)


@verb(Room.KICK, pb.RoomRemoveParticipantsRequest, answers=False)
async def kick(call: Call, request: pb.RoomRemoveParticipantsRequest) -> None:
    """Remove peers. Never answered: the client would take the answer for its own removal."""
    call.live.controls.kick(call.peer, request.peer_ids)


@verb(Room.KICK_ALL, Nothing, answers=False)
async def kick_all(call: Call, _: Message) -> None:
    """End the session for everybody, the sender included."""
    await call.live.controls.kick_all(call.peer)


@verb(Room.BROADCAST, pb.RoomBroadcastMessage, rate=SHARED)
async def broadcast(call: Call, request: pb.RoomBroadcastMessage) -> Message:
    """Relay to all others; the sender's client emits it from the answer."""
    return broadcast_message(call.live.controls.broadcast(call.peer, request.type, request.payload))


@verb(Room.BROADCAST_TO, pb.RoomBroadcastMessage, rate=SHARED)
async def broadcast_to(call: Call, request: pb.RoomBroadcastMessage) -> Message | None:
    """Relay to some peers (not answered), or to breakout rooms of this meeting (answered)."""
    if request.broadcast_type == pb.ROOM_BROADCAST_TYPE_PEERS:
        call.live.controls.broadcast(call.peer, request.type, request.payload, to_peers=request.ids)
        return None
    may = call.peer.permissions.connected_meetings.can_alter_connected_meetings
    call.peer.require(may, "write to other rooms")
    notice = call.live.breakout.broadcast(call.peer, request.ids, request.type, request.payload)
    if notice is None:
        raise StateForbids("None of these rooms is open.")
    return broadcast_message(notice)
