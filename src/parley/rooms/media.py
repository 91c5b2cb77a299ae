"""The server as a party in one room: it takes everybody's streams and passes them on (`topology: "sfu"`).

A participant has two connections with the server, `pc` "send" and "receive", under names of its own choice
(`connection`): another name is another RTCPeerConnection in the place of the one before. No candidates are
exchanged: the answers and offers of the server are complete, and the server finds the participant by the
participant's own checks. `>` is the participant, `<` the server; all frames are `webrtc.signal`::

    > pc=send     kind=offer    connection, sdp, tracks={"0": "audio", "1": "video"}
    < pc=send     kind=answer   connection, sdp
    > pc=receive  kind=offer    connection, sdp      begins with a=mid:0 audio and a=mid:1 video
    < pc=receive  kind=answer   connection, sdp
    < pc=receive  kind=offer    connection, sdp, streams={"2": {participant_id, medium}, …}
    > pc=receive  kind=answer   connection, sdp
    < pc=receive  kind=streams  connection, streams  some have ended: nothing to answer
    < pc=…        kind=reset    connection           it is lost: open another one

`tracks` names every section that sends now, by mid; each offer replaces it. `streams` is complete each time:
sections that are not in it carry nothing any more. A participant that wants to get rid of those stops their
transceivers and makes an offer for its receiving connection, which is answered; while an offer of the
server is unanswered that is refused (409), and the participant answers first.

What a participant has switched off by `webrtc.media` is not forwarded, whatever is sent.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

import structlog
from msgspec import UNSET, UnsetType

from parley.base.errors import StateForbids
from parley.base.ids import AppId, new_uuid
from parley.base.tasks import cancel_and_wait, wait_event
from parley.media.pool import MediaPool
from parley.media.ports import (
    ANSWER_TIMEOUT_S,
    MediaError,
    MediaRoom,
    ReceiveTransport,
    RoomOptions,
    SendTransport,
    Source,
    TransportGone,
)
from parley.meetings.ports import Publisher
from parley.rooms.legs import Carried, Leg
from parley.rooms.model import Participant, Room
from parley.rooms.signals import Signal, Stream
from parley.rooms.tracks import (
    ANSWER_BUDGET,
    CLUTTER_LIMIT,
    MEDIUMS,
    RANK,
    affordable,
    check_tracks,
    cost,
    publisher,
)

log = structlog.get_logger(__name__)
SFU = "sfu"
"""The server's participant id."""
MAX_BITRATE_BPS: Mapping[str, int] = {"sd": 900_000, "hd": 2_500_000, "fhd": 4_500_000}
"""Of one participant, everything together, by the quality of the room's video."""
CLOSE_TIMEOUT_S = 5.0
RETRY_S, RETRY_LIMIT_S = 1.0, 30.0
"""When to look again for a stream that was announced and is not there yet; each time twice as late."""


