"""WebRTC rooms over REST (`realtime-block.md` 15.1).

A user sees open rooms and those of its own; a room that asks for a token is shown to its host, to whoever is
in it, and to the holder of a token (`?token=`). Rooms are ended by their host or by the customer's server.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from parley.base.errors import Invalid, NotAllowed, NotFound
from parley.base.text import storable
from parley.media.turn import IceOptions
from parley.rooms import service
from parley.rooms.ice import servers_for
from parley.rooms.live import LiveRooms, new_participant_id
from parley.rooms.model import NewRoom, Participant, Role, Room, RoomStatus
from parley.wire.block.callers import user_named
from parley.wire.block.channels.tokens import SocketAddress
from parley.wire.block.endpoint import Call, Routes
from parley.wire.block.errors import Gone
from parley.wire.block.fields import iso
from parley.wire.block.reading import PageQuery
from parley.wire.block.replies import NOTHING, Reply, Resource, flat, many, one, paged

routes = Routes("WebRTC rooms")
ROOMS = "/v1/realtime/webrtc/rooms"
_UserId = Annotated[str, Meta(min_length=1, max_length=200)]


@dataclass(frozen=True, slots=True)
class RoomAddresses:
    """What participants are told of the network."""

    public_url: str
    """Where people reach this server, without a slash at the end."""
    ice: IceOptions


class RoomBody(NewRoom, frozen=True, kw_only=True):
    """A room as it is created."""

    created_by: _UserId | None = None
    """Its host; for servers, which have no user of their own."""


class TokenQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A room token, for those who may not do it otherwise."""

    token: str | None = None


class JoinBody(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants to take part."""

    token: str | None = None
    """The room token one has, if any."""
    user_id: _UserId | None = None
    """For servers, which have no user of their own."""
    role: Role | None = None
    """For servers: what the user is to be."""


@routes.post(ROOMS, body="webrtc_room")
async def create_room(call: Call, body: RoomBody) -> Reply:
    """Create a room; its token is the host's."""
    created_by = user_named(call, body.created_by) if call.user or body.created_by else None
    if not body.name.strip() or not storable(body.name):
        raise Invalid("A room has a name.", field="/data/attributes/name")
    given = msgspec.structs.replace(body, name=body.name.strip())
    room = await service.create_room(call.scope, given, created_by)
    token = call.service(LiveRooms).tokens.issue(room.id, created_by, Role.HOST)
    return one("webrtc_rooms", room.id, {**_shape(call, room), "token": token})


@routes.get(ROOMS)
async def list_rooms(call: Call, query: PageQuery) -> Reply:
    """List rooms, newest first, ended ones included."""
    seen_by = None if call.is_server else call.acting_user().id
    page = await service.list_rooms(call.scope, query.wanted(), seen_by=seen_by)
    return paged(page, lambda room: Resource(room.id, "webrtc_rooms", _shape(call, room)))


@routes.get(f"{ROOMS}/{{room_id}}")
async def get_room(call: Call, room_id: str, query: TokenQuery) -> Reply:
    """Get a room."""
    room, there = await seen_room(call, room_id, query.token)
    return one("webrtc_rooms", room.id, {**_shape(call, room), "participants_count": len(there)})


@routes.delete(f"{ROOMS}/{{room_id}}")
async def end_room(call: Call, room_id: str, query: TokenQuery) -> Reply:
    """End a room for everybody in it."""
    room, _ = await seen_room(call, room_id, query.token)
    if not is_host(call, room, query.token):
        raise NotAllowed("Only its host ends a room.")
    await service.end_room(call.scope, room.id)
    return NOTHING


@routes.post(f"{ROOMS}/{{room_id}}/join", status=200, body="webrtc_join")
async def join_room(call: Call, room_id: str, body: JoinBody) -> Reply:
    """Get what a `webrtc.join` on the socket needs: a token with a participant id, and ICE servers.

    Without an application of one's own, `join_url` opens the room's page for the same user.
    """
    room = await service.get_room(call.scope, room_id)
    if room.status is not RoomStatus.OPEN:
        raise Gone("This room has ended.")
    live, addresses = call.service(LiveRooms), call.service(RoomAddresses)
    user_id = user_named(call, body.user_id)
    if body.token is not None:
        role = live.tokens.check(body.token, room.id, user_id).role
    elif call.is_server or room.created_by == user_id:
        role = Role.HOST if room.created_by == user_id else Role.PARTICIPANT
    elif room.access == "open":
        role = Role.PARTICIPANT
    else:
        raise NotAllowed("This room needs a token.")
    if call.is_server and body.role is not None:
        role = body.role
    participant_id = new_participant_id()
    token = live.tokens.issue(room.id, user_id, role, participant_id=participant_id)
    return flat(
        {
            "participant_id": participant_id,
            "token": token,
            "url": call.service(SocketAddress).url,
            "join_url": f"{addresses.public_url}/rooms/{room.id}#token={token}",
            "ice_servers": servers_for(addresses.ice, user_id, participant_id, call.scope.now()),
            "room": {"id": room.id, **_shape(call, room)},
        }
    )


@routes.get(f"{ROOMS}/{{room_id}}/participants")
async def list_participants(call: Call, room_id: str, query: TokenQuery) -> Reply:
    """List who is in a room, in the order in which they came."""
    _, there = await seen_room(call, room_id, query.token)
    shown = [Resource(one.id, "webrtc_participants", one) for one in there]
    return many(shown, meta={"count": len(shown)})


def room_shape(room: Room) -> dict[str, Any]:
    """A room as clients see it everywhere."""
    return {
        "name": room.name,
        "max_participants": room.max_participants,
        "recording_enabled": room.recording_enabled,
        "access": room.access,
        "settings": room.settings,
        "status": room.status,
        "created_by": room.created_by,
        "created_at": iso(room.created_at),
        "ended_at": iso(room.ended_at),
    }


def is_host(call: Call, room: Room, token: str | None) -> bool:
    """Whether somebody may do what only hosts do.

    Raises:
        InvalidToken: the token is none for this room and user.
    """
    if call.is_server:
        return True
    user_id = call.acting_user().id
    if room.created_by == user_id:
        return True
    if token is None:
        return False
    return call.service(LiveRooms).tokens.check(token, room.id, user_id).role is Role.HOST


async def seen_room(call: Call, room_id: str, token: str | None) -> tuple[Room, list[Participant]]:
    """A room that the caller may see, and who is in it.

    Raises:
        NotFound: there is none, or not for the caller.
    """
    room = await service.get_room(call.scope, room_id)
    live = call.service(LiveRooms)
    there = await live.snapshot(call.scope.app_id, room.id) if room.status is RoomStatus.OPEN else []
    if call.is_server or room.access == "open":
        return room, there
    user_id = call.acting_user().id
    if room.created_by == user_id or any(one.user_id == user_id for one in there):
        return room, there
    if token is None:
        raise NotFound("There is no such room.")
    live.tokens.check(token, room.id, user_id)
    return room, there


def _shape(call: Call, room: Room) -> dict[str, Any]:
    base = call.service(RoomAddresses).public_url
    return {**room_shape(room), "join_url": f"{base}/rooms/{room.id}"}
