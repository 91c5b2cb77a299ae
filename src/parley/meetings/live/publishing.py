"""What peers publish: permissions in front of their send transports (`rtk-client-protocol.md` 7)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from parley.base.errors import Invalid, NotAllowed, NotFound, StateForbids, TooLarge
from parley.base.ids import PeerId, new_uuid
from parley.media.ports import MediaError
from parley.meetings.live.notices import (
    ActiveSpeaker,
    Notice,
    ProducerAdded,
    ProducerClosed,
    ProducerToggled,
)
from parley.meetings.live.peer import LivePeer, Producer
from parley.meetings.live.speakers import ActiveSpeakerDetector
from parley.meetings.model import StageState

if TYPE_CHECKING:
    from parley.meetings.live.meeting import LiveMeeting

PRODUCERS_LIMIT = 8
"""Streams of one peer: microphone, camera, screen, its sound, and room for a device change."""
APP_DATA_LIMIT = 4_096


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


class Publishing:
    """The streams of the meeting's peers; publishing needs a joined peer with a send transport."""

    def __init__(self, live: LiveMeeting) -> None:
        self._live = live
        self._speakers = ActiveSpeakerDetector()

    @property
    def active_speaker(self) -> PeerId | None:
        """Who speaks now."""
        return self._speakers.active

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
        self._tell(peer, ProducerAdded(peer.id, producer.info()), but=peer)
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
            self.drop(peer, [producer])
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
                self._tell(peer, ProducerAdded(peer.id, producer.info()), but=peer)
            return
        if is_paused and producer.kind == "audio":
            self._speakers.forget(peer.id)
        self._tell(peer, ProducerToggled(peer.id, producer.info(), peer.id))

    async def mute_by_host(
        self,
        peer: LivePeer,
        media: Iterable[str],
        host_id: PeerId | None,
        *,
        allow_unmute: bool | None = None,
    ) -> bool:
        """A host mutes streams of somebody, at the server too.

        Args:
            peer: whose streams.
            media: of audio, video, screenshare.
            host_id: who does it; None = the REST side.
            allow_unmute: whether the peer may unmute from now on; None = as before.

        Returns:
            Whether something was muted.
        """
        wanted = set(media)
        if allow_unmute is not None:
            peer.media.unmute_forbidden -= wanted
        if allow_unmute is False:
            peer.media.unmute_forbidden |= wanted
        muted = [p for p in peer.media.producers.values() if p.medium in wanted and not p.is_paused]
        for producer in muted:
            await self._set_muted(peer, producer, muted=True)
            producer.is_paused = True
            self._tell(peer, ProducerToggled(peer.id, producer.info(), host_id))
        return bool(muted)

    async def _set_muted(self, peer: LivePeer, producer: Producer, *, muted: bool) -> None:
        producer.is_muted_by_host = muted
        sender = peer.media.sender
        if sender is not None and sender.id == producer.transport_id:
            with contextlib.suppress(MediaError):
                await sender.set_muted(producer.mid, muted)

    def _tell(self, peer: LivePeer, notice: Notice, *, but: LivePeer | None = None) -> None:
        """Tell of a peer's streams: a hidden one's concern nobody else."""
        is_shown = not peer.permissions.hidden_participant
        self._live.tell(notice, but=but, to=lambda x: in_media(x) and (is_shown or x is peer))

    def drop(self, peer: LivePeer, producers: Iterable[Producer]) -> None:
        """Streams have ended: tell the others."""
        for producer in producers:
            if peer.media.producers.pop(producer.id, None) is not None:
                self._tell(peer, ProducerClosed(peer.id, producer.info()), but=peer)
                if producer.kind == "audio" and not producer.is_screen_share:
                    self._speakers.forget(peer.id)

    async def enforce(self, peer: LivePeer) -> None:
        """Withdraw the streams that the peer may not publish any more."""
        forbidden = [p for p in peer.media.producers.values() if not self.may_produce(peer, p.medium)]
        for producer in forbidden:
            await self._set_muted(peer, producer, muted=True)
        withdrawn = {p.id: p for p in forbidden if p.id in peer.media.producers}  # not closed meanwhile
        peer.media.withdrawn |= withdrawn
        self.drop(peer, withdrawn.values())

    async def take_off_stage(self, peer: LivePeer) -> None:
        """The peer has left the stage: nothing of it is forwarded any more."""
        await self.enforce(peer)

    def audio_activity(self, peer: LivePeer, energy: int, *, is_silent: bool) -> None:
        """A client's report of how loud its microphone is."""
        if not peer.is_joined or peer.permissions.hidden_participant:
            return
        if not any(
            p.kind == "audio" and not p.is_paused and not p.is_screen_share
            for p in peer.media.producers.values()
        ):
            return
        at = self._live.scope.store.clock.monotonic()
        if self._speakers.report(peer.id, energy, is_silent, at):
            self._live.tell(ActiveSpeaker(peer.id), to=in_media)

    def forget(self, peer: LivePeer) -> None:
        """The peer is gone: so are its streams, without a word to anybody."""
        self._speakers.forget(peer.id)
        peer.media.producers.clear()


def in_media(peer: LivePeer) -> bool:
    """Whether the peer wants to hear of the streams of others."""
    return peer.media.is_joined
