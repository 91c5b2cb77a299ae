"""Who publishes and watches what: permissions in front of the media engine (`rtk-client-protocol.md` 7).

Transports may exist before their peer joined (the official client opens them on its setup screen); publishing
and watching need a joined peer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from parley.base.errors import Invalid, NotAllowed, NotFound, StateForbids, TooLarge
from parley.base.ids import PeerId, new_uuid
from parley.media.pool import MediaPool
from parley.media.ports import Layer, MediaError, MediaRoom, RoomOptions, Source
from parley.meetings.live.notices import (
    ActiveSpeaker,
    MediaJoined,
    ProducerAdded,
    ProducerClosed,
    ProducerInfo,
    ProducerToggled,
)
from parley.meetings.live.peer import LivePeer, Producer
from parley.meetings.live.speakers import ActiveSpeakerDetector
from parley.meetings.model import StageState

if TYPE_CHECKING:
    from parley.meetings.live.meeting import LiveMeeting

log = structlog.get_logger(__name__)

PRODUCERS_LIMIT = 8
"""Streams of one peer: microphone, camera, screen, its sound, and room for a device change."""
CONSUMERS_LIMIT = 200
"""Streams asked for in one request."""
APP_DATA_LIMIT = 4_096
CLOSE_TIMEOUT_S = 5.0
RETURN_TIMEOUT_S = 12.0
"""Chromium notices lost transports after 5 to 7 s, the client waits 2 s more; its requests end after 20 s."""


@dataclass(frozen=True, slots=True)
class ProduceRequest:
    """A stream that a peer wants to publish."""

    kind: str
    mid: str
    offer_sdp: str
    is_paused: bool
    is_screen_share: bool
    app_data: str | None
    mime_type: str | None


@dataclass(frozen=True, slots=True)
class Consumption:
    """The outcome of a request to watch streams."""

    offer_sdp: str | None
    found: Mapping[str, tuple[ProducerInfo, str]]
    """By producer id: the stream, and the mid it arrives on."""
    missing: Sequence[str]
    """Producer ids that do not exist (any more)."""


class Media:
    """Transports and streams of the meeting's peers."""

    def __init__(self, live: LiveMeeting, pool: MediaPool) -> None:
        self._live = live
        self._pool = pool
        self.room_id = new_uuid()
        self._room: MediaRoom | None = None
        self._speakers = ActiveSpeakerDetector()

    async def _open_room(self) -> MediaRoom:
        self._room = await self._pool.open_room(self.room_id, RoomOptions())
        return self._room

    # --- transports ---------------------------------------------------------------------------

    async def open_sender(self, peer: LivePeer, offer_sdp: str) -> tuple[str, str]:
        """A new send transport, in place of an earlier one; returns its id and the answer."""
        peer.media.opening.set()
        async with peer.media.send_lock:
            room = await self._open_room()
            await self._drop_sender(peer)
            sender, answer = await room.open_sender(
                offer_sdp, label=peer.id, on_closed=lambda: self._sender_lost(peer, sender_id())
            )

            def sender_id() -> str:
                return sender.id

            peer.media.sender = sender
        await self._not_if_gone(peer)
        return sender.id, answer

    async def open_receiver(self, peer: LivePeer, offer_sdp: str) -> tuple[str, str]:
        """A new receive transport, in place of an earlier one; returns its id and the answer."""
        peer.media.opening.set()
        room = await self._open_room()
        old, peer.media.receiver = peer.media.receiver, None
        if old is not None:
            await old.close()
        receiver, answer = await room.open_receiver(
            offer_sdp, label=peer.id, on_closed=lambda: self._receiver_lost(peer, receiver_id())
        )

        def receiver_id() -> str:
            return receiver.id

        peer.media.receiver = receiver
        await self._not_if_gone(peer)
        return receiver.id, answer

    async def _not_if_gone(self, peer: LivePeer) -> None:
        if self._live.peers.get(peer.id) is not peer:
            await self.release(peer)
            raise StateForbids("This peer has left.")

    def _sender_lost(self, peer: LivePeer, transport_id: str) -> None:
        if peer.media.sender is not None and peer.media.sender.id == transport_id:
            peer.media.sender = None
            peer.media.withdrawn.clear()
            self._drop_producers(peer, list(peer.media.producers.values()))

    def _receiver_lost(self, peer: LivePeer, transport_id: str) -> None:
        if peer.media.receiver is not None and peer.media.receiver.id == transport_id:
            peer.media.receiver = None

    async def _drop_sender(self, peer: LivePeer) -> None:
        old, peer.media.sender = peer.media.sender, None
        peer.media.withdrawn.clear()
        if old is not None:
            self._drop_producers(peer, list(peer.media.producers.values()))
            await old.close()

    async def release(self, peer: LivePeer) -> None:
        """Close everything of a peer that is gone; its room stays for the others."""
        peer.media.is_joined = False
        self._speakers.forget(peer.id)
        peer.media.producers.clear()
        transports = (peer.media.sender, peer.media.receiver)
        peer.media.sender = peer.media.receiver = None
        for transport in transports:
            if transport is not None:
                with contextlib.suppress(MediaError, TimeoutError):
                    async with asyncio.timeout(CLOSE_TIMEOUT_S):
                        await transport.close()
        if not self._live.peers:
            await self.close()

    async def close(self) -> None:
        """Close the room; it opens again when somebody needs it."""
        if self._room is not None:
            self._room = None
            with contextlib.suppress(MediaError):
                await self._pool.close_room(self.room_id)

    def engine_lost(self) -> None:
        """The engine restarted: every transport is gone, clients build new ones.

        Nobody is told: the official client finds out by ICE within seconds, opens new transports and
        publishes again. Told at once (media.36) it would believe its old transports to be healthy, publish on
        them, be refused, and switch its camera and microphone off.
        """
        self._room = None
        for peer in self._live.peers.values():
            peer.media.sender = peer.media.receiver = None
            peer.media.is_lost = peer.media.opening.is_set()
            peer.media.opening.clear()
            peer.media.withdrawn.clear()
            self._drop_producers(peer, list(peer.media.producers.values()))

    # --- joining ------------------------------------------------------------------------------

    async def await_fresh_transports(self, peer: LivePeer) -> None:
        """Wait until somebody who comes back without transports begins to open new ones.

        After the server's own end the client returns within a second, but learns only seconds later, by ICE,
        that its transports are gone. Let in before that it would publish on them, be refused, and switch its
        camera and microphone off. A client that opens none is let in after `RETURN_TIMEOUT_S`.
        """
        is_returning = peer.id in self._live.record.lost or peer.media.is_lost
        if peer.media.opening.is_set() or not is_returning or peer.preset.config.view_type == "LIVESTREAM":
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RETURN_TIMEOUT_S):
                await peer.media.opening.wait()

    def start(self, peer: LivePeer, *, is_return: bool) -> None:
        """A peer (re)starts its part in media; one that comes back publishes anew."""
        if is_return:
            peer.media.withdrawn.clear()
            self._drop_producers(peer, list(peer.media.producers.values()))
        peer.media.is_joined = False

    def complete(self, peer: LivePeer) -> list[tuple[LivePeer, list[ProducerInfo]]]:
        """The peer is ready: returns the others and their streams, and tells the others."""
        peer.require_joined()
        others = [
            (other, [producer.info() for producer in other.media.producers.values()])
            for other in self._live.seen_by(peer)
            if other.media.is_joined and other is not peer
        ]
        peer.media.is_joined = True
        if not peer.permissions.hidden_participant:
            own = [producer.info() for producer in peer.media.producers.values()]
            is_on_stage = peer.stage is StageState.ON_STAGE
            self._live.tell(
                MediaJoined(peer.info(), own),
                but=peer,
                to=lambda x: x.media.is_joined and (is_on_stage or x.permissions.show_participant_list),
            )
        return others

    @property
    def active_speaker(self) -> PeerId | None:
        """Who speaks now."""
        return self._speakers.active

    # --- publishing ---------------------------------------------------------------------------

    async def produce(self, peer: LivePeer, request: ProduceRequest) -> tuple[Producer, str]:
        """Publish a stream; returns it with the answer to the offer that added it.

        Raises:
            NotAllowed: the preset, the stage or a host forbids it.
        """
        self.check_may_produce(peer, request)
        async with peer.media.send_lock:
            sender = peer.media.sender
            if sender is None:
                raise NotFound("Open a send transport first.")
            answer = await sender.negotiate(request.offer_sdp)
            producer = Producer(
                id=new_uuid(),
                kind=request.kind,
                mid=request.mid,
                transport_id=sender.id,
                is_screen_share=request.is_screen_share,
                is_paused=request.is_paused,
                app_data=request.app_data,
                mime_type=request.mime_type,
            )
            if peer.media.sender is not sender:
                raise StateForbids("The send transport was replaced meanwhile.")
            self.check_may_produce(peer, request)  # it may have been taken off the stage meanwhile
            peer.media.producers[producer.id] = producer
        self._live.tell(ProducerAdded(peer.id, producer.info()), but=peer, to=_in_media)
        return producer, answer

    def check_may_produce(self, peer: LivePeer, request: ProduceRequest) -> None:
        """Refuse a stream the peer may not publish now."""
        peer.require_joined()
        if request.kind not in ("audio", "video"):
            raise Invalid("A stream is audio or video.", field="kind")
        if request.app_data is not None and len(request.app_data) > APP_DATA_LIMIT:
            raise TooLarge(f"app_data has at most {APP_DATA_LIMIT} characters.")
        if len(peer.media.producers) + len(peer.media.withdrawn) >= PRODUCERS_LIMIT:
            raise StateForbids(f"A peer publishes at most {PRODUCERS_LIMIT} streams.")
        medium = "screenshare" if request.is_screen_share else request.kind
        if not self.may_produce(peer, medium):
            raise NotAllowed(f"You may not publish {medium} now.")
        if request.is_screen_share and request.kind == "video":
            limit = peer.preset.config.max_screenshare_count
            shared = sum(
                1
                for other in self._live.joined()
                for producer in other.media.producers.values()
                if producer.is_screen_share and producer.kind == "video"
            )
            if shared >= limit:
                raise StateForbids("Somebody else is sharing a screen already.")

    def may_produce(self, peer: LivePeer, medium: str) -> bool:
        """Whether the peer may publish that medium where it stands now."""
        if peer.stage is not StageState.ON_STAGE:
            return False
        if medium == "video" and peer.preset.config.view_type == "AUDIO_ROOM":
            return False
        permission = {
            "audio": peer.permissions.media.audio,
            "video": peer.permissions.media.video,
            "screenshare": peer.permissions.media.screenshare,
        }[medium].can_produce
        # CAN_REQUEST is granted together with the stage; without a stage there is nobody to ask.
        return permission == "ALLOWED" or (permission == "CAN_REQUEST" and peer.permissions.stage_enabled)

    async def close_producer(self, peer: LivePeer, producer_id: str, offer_sdp: str) -> str:
        """Stop publishing; returns the answer to the offer without the stream."""
        async with peer.media.send_lock:
            if peer.media.sender is None:
                raise NotFound("There is no send transport.")
            answer = await peer.media.sender.negotiate(offer_sdp)
        peer.media.withdrawn.pop(producer_id, None)
        producer = peer.media.producers.get(producer_id)
        if producer is not None:
            self._drop_producers(peer, [producer])
        return answer

    async def toggle(self, peer: LivePeer, producer_id: str, *, is_paused: bool) -> None:
        """The publisher mutes or unmutes a stream of its own."""
        producer = peer.media.producers.get(producer_id) or peer.media.withdrawn.get(producer_id)
        if producer is None:
            raise NotFound("No such stream of yours.")
        if not is_paused:
            if producer.medium in peer.media.unmute_forbidden or not self.may_produce(peer, producer.medium):
                raise NotAllowed(f"A host does not let you turn your {producer.medium} on.")
            if producer.is_muted_by_host:
                await self._set_muted(peer, producer, muted=False)
        producer.is_paused = is_paused
        if producer_id in peer.media.withdrawn:
            if not is_paused:
                peer.media.producers[producer_id] = peer.media.withdrawn.pop(producer_id)
                self._live.tell(ProducerAdded(peer.id, producer.info()), but=peer, to=_in_media)
            return
        if is_paused and producer.kind == "audio":
            self._speakers.forget(peer.id)
        self._tell_toggled(peer, producer, peer.id)

    async def mute_by_host(
        self, peer: LivePeer, media: Iterable[str], host_id: PeerId | None, *, allow_unmute: bool = True
    ) -> bool:
        """A host mutes streams of somebody, at the server too; True when something was muted."""
        wanted = set(media)
        if not allow_unmute:
            peer.media.unmute_forbidden |= wanted
        muted = [p for p in peer.media.producers.values() if p.medium in wanted and not p.is_paused]
        for producer in muted:
            await self._set_muted(peer, producer, muted=True)
            producer.is_paused = True
            self._live.tell(ProducerToggled(peer.id, producer.info(), host_id), to=_in_media)
        return bool(muted)

    async def _set_muted(self, peer: LivePeer, producer: Producer, *, muted: bool) -> None:
        producer.is_muted_by_host = muted
        sender = peer.media.sender
        if sender is not None and sender.id == producer.transport_id:
            with contextlib.suppress(MediaError):
                await sender.set_muted(producer.mid, muted)

    def _tell_toggled(self, peer: LivePeer, producer: Producer, initiator: PeerId) -> None:
        self._live.tell(ProducerToggled(peer.id, producer.info(), initiator), to=_in_media)

    def _drop_producers(self, peer: LivePeer, producers: Iterable[Producer]) -> None:
        for producer in producers:
            if peer.media.producers.pop(producer.id, None) is not None:
                self._live.tell(ProducerClosed(peer.id, producer.info()), but=peer, to=_in_media)
                if producer.kind == "audio" and not producer.is_screen_share:
                    self._speakers.forget(peer.id)

    async def enforce(self, peer: LivePeer) -> None:
        """Withdraw the streams that the peer may not publish any more."""
        forbidden = [p for p in peer.media.producers.values() if not self.may_produce(peer, p.medium)]
        for producer in forbidden:
            await self._set_muted(peer, producer, muted=True)
        withdrawn = {p.id: p for p in forbidden if p.id in peer.media.producers}  # not closed meanwhile
        peer.media.withdrawn |= withdrawn
        self._drop_producers(peer, withdrawn.values())

    async def take_off_stage(self, peer: LivePeer) -> None:
        """The peer has left the stage: nothing of it is forwarded any more."""
        await self.enforce(peer)

    def audio_activity(self, peer: LivePeer, energy: int, *, is_silent: bool) -> None:
        """A client's report of how loud its microphone is."""
        if not peer.is_joined or not any(
            p.kind == "audio" and not p.is_paused and not p.is_screen_share
            for p in peer.media.producers.values()
        ):
            return
        at = self._live.scope.store.clock.monotonic()
        if self._speakers.report(peer.id, energy, is_silent, at):
            self._live.tell(ActiveSpeaker(peer.id), to=_in_media)

    # --- watching -----------------------------------------------------------------------------

    async def consume(self, peer: LivePeer, producer_ids: Sequence[str]) -> Consumption:
        """Add streams of others to the receive transport; answered by `answer`."""
        peer.require_joined()
        if len(producer_ids) > CONSUMERS_LIMIT:
            raise TooLarge(f"At most {CONSUMERS_LIMIT} streams in one request.")
        receiver = peer.media.receiver
        if receiver is None:
            raise NotFound("Open a receive transport first.")
        wanted = {
            producer.id: producer
            for other in self._live.visible()
            if other is not peer
            for producer in other.media.producers.values()
            if producer.id in set(producer_ids)
        }
        sources = {Source(p.transport_id, p.mid): p for p in wanted.values()}
        subscription = await receiver.subscribe(list(sources))
        found = {
            producer.id: (producer.info(), subscription.mids[source])
            for source, producer in sources.items()
            if source in subscription.mids
        }
        return Consumption(
            subscription.offer_sdp, found, [pid for pid in dict.fromkeys(producer_ids) if pid not in found]
        )

    async def answer(self, peer: LivePeer, answer_sdp: str) -> str:
        """The browser's answer to the offer of `consume`; returns the transport's id."""
        receiver = peer.media.receiver
        if receiver is None:
            raise NotFound("Open a receive transport first.")
        await receiver.accept(answer_sdp)
        return receiver.id

    async def close_consumers(self, peer: LivePeer, mids: Sequence[str], offer_sdp: str) -> str:
        """Remove streams that the browser closed; returns the answer to its offer."""
        receiver = peer.media.receiver
        if receiver is None:
            raise NotFound("There is no receive transport.")
        return await receiver.unsubscribe(mids, offer_sdp)

    async def prefer_layers(self, peer: LivePeer, layers: Mapping[str, Layer]) -> None:
        """Choose simulcast layers by mid."""
        receiver = peer.media.receiver
        if receiver is None:
            raise NotFound("There is no receive transport.")
        for mid, layer in layers.items():
            await receiver.prefer_layer(mid, layer)


def _in_media(peer: LivePeer) -> bool:
    return peer.media.is_joined
