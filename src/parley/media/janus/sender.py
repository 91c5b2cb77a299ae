"""Browser to Janus: a VideoRoom publisher."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from parley.media.janus import sdp
from parley.media.janus.client import JanusClient, Jsep
from parley.media.janus.transport import JanusTransport, Room
from parley.media.ports import MediaError, Source


class JanusSendTransport(JanusTransport):
    """See `parley.media.ports.SendTransport`. Janus itself answers the browser's offers."""

    def __init__(self, room: Room, transport_id: str, label: str, on_closed: Callable[[], None]) -> None:
        super().__init__(room, transport_id, label, on_closed)
        self._turn = asyncio.Lock()
        self._published: frozenset[str] = frozenset()

    def publishes(self, mid: str) -> bool:
        """Whether the browser sends in that section, by its last offer."""
        return mid in self._published

    async def open(self, client: JanusClient, offer_sdp: str) -> str:
        """Join the room as publisher; returns the answer. To be called once."""
        offer = sdp.parse_offer(offer_sdp)
        await self._attach(client)
        join = {
            "request": "joinandconfigure",
            "ptype": "publisher",
            "room": self._room.room_id,
            "id": self._id,
            "display": self._label,
        }
        return await self._negotiate(join, offer)

    async def negotiate(self, offer_sdp: str) -> str:
        """Apply a new full offer (a section added or made inactive); returns the answer."""
        offer = sdp.parse_offer(offer_sdp)
        async with self._turn:
            return await self._negotiate({"request": "configure"}, offer)

    async def set_muted(self, mid: str, muted: bool) -> None:
        """Stop or resume forwarding one section at the server, whatever the browser sends."""
        await self._room.moderate(Source(self._id, mid), muted)

    async def request_key_frame(self) -> None:
        """Ask the publisher for a key frame in each of its videos."""
        await self._request({"request": "configure", "keyframe": True})

    async def _negotiate(self, body: dict[str, str], offer: sdp.Description) -> str:
        reply = await self._request(body, Jsep("offer", offer.without_candidates()))
        if reply.jsep is None:
            raise MediaError("The media engine did not answer the offer.")
        self._published = frozenset(
            section.mid for section in offer.sections if section.direction.sends and not section.is_rejected
        )
        return reply.jsep.sdp
