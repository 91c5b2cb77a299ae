"""What peers watch: which streams their receive transports carry (`rtk-client-protocol.md` 7)."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from parley.base.errors import NotFound, TooLarge
from parley.media.ports import Layer, MediaError, ReceiveTransport, Source
from parley.meetings.live.notices import ProducerInfo
from parley.meetings.live.peer import LivePeer

if TYPE_CHECKING:
    from parley.meetings.live.meeting import LiveMeeting

CONSUMERS_LIMIT = 200
"""Streams asked for in one request."""


@dataclass(frozen=True, slots=True)
class Consumption:
    """The outcome of a request to watch streams."""

    offer_sdp: str | None
    found: Mapping[str, tuple[ProducerInfo, str]]
    """By producer id: the stream, and the mid it arrives on."""
    missing: Sequence[str]
    """Producer ids that do not exist (any more)."""


class Watching:
    """The streams that peers receive; watching needs a joined peer with a receive transport."""

    def __init__(self, live: LiveMeeting) -> None:
        self._live = live

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
        for info, mid in found.values():
            if info.kind == "video" and not info.is_screen_share:
                peer.media.pictures.added(mid, info.id)
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
        answer = await receiver.unsubscribe(mids, offer_sdp)
        peer.media.pictures.removed(mids)
        with contextlib.suppress(MediaError):  # the browser needs its answer; the next request tries again
            await self._send_sizes(peer, receiver)
        return answer

    async def prefer_layers(self, peer: LivePeer, layers: Mapping[str, Layer]) -> None:
        """Choose simulcast layers by mid; what the peer gets of them: see `pictures`."""
        receiver = peer.media.receiver
        if receiver is None:
            raise NotFound("There is no receive transport.")
        peer.media.pictures.ask(layers)
        await self._send_sizes(peer, receiver)

    @staticmethod
    async def _send_sizes(peer: LivePeer, receiver: ReceiveTransport) -> None:
        for mid, layer in peer.media.pictures.due().items():
            await receiver.prefer_layer(mid, layer)
            peer.media.pictures.sent(mid, layer)
