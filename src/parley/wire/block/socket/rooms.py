"""WebRTC rooms on the socket (`realtime-block.md` 15.4).

Participants signal each other (`mesh`), or the server as the party `sfu`, which has every stream; see
`parley.rooms.media` for that exchange. `RoomSockets` has the participants connected to this process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import structlog

from parley.base.errors import Invalid, NotFound, ParleyError, StateForbids, TooMany
from parley.base.events import Event
from parley.base.ids import AppId
from parley.base.times import to_ms
from parley.channels.realtime.events import RoomParticipantJoined, RoomParticipantLeft
from parley.channels.realtime.members import Action, PresenceChange
from parley.channels.realtime.model import channel_key
from parley.channels.realtime.presence import Presence
from parley.media.turn import IceOptions
from parley.rooms import service
from parley.rooms.ice import servers_for
from parley.rooms.live import LiveRooms, RoomOver, channel_of, present_of
from parley.rooms.media import SFU
from parley.rooms.model import NAME_LIMIT, Participant, Role, Room, RoomStatus
from parley.rooms.sfu import Sfu
from parley.rooms.signals import Signal, Signals
from parley.rooms.tokens import Pass
from parley.stream import frames as wire
from parley.stream.hub import Hub
from parley.wire.block.rooms.rooms import room_shape
from parley.wire.block.socket import frames as f

if TYPE_CHECKING:
    from parley.wire.block.socket.connection import Connection
    from parley.wire.block.socket.session import Session

log = structlog.get_logger(__name__)
ROOMS_LIMIT = 10
"""Rooms that one connection is in at a time."""
KINDS = ("offer", "answer", "candidate")


@dataclass(slots=True)
class Participation:
    """A session's place in a room."""

    room: Room
    participant: Participant
    """As it was said last."""


class Returning(NamedTuple):
    """A place that a client may get back; what was taken for it goes back by `RoomSockets.give_up`."""

    app_id: AppId
    returns: list[Participation]
    ended: list[str]


