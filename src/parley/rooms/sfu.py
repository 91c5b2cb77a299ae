"""What participants tell the server as a party, brought to the process that forwards their room's media.

See `media.py` for the exchange, and `homes.py` for which process that is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Literal

import msgspec
import structlog
from msgspec.structs import replace

from parley.base.errors import (
    Invalid,
    NotAllowed,
    NotFound,
    ParleyError,
    StateForbids,
    TooLarge,
    Unavailable,
)
from parley.base.ids import AppId, new_uuid
from parley.base.tasks import cancel_and_wait
from parley.bus import Bus, Subscription
from parley.bus.ports import MAX_PAYLOAD_BYTES
from parley.channels.realtime.members import Action
from parley.media.pool import MediaPool
from parley.media.ports import BadDescription, MediaError, TransportGone
from parley.rooms.homes import Homes
from parley.rooms.live import LiveRooms, channel_of
from parley.rooms.media import RoomMedia
from parley.rooms.model import Participant, Room
from parley.rooms.signals import Signal, Signals

log = structlog.get_logger(__name__)
ANSWER_S = 12.0
"""How long another process has to do what a participant asked for."""
_RAISED: dict[str, type[ParleyError]] = {
    kind.__name__: kind for kind in (Invalid, NotAllowed, NotFound, StateForbids, Unavailable)
}


class _Call(msgspec.Struct, tag="call", frozen=True, kw_only=True):
    """What a participant told the server."""

    id: str
    node: str
    app_id: AppId
    room: Room
    participant_id: str
    verb: Literal["send", "receive", "answer", "resumed"]
    connection: str = ""
    sdp: str = ""
    tracks: dict[str, str] = {}


class _Answer(msgspec.Struct, tag="answer", frozen=True):
    """What became of it; a `field` of its error is lost."""

    id: str
    error: str = ""
    message: str = ""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Call | _Answer).decode


class Sfu:
    """The media of rooms, as this process takes part in it."""

    def __init__(
        self, live: LiveRooms, signals: Signals, pool: MediaPool, bus: Bus | None, node_id: str
    ) -> None:
        """Prepare.

        Args:
            live: who is in which room.
            signals: brings to participants what the server tells them.
            pool: this process's media engines.
            bus: shared with other processes; None when there are none.
            node_id: names this process.
        """
        self.homes = Homes(bus, node_id, self._moved)
        self.moved: Callable[[str], None] | None = None
        """Told of a room whose media was on another process and is not there any more."""
        self.media_changed: Callable[[RoomMedia], None] | None = None
        """Told of every change of what is sent in a room whose media is here."""
        self._live = live
        self._signals = signals
        self._pool = pool
        self._bus = bus
        self._node_id = node_id
        self._rooms: dict[tuple[AppId, str], RoomMedia] = {}
        self._opening = asyncio.Lock()
        self._waiting: dict[str, asyncio.Future[_Answer]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        """Begin to hear of participants of other processes."""
        if self._bus is not None:
            self._subscription = await self._bus.subscribe(_topic(self._node_id), self._heard)
        await self.homes.start()

    async def stop(self) -> None:
        """End the media of rooms here; participants of other processes find another home."""
        if self._subscription is not None:
            await self._subscription.close()
        await cancel_and_wait(list(self._tasks))
        rooms, self._rooms = list(self._rooms.values()), {}
        await asyncio.gather(*(media.close() for media in rooms))
        await self.homes.stop()

    # --- what participants ask ----------------------------------------------------------------

    async def send_offer(
        self,
        app_id: AppId,
        room: Room,
        participant_id: str,
        connection: str,
        sdp: str,
        tracks: Mapping[str, str],
    ) -> None:
        """A participant sends, or sends something else.

        Raises:
            Invalid, NotAllowed: the description or the tracks.
            StateForbids: the connection is lost.
            Unavailable: no engine, or its process does not answer.
        """
        await self._ask(
            app_id, room, participant_id, verb="send", connection=connection, sdp=sdp, tracks=dict(tracks)
        )

    async def receive_offer(
        self, app_id: AppId, room: Room, participant_id: str, connection: str, sdp: str
    ) -> None:
        """A participant wants to receive, or has closed sections; raises as `send_offer`."""
        await self._ask(app_id, room, participant_id, verb="receive", connection=connection, sdp=sdp)

    async def answer(self, app_id: AppId, room: Room, participant_id: str, connection: str, sdp: str) -> None:
        """A participant answers the server's offer; raises as `send_offer`."""
        await self._ask(app_id, room, participant_id, verb="answer", connection=connection, sdp=sdp)

    def resumed(self, app_id: AppId, room: Room, participant_id: str) -> None:
        """A participant may have missed what the server said."""
        if room.settings.topology == "sfu":
            self._spawn(self._quietly(self._ask(app_id, room, participant_id, verb="resumed")))

    def changed(self, app_id: AppId, room_id: str, action: Action, participant: Participant) -> None:
        """A participant of a watched room came, changed or went."""
        media = self._rooms.get((app_id, room_id))
        if media is None:
            return
        if action is Action.LEAVE:
            media.left(participant.id)
            self._close_if_empty(app_id, media)
        else:
            media.changed(participant)

    def running(self) -> list[RoomMedia]:
        """Every room whose media is here."""
        return list(self._rooms.values())

    def room_changed(self, app_id: AppId, room_id: str, *, recording_enabled: bool) -> None:
        """Whether a room is to be recorded has been decided anew."""
        media = self._rooms.get((app_id, room_id))
        if media is not None:
            media.room = replace(media.room, recording_enabled=recording_enabled)
            self._media_changed(media)

    def room_ended(self, app_id: AppId, room_id: str) -> None:
        """A room has ended; its participants leave now."""
        media = self._rooms.get((app_id, room_id))
        if media is not None:
            media.is_over = True

    def _media_changed(self, media: RoomMedia) -> None:
        if self.media_changed is not None:
            self.media_changed(media)

    def forget(self, room_id: str) -> None:
        """No participant of this room is connected here any more."""
        self.homes.forget(room_id)

    # --- to the room's home -------------------------------------------------------------------

    async def _ask(self, app_id: AppId, room: Room, participant_id: str, **what: Any) -> None:
        home = await self.homes.home(room.id)
        call = _Call(
            id=new_uuid(),
            node=self._node_id,
            app_id=app_id,
            room=room,
            participant_id=participant_id,
            **what,
        )
        if home == self._node_id:
            await self._do(call)
            return
        assert self._bus is not None
        payload = _encode(call)
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise TooLarge("This session description is too large.")
        answer = self._waiting[call.id] = asyncio.get_running_loop().create_future()
        try:
            self._bus.publish(_topic(home), payload)
            async with asyncio.timeout(ANSWER_S):
                told = await answer
        except TimeoutError as silent:
            raise Unavailable("The server of this room's media does not answer; try again.") from silent
        finally:
            del self._waiting[call.id]
        if told.error:
            raise _RAISED.get(told.error, Unavailable)(told.message)

    def _heard(self, payload: bytes) -> None:
        message = _decode(payload)
        if isinstance(message, _Call):
            self._spawn(self._serve(message))
        elif (waiting := self._waiting.get(message.id)) is not None and not waiting.done():
            waiting.set_result(message)

    async def _serve(self, call: _Call) -> None:
        answer = _Answer(call.id)
        try:
            if not self.homes.is_here(call.room.id):
                raise Unavailable("This room is changing servers; try again.")
            await self._do(call)
        except ParleyError as refused:
            kind = next(
                (name for name, raised in _RAISED.items() if isinstance(refused, raised)), "Unavailable"
            )
            answer = _Answer(call.id, kind, refused.message)
        except Exception:
            log.exception("room_media_call_failed", room=call.room.id)
            answer = _Answer(call.id, "Unavailable", "The server of this room's media has failed.")
        assert self._bus is not None
        self._bus.publish(_topic(call.node), _encode(answer))

    # --- at home ------------------------------------------------------------------------------

    async def _do(self, call: _Call) -> None:
        media = self._rooms.get((call.app_id, call.room.id))
        if media is None:
            if call.verb == "resumed":
                return
            media = await self._open(call.app_id, call.room)
        if call.verb == "resumed":
            media.resumed(call.participant_id)
            return
        try:
            await self._pass_on(media, call)
        except BadDescription as bad:
            raise Invalid(bad.message, field="sdp") from bad
        except TransportGone as gone:
            raise StateForbids("This connection is lost; open another one, under another name.") from gone
        except MediaError as failed:
            raise Unavailable(failed.message) from failed
        finally:
            self._close_if_empty(call.app_id, media)

    async def _pass_on(self, media: RoomMedia, call: _Call) -> None:
        if call.verb == "answer":
            await media.answer(call.participant_id, call.connection, call.sdp)
            return
        participant = self._live.find(call.app_id, call.room.id, call.participant_id).participant
        if call.verb == "send":
            await media.send_offer(participant, call.connection, call.sdp, call.tracks)
        else:
            await media.receive_offer(participant, call.connection, call.sdp)

    async def _open(self, app_id: AppId, room: Room) -> RoomMedia:
        async with self._opening:
            media = self._rooms.get((app_id, room.id))
            if media is None:
                await self._live.presence.watch(app_id, channel_of(room.id))
                media = RoomMedia(
                    self._pool, room, lambda signal: self._tell(app_id, signal), self._media_changed
                )
                self._rooms[app_id, room.id] = media
            return media

    def _tell(self, app_id: AppId, signal: Signal) -> None:
        try:
            node_id = self._live.find(app_id, signal.room_id, signal.to).node_id
        except NotFound:
            return
        self._signals.send(app_id, node_id, signal)

    def _close_if_empty(self, app_id: AppId, media: RoomMedia) -> None:
        key = app_id, media.room.id
        if media.is_empty and self._rooms.get(key) is media:
            del self._rooms[key]
            self._spawn(self._close(app_id, media))

    async def _close(self, app_id: AppId, media: RoomMedia, *, tells: bool = False) -> None:
        await media.close(tells=tells)
        self._live.presence.unwatch(app_id, channel_of(media.room.id))
        if not any(room_id == media.room.id for _, room_id in self._rooms):
            await self.homes.release(media.room.id)

    def _moved(self, room_id: str) -> None:
        was_here = False
        for (app_id, known), media in list(self._rooms.items()):
            if known == room_id:
                was_here = True
                del self._rooms[app_id, known]
                self._spawn(self._close(app_id, media, tells=True))
        if not was_here and self.moved is not None:
            self.moved(room_id)

    @staticmethod
    async def _quietly(work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except ParleyError as refused:
            log.info("room_not_resumed", reason=refused.message)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="media of rooms")
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            log.error("room_media_failed", exc_info=failure)


def _topic(node_id: str) -> str:
    return f"room-media:{node_id}"