class RoomMedia:
    """One room's streams. What it refuses it says by the errors of `base.errors` and `media.ports`."""

    def __init__(
        self,
        pool: MediaPool,
        room: Room,
        tell: Callable[[Signal], None],
        changed: Callable[[RoomMedia], None],
    ) -> None:
        """Prepare.

        Args:
            pool: where the media goes.
            room: as it is now; replaced when it changes.
            tell: brings a signal to its participant.
            changed: told of every change of what `publishers` says, and of the end; returns at once.
        """
        self.room = room
        self.is_over = False
        """The room has ended."""
        self._changed = changed
        self._pool = pool
        self._tell_one = tell
        self._media_room_id = new_uuid()
        self._legs: dict[str, Leg] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @property
    def is_empty(self) -> bool:
        """Whether nobody has a connection."""
        return not self._legs

    # --- what is recorded of it (`recordings.rooms.RecordedRoom`) -------------------------------

    @property
    def id(self) -> str:
        """The room's id."""
        return self.room.id

    @property
    def app_id(self) -> AppId:
        """The app it belongs to."""
        return self.room.app_id

    @property
    def is_recorded(self) -> bool:
        """Whether it is to be recorded, and has not ended."""
        return self.room.is_recorded_here and not self.is_over

    def publishers(self) -> list[Publisher]:
        """Everybody who has a connection, once somebody sends; nobody before."""
        if all(leg.sender is None for leg in self._legs.values()):
            return []
        return [publisher(leg.participant, leg.sender, leg.tracks, leg.muted) for leg in self._legs.values()]

    # --- sending ------------------------------------------------------------------------------

    async def send_offer(
        self, participant: Participant, connection: str, sdp: str, tracks: Mapping[str, str]
    ) -> None:
        """Take a participant's streams, or a change of them."""
        check_tracks(self.room, sdp, tracks)
        leg = self._leg(participant)
        async with leg.sending:
            if leg.sender is not None and leg.sender_name == connection:
                answer = await leg.sender.negotiate(sdp)
            else:
                answer = await self._open_sender(leg, connection, sdp)
            leg.tracks = dict(tracks)
            await self._mute(leg)
            self._tell(leg, "send", connection, "answer", sdp=answer)
        self._look_again(but=leg)
        self._changed(self)

    async def _open_sender(self, leg: Leg, connection: str, sdp: str) -> str:
        if connection == leg.lost_sender:
            raise StateForbids("This connection is lost; open another one, under another name.")
        place = await self._open_place()
        sender, answer = await place.open_sender(
            sdp, label=leg.participant.id, on_closed=partial(self._sender_lost, leg, connection)
        )
        await self._drop_sender(leg)  # not before: a bad offer takes nothing away
        leg.muted = set()
        leg.sender, leg.sender_name = sender, connection
        if self._legs.get(leg.participant.id) is not leg:
            await self._drop_sender(leg)
            raise StateForbids("The participant has left.")
        return answer

    async def _open_place(self) -> MediaRoom:
        self._check_open()
        options = RoomOptions(max_bitrate_bps=MAX_BITRATE_BPS[self.room.settings.video.quality])
        place = await self._pool.open_room(self._media_room_id, options)
        try:
            self._check_open()
        except StateForbids:
            await self._pool.close_room(self._media_room_id)
            raise
        return place

    def _check_open(self) -> None:
        if self._is_closed:
            raise StateForbids("The room's media has ended here; try again.")

    async def _drop_sender(self, leg: Leg) -> None:
        sender, leg.sender, leg.tracks = leg.sender, None, {}
        if sender is not None:
            await _close(sender)

    def _sender_lost(self, leg: Leg, connection: str) -> None:
        if leg.sender is not None and leg.sender_name == connection:
            leg.sender, leg.tracks, leg.lost_sender = None, {}, connection
            self._tell(leg, "send", connection, "reset")
            self._look_again(but=leg)
            self._changed(self)

    async def _mute(self, leg: Leg) -> None:
        """Have the engine forward what is switched on, and nothing else."""
        for mid, name in leg.tracks.items():
            is_off = not getattr(leg.participant, MEDIUMS[name].switch)
            if leg.sender is not None and is_off != (mid in leg.muted):
                await leg.sender.set_muted(mid, is_off)
                (leg.muted.add if is_off else leg.muted.discard)(mid)

    async def _switch(self, leg: Leg) -> None:
        async with leg.sending:
            try:
                await self._mute(leg)
            except MediaError as failed:
                # Rather nothing at all than what somebody has switched off.
                log.warning("room_switch_failed", room=self.room.id, reason=failed.message)
                connection = leg.sender_name
                await self._drop_sender(leg)
                leg.lost_sender = connection
                self._tell(leg, "send", connection, "reset")
                self._look_again(but=leg)
        self._changed(self)

    # --- receiving ----------------------------------------------------------------------------

    async def receive_offer(self, participant: Participant, connection: str, sdp: str) -> None:
        """Open a participant's receiving connection, or drop sections of it."""
        leg = self._leg(participant)
        async with leg.opening:
            if leg.receiver is None or leg.receiver_name != connection:
                await self._open_receiver(leg, connection, sdp)
                return
        if leg.receiving.locked():
            raise StateForbids("Answer the offer of the server first.")
        async with leg.receiving:
            receiver = self._receiver(leg, connection)
            ended = _ended(leg, self._wanted(leg))
            answer = await receiver.unsubscribe(ended, sdp)
            for mid in ended:
                leg.carried.pop(mid, None)
            self._tell(leg, "receive", connection, "answer", sdp=answer)
        leg.dirty.set()  # what the offer closed although it is wanted comes again

    async def _open_receiver(self, leg: Leg, connection: str, sdp: str) -> None:
        if connection == leg.lost_receiver:
            raise StateForbids("This connection is lost; open another one, under another name.")
        place = await self._open_place()
        receiver, answer = await place.open_receiver(
            sdp, label=leg.participant.id, on_closed=partial(self._receiver_lost, leg, connection)
        )
        await self._drop_receiver(leg)
        leg.receiver, leg.receiver_name = receiver, connection
        if self._legs.get(leg.participant.id) is not leg:
            await self._drop_receiver(leg)
            raise StateForbids("The participant has left.")
        self._tell(leg, "receive", connection, "answer", sdp=answer)
        leg.dirty.set()
        leg.forwarder = self._spawn(self._forward(leg, receiver, connection))

    async def answer(self, participant_id: str, connection: str, sdp: str) -> None:
        """The participant's answer to the server's last offer."""
        leg = self._legs.get(participant_id)
        if leg is None:
            raise StateForbids("There is no such connection.")
        await self._receiver(leg, connection).accept(sdp)
        leg.offer_sdp = None
        leg.answered.set()

    async def _forward(self, leg: Leg, receiver: ReceiveTransport, connection: str) -> None:
        """Keep a participant's receiving connection at what others send, one offer after the other."""
        retry_s = RETRY_S
        while True:
            if await wait_event(leg.dirty, retry_s):
                retry_s = RETRY_S
            leg.dirty.clear()
            try:
                async with leg.receiving:
                    is_complete = await self._offer(leg, receiver, connection)
            except TransportGone:
                return
            except MediaError as failed:
                log.info("room_forwarding_waits", room=self.room.id, reason=failed.message)
                is_complete = False
            retry_s = RETRY_LIMIT_S if is_complete else min(2 * retry_s, RETRY_LIMIT_S)

    async def _offer(self, leg: Leg, receiver: ReceiveTransport, connection: str) -> bool:
        """Offer what is new; False when something is missing, or the answer."""
        wanted = self._wanted(leg)
        clutter = sum(leg.carried[mid].cost for mid in _ended(leg, wanted))
        if clutter > CLUTTER_LIMIT:
            self._replace_receiver(leg, receiver, connection)
            raise TransportGone("This connection is being replaced.")
        found = await receiver.subscribe(affordable(wanted, ANSWER_BUDGET - clutter))
        for source, mid in found.mids.items():
            leg.carried[mid] = Carried(source, cost(wanted[source]))
        streams = {mid: wanted[source] for source, mid in found.mids.items()}
        if found.offer_sdp is None:
            if streams != leg.told:
                leg.told = streams
                self._tell(leg, "receive", connection, "streams", streams=streams)
            return not found.missing
        leg.told, leg.offer_sdp = streams, found.offer_sdp
        leg.answered.clear()
        self._tell(leg, "receive", connection, "offer", sdp=found.offer_sdp, streams=streams)
        return await wait_event(leg.answered, ANSWER_TIMEOUT_S) and not found.missing

    def _wanted(self, leg: Leg) -> dict[Source, Stream]:
        """What the others send, most important first."""
        streams = [
            (RANK[medium], Source(other.sender.id, mid), Stream(other.participant.id, medium))
            for other in self._legs.values()
            if other is not leg and other.sender is not None
            for mid, medium in other.tracks.items()
        ]
        return {source: stream for _, source, stream in sorted(streams, key=lambda each: each[0])}

    def _receiver(self, leg: Leg, connection: str) -> ReceiveTransport:
        if leg.receiver is None or leg.receiver_name != connection:
            raise StateForbids("There is no such connection.")
        return leg.receiver

    async def _drop_receiver(self, leg: Leg) -> None:
        receiver, leg.receiver = leg.receiver, None
        forwarder, leg.forwarder = leg.forwarder, None
        leg.offer_sdp, leg.carried, leg.told = None, {}, {}
        await cancel_and_wait([forwarder])
        if receiver is not None:
            await _close(receiver)

    def _replace_receiver(self, leg: Leg, receiver: ReceiveTransport, connection: str) -> None:
        leg.receiver, leg.forwarder, leg.lost_receiver = None, None, connection
        leg.offer_sdp, leg.carried, leg.told = None, {}, {}
        self._spawn(_close(receiver))
        self._tell(leg, "receive", connection, "reset")

    def _receiver_lost(self, leg: Leg, connection: str) -> None:
        if leg.receiver is not None and leg.receiver_name == connection:
            leg.receiver, leg.lost_receiver = None, connection
            leg.offer_sdp, leg.carried, leg.told = None, {}, {}
            if leg.forwarder is not None:
                leg.forwarder.cancel()
                leg.forwarder = None
            self._tell(leg, "receive", connection, "reset")

    # --- participants -------------------------------------------------------------------------

    def _leg(self, participant: Participant) -> Leg:
        leg = self._legs.get(participant.id)
        if leg is None:
            leg = self._legs[participant.id] = Leg(participant)
        return leg

    def changed(self, participant: Participant) -> None:
        """The participant has switched something on or off."""
        leg = self._legs.get(participant.id)
        if leg is not None:
            leg.participant = participant
            self._spawn(self._switch(leg))

    def resumed(self, participant_id: str) -> None:
        """The participant's socket was away: say again what still holds."""
        leg = self._legs.get(participant_id)
        if leg is None:
            return
        if leg.sender is None and leg.lost_sender is not None:
            self._tell(leg, "send", leg.lost_sender, "reset")
        if leg.receiver is None and leg.lost_receiver is not None:
            self._tell(leg, "receive", leg.lost_receiver, "reset")
        elif leg.receiver is not None and leg.offer_sdp is not None:
            name, sdp = leg.receiver_name, leg.offer_sdp
            self._tell(leg, "receive", name, "offer", sdp=sdp, streams=leg.told)
        elif leg.receiver is not None:
            self._tell(leg, "receive", leg.receiver_name, "streams", streams=leg.told)

    def left(self, participant_id: str) -> None:
        """The participant is gone."""
        leg = self._legs.pop(participant_id, None)
        if leg is not None:
            self._spawn(self._release(leg))
            self._look_again()
            self._changed(self)

    async def _release(self, leg: Leg) -> None:
        await self._drop_receiver(leg)
        await self._drop_sender(leg)

    async def close(self, *, tells: bool = False) -> None:
        """End everything; `tells`: participants are to open other connections, somewhere else."""
        self._is_closed = True
        legs, self._legs = list(self._legs.values()), {}
        self._changed(self)
        for leg in legs if tells else ():
            self._tell(leg, "send", leg.sender_name, "reset")
            self._tell(leg, "receive", leg.receiver_name, "reset")
        await cancel_and_wait(list(self._tasks))
        for leg in legs:
            await self._release(leg)
        with contextlib.suppress(MediaError):
            await self._pool.close_room(self._media_room_id)

    # --- small things -------------------------------------------------------------------------

    def _look_again(self, but: Leg | None = None) -> None:
        for leg in self._legs.values():
            if leg is not but:
                leg.dirty.set()

    def _tell(
        self,
        leg: Leg,
        pc: str,
        connection: str,
        kind: str,
        *,
        sdp: str | UnsetType = UNSET,
        streams: Mapping[str, Stream] | UnsetType = UNSET,
    ) -> None:
        self._tell_one(
            Signal(
                room_id=self.room.id,
                to=leg.participant.id,
                sender=SFU,
                kind=kind,
                sdp=sdp,
                pc=pc,
                connection=connection,
                streams=streams,
            )
        )

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=f"media of {self.room.id}")
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            log.error("room_media_failed", room=self.room.id, exc_info=failure)


def _ended(leg: Leg, wanted: Mapping[Source, Stream]) -> list[str]:
    return [mid for mid, carried in leg.carried.items() if carried.source not in wanted]


async def _close(transport: SendTransport | ReceiveTransport) -> None:
    with contextlib.suppress(MediaError, TimeoutError):
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await transport.close()