class RoomSockets:
    """The participants of rooms that are connected to this process."""

    def __init__(
        self, hub: Hub, presence: Presence, live: LiveRooms, signals: Signals, sfu: Sfu, ice: IceOptions
    ) -> None:
        self.live = live
        self.announce: Callable[[AppId, Event], None] | None = None
        """Told of participants who came and went, for webhooks."""
        self._hub = hub
        self._presence = presence
        self._signals = signals
        self._sfu = sfu
        self._ice = ice
        self._connected: dict[tuple[AppId, str, str], Connection] = {}
        """By app, room and participant."""
        self._sessions: dict[str, set[Session]] = {}
        """By room; those of clients that are away included."""
        signals.deliver, sfu.moved = self.deliver, self.moved

    # --- what clients ask ---------------------------------------------------------------------

    async def join(self, connection: Connection, session: Session, frame: f.RoomJoin) -> dict[str, Any]:
        """Take part in a room; joining twice is joining once."""
        identity = session.identity
        scope = identity.scope
        if identity.room is not None and identity.room.id != frame.room_id:
            raise NotFound("There is no such room.")
        only = identity.room
        invited = Pass(Role(only.role), only.participant_id) if only is not None else None
        room, admitted = await self.live.admit(
            scope, frame.room_id, identity.user_id, frame.token, invited=invited
        )
        known = session.rooms.get(room.id)
        if known is not None:
            others = self.live.participants(scope.app_id, room.id)
            others = [other for other in others if other.id != known.participant.id]
            return self._joined(session, known, others)
        if len(session.rooms) >= ROOMS_LIMIT:
            raise TooMany(f"A connection is in at most {ROOMS_LIMIT} rooms.", retry_after_s=1)
        channel = channel_of(room.id)
        await self._presence.watch(scope.app_id, channel)
        try:
            if session.connection is not connection:
                raise StateForbids("Another connection has resumed this session meanwhile.")
            entered = self.live.enter(
                scope,
                room,
                admitted,
                session.id,
                user_id=identity.user_id,
                name=(identity.name or identity.user_id)[:NAME_LIMIT],
                audio=frame.audio,
                video=frame.video,
                user_data=frame.user_data,
            )
        except BaseException:
            self._presence.unwatch(scope.app_id, channel)
            raise
        place = session.rooms[room.id] = Participation(room, entered.participant)
        self._sessions.setdefault(room.id, set()).add(session)
        self._connect(connection, scope.app_id, place)
        return self._joined(session, place, entered.others)

    async def leave(self, connection: Connection, session: Session, frame: f.RoomLeave) -> dict[str, Any]:
        """Leave a room; fine when one is not in it."""
        place = session.rooms.get(frame.room_id)
        if place is not None:
            self._disconnect(session, place)
            self._forget(session, place)
            self.live.leave(session.identity.scope.app_id, place.room.id, session.id)
        return {"room_id": frame.room_id}

    async def signal(self, connection: Connection, session: Session, frame: f.RoomSignal) -> dict[str, Any]:
        """Pass a signal on, or take it as the server."""
        place = _place(session, frame.room_id)
        if frame.kind not in KINDS:
            raise Invalid(f"A signal is one of {', '.join(KINDS)}.", field="kind")
        if frame.kind == "candidate":
            if frame.candidate is msgspec.UNSET:
                raise Invalid("A candidate signal has a candidate, or null.", field="candidate")
        elif not isinstance(frame.sdp, str):
            raise Invalid(f"An {frame.kind} has a session description.", field="sdp")
        app_id = session.identity.scope.app_id
        if frame.to == SFU:
            if place.room.settings.topology != "sfu":
                raise NotFound("The server takes no part in this room.")
            if isinstance(frame.sdp, str):
                await self._to_server(app_id, place, frame, frame.sdp)
            return {}  # the engine finds candidates by itself
        to = self.live.find(app_id, place.room.id, frame.to)
        self._signals.send(
            app_id,
            to.node_id,
            Signal(
                room_id=place.room.id,
                to=frame.to,
                sender=place.participant.id,
                kind=frame.kind,
                sdp=frame.sdp,
                candidate=frame.candidate,
            ),
        )
        return {}

    async def _to_server(self, app_id: AppId, place: Participation, frame: f.RoomSignal, sdp: str) -> None:
        if frame.pc not in ("send", "receive"):
            raise Invalid('Signals to the server say of which connection: "send" or "receive".', field="pc")
        participant_id = place.participant.id
        if frame.kind == "answer":
            await self._sfu.answer(app_id, place.room, participant_id, frame.connection, sdp)
        elif frame.pc == "send":
            if frame.tracks is None:
                raise Invalid("An offer to send names its tracks.", field="tracks")
            await self._sfu.send_offer(
                app_id, place.room, participant_id, frame.connection, sdp, frame.tracks
            )
        else:
            await self._sfu.receive_offer(app_id, place.room, participant_id, frame.connection, sdp)

    async def media(self, connection: Connection, session: Session, frame: f.RoomMedia) -> dict[str, Any]:
        """Say what the participant sends."""
        place = _place(session, frame.room_id)
        wanted = {"audio": frame.audio, "video": frame.video, "screen": frame.screen}
        app_id = session.identity.scope.app_id
        place.participant = self.live.change_media(
            app_id, place.room, session.id, place.participant.id, wanted
        )
        return {"participant": place.participant}

    def _joined(self, session: Session, place: Participation, others: list[Participant]) -> dict[str, Any]:
        return {
            "room": {"id": place.room.id, **room_shape(place.room)},
            "participant": place.participant,
            "participants": others,
            **self._means(session, place),
        }

    def _means(self, session: Session, place: Participation) -> dict[str, Any]:
        scope = session.identity.scope
        means: dict[str, Any] = {
            "ice_servers": servers_for(
                self._ice, session.identity.user_id, place.participant.id, scope.now()
            ),
            "topology": place.room.settings.topology,
        }
        if place.room.settings.topology == "sfu":
            means["sfu"] = {"id": SFU}
        return means

    # --- what participants are told -----------------------------------------------------------

    def changed(self, change: PresenceChange, room_id: str) -> None:
        """Somebody came, changed or went, in the view of this process."""
        present = present_of(change.member)
        participant = present.participant
        if change.is_origin and change.action is not Action.UPDATE and self.announce is not None:
            self._announce(change, room_id, participant)
        self._sfu.changed(change.app_id, room_id, change.action, participant)
        key = channel_key(change.app_id, change.channel)
        if not self._hub.count(key):
            return
        frame: dict[str, Any] = {"type": "webrtc.participant", "room_id": room_id}
        match change.action:
            case Action.JOIN:
                frame |= {"action": "joined", "participant": participant}
            case Action.LEAVE:
                frame |= {"action": "left", "participant": participant}
            case _:
                frame |= {"action": "media", "participant": participant, "changed": present.changed}
        data = wire.encode_text(f.encode(frame))
        own = self._connected.get((change.app_id, room_id, participant.id))
        if own is None:
            self._hub.publish(key, data)
        else:
            self._hub.publish_except(key, data, own.socket)

    def _announce(self, change: PresenceChange, room_id: str, participant: Participant) -> None:
        assert self.announce is not None
        who: dict[str, Any] = {
            "room_id": room_id,
            "participant_id": participant.id,
            "user_id": participant.user_id,
            "name": participant.name,
        }
        if change.action is Action.JOIN:
            self.announce(change.app_id, RoomParticipantJoined(**who))
        else:
            stayed_ms = max(0, to_ms(self.live.clock.now()) - change.member.joined_ms)
            self.announce(change.app_id, RoomParticipantLeft(**who, duration_seconds=stayed_ms // 1000))

    def deliver(self, app_id: AppId, signal: Signal) -> bool:
        """Hand a signal to a participant connected here (`Signals.deliver`)."""
        connection = self._connected.get((app_id, signal.room_id, signal.to))
        if connection is None:
            return False
        connection.send(
            f.RoomSignalOut(
                room_id=signal.room_id,
                sender=signal.sender,
                kind=signal.kind,
                sdp=signal.sdp,
                candidate=signal.candidate,
                pc=signal.pc,
                connection=signal.connection,
                streams=signal.streams,
            )
        )
        return True

    def ended(self, app_id: AppId, room_id: str) -> None:
        """The room is closed for everybody."""
        self.live.ended(room_id)
        sessions = self._sessions.get(room_id, set())
        for session in list(sessions):
            self._disconnect(session, session.rooms[room_id])
        for session in list(sessions):
            if session.connection is not None:
                session.connection.send(_room_frame(room_id, "ended"))
            self._forget(session, session.rooms[room_id])
            self.live.leave(app_id, room_id, session.id)

    def moved(self, room_id: str) -> None:
        """The room's media has lost its server: participants open other connections."""
        for session in self._sessions.get(room_id, ()):
            if session.connection is not None:
                for pc in ("send", "receive"):
                    session.connection.send(f.RoomSignalOut(room_id=room_id, sender=SFU, kind="reset", pc=pc))

    # --- connections that end and come back ---------------------------------------------------

    def detach(self, session: Session) -> None:
        """The session's connection is gone; its participants stay for their grace."""
        for place in session.rooms.values():
            self._disconnect(session, place)

    def end(self, session: Session) -> None:
        """The client does not come back."""
        for place in list(session.rooms.values()):
            self._forget(session, place)

    async def prepare(self, session: Session) -> Returning:
        """Before a client that comes back gets its rooms: watch them again."""
        scope = session.identity.scope
        returning = Returning(scope.app_id, [], [])
        try:
            for place in list(session.rooms.values()):
                room = await service.get_room(scope, place.room.id)
                if room.status is not RoomStatus.OPEN:
                    returning.ended.append(room.id)
                    continue
                await self._presence.watch(scope.app_id, channel_of(room.id))
                returning.returns.append(place)
        except BaseException:
            self.give_up(returning)
            raise
        return returning

    def give_up(self, returning: Returning) -> None:
        """The client has not come back after all."""
        for place in returning.returns:
            self._presence.unwatch(returning.app_id, channel_of(place.room.id))

    def attach(self, connection: Connection, session: Session, returning: Returning) -> None:
        """The client is back: tell it who is there, or that it is not there itself any more."""
        app_id = returning.app_id
        for room_id in returning.ended:
            connection.send(_room_frame(room_id, "ended"))
            if (place := session.rooms.get(room_id)) is not None:
                self._forget(session, place)
        for place in returning.returns:
            channel = channel_of(place.room.id)
            try:
                if session.rooms.get(place.room.id) is not place:
                    raise RoomOver("This room has ended.")
                was_there = self.live.resume(app_id, place.room, session.id, place.participant)
            except ParleyError as refused:
                self._presence.unwatch(app_id, channel)
                action = "ended" if isinstance(refused, RoomOver) else "left"
                connection.send(_room_frame(place.room.id, action, reason=refused.code))
                self._forget(session, place)
                continue
            self._connect(connection, app_id, place)
            others = self.live.participants(app_id, place.room.id)
            connection.send(
                _room_frame(
                    place.room.id,
                    "sync",
                    participant=place.participant,
                    participants=[other for other in others if other.id != place.participant.id],
                    rejoined=not was_there,
                    **self._means(session, place),
                )
            )
            self._sfu.resumed(app_id, place.room, place.participant.id)

    def _connect(self, connection: Connection, app_id: AppId, place: Participation) -> None:
        room_id = place.room.id
        self._hub.join(channel_key(app_id, channel_of(room_id)), connection.socket)
        self._connected[app_id, room_id, place.participant.id] = connection

    def _disconnect(self, session: Session, place: Participation) -> None:
        app_id, room_id = session.identity.scope.app_id, place.room.id
        connection = self._connected.pop((app_id, room_id, place.participant.id), None)
        if connection is not None:
            channel = channel_of(room_id)
            self._hub.leave(channel_key(app_id, channel), connection.socket)
            self._presence.unwatch(app_id, channel)

    def _forget(self, session: Session, place: Participation) -> None:
        session.rooms.pop(place.room.id, None)
        sessions = self._sessions.get(place.room.id)
        if sessions is not None:
            sessions.discard(session)
            if not sessions:
                del self._sessions[place.room.id]
                self._sfu.forget(place.room.id)


def _place(session: Session, room_id: str) -> Participation:
    place = session.rooms.get(room_id)
    if place is None:
        raise NotFound("Join the room first.")
    return place


def _room_frame(room_id: str, action: str, **members: Any) -> dict[str, Any]:
    return {"type": "webrtc.room", "room_id": room_id, "action": action, **members}
