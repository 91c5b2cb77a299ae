"""Browser to Janus: a VideoRoom publisher."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from parley.media.janus import sdp
from parley.media.janus.client import JanusClient, Jsep, Message
from parley.media.janus.transport import JanusTransport, Room
from parley.media.ports import BadDescription, MediaError, Source, TransportGone, TransportStatistics

log = logging.getLogger(__name__)

MAX_CAPTURE_PATH = 200
"""Janus cuts longer ones off; it adds up to 20 characters."""
_REFRESH_S = 0.3
"""Browsers ignore requests that follow a key frame sooner."""


class JanusSendTransport(JanusTransport):
    """See `parley.media.ports.SendTransport`. Janus itself answers the browser's offers."""

    def __init__(self, room: Room, transport_id: str, label: str, on_closed: Callable[[], None]) -> None:
        super().__init__(room, transport_id, label, on_closed)
        self._turn = asyncio.Lock()
        self._published: frozenset[str] = frozenset()
        self._layered: frozenset[str] = frozenset()
        self._refreshed_at = 0.0
        self._capture: str | None = None
        self._answer = ""
        self._sections: dict[str, str] = {}
        """How Janus names the file of each section that was ever offered, by mid: kind and place."""
        self.connected = asyncio.Event()
        """Set once media can flow; Janus lets nobody subscribe before. Set as well when it never will."""

    def publishes(self, mid: str) -> bool:
        """Whether the browser sends in that section, by its last offer."""
        return mid in self._published

    def has_layers(self, mid: str) -> bool:
        """Whether the browser offered that section in simulcast."""
        return mid in self._layered

    def refresh(self) -> None:
        """Ask for a key frame in the background; several wishes of a moment are one request."""
        now = asyncio.get_running_loop().time()
        if not self._ended and now - self._refreshed_at >= _REFRESH_S:
            self._refreshed_at = now
            self._room.run_in_background(self._refresh())

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

    async def capture(self, name: str | None) -> None:
        """Write everything that arrives into files, or end that."""
        if name is None:
            self._capture = None
            await self._request({"request": "configure", "record": False})
            return
        folder = self._room.captures_folder
        if folder is None:
            raise MediaError("The media engine has no folder for what it captures.")
        path = f"{folder}/{name}"
        if len(path) > MAX_CAPTURE_PATH:
            raise MediaError("The name of the captured files is too long for the media engine.")
        await self._request({"request": "configure", "record": True, "filename": path})
        self._capture = name

    def capture_file(self, mid: str) -> str | None:
        """Name of the file that a section is written into; None while nothing is."""
        section = self._sections.get(mid)
        return None if self._capture is None or section is None else f"{self._capture}-{section}.mjr"

    def header_extension(self, mid: str, uri: str) -> int | None:
        """See `ports.SendTransport`; it is Janus that chooses among what was offered."""
        try:
            section = sdp.parse(self._answer).by_mid.get(mid)
        except BadDescription:  # nothing is open
            return None
        return None if section is None else section.extension(uri)

    async def statistics(self) -> TransportStatistics:
        """See `ports.SendTransport`."""
        if self._ended or self._attached is None:
            raise TransportGone("This media transport is closed.")
        return await self._attached.statistics()

    async def forward(self, mid: str, port: int, ssrc: int) -> str:
        """See `ports.SendTransport`."""
        return await self._room.forward(Source(self._id, mid), port, ssrc)

    async def stop_forward(self, forward_id: str) -> None:
        """See `ports.SendTransport`."""
        await self._room.stop_forward(self._id, forward_id)

    async def _refresh(self) -> None:
        try:
            await self.request_key_frame()
        except MediaError as error:
            log.info("Media transport %s was not asked for a key frame: %s", self._id, error.message)

    def _on_event(self, message: Message) -> None:
        if message.get("janus") == "webrtcup":
            self.connected.set()
        super()._on_event(message)

    def _let_go(self) -> None:
        self.connected.set()

    async def _negotiate(self, body: dict[str, str], offer: sdp.Description) -> str:
        reply = await self._request(body, Jsep("offer", offer.without_candidates()))
        if reply.jsep is None:
            raise MediaError("The media engine did not answer the offer.")
        sending = [
            section for section in offer.sections if section.direction.sends and not section.is_rejected
        ]
        self._published = frozenset(section.mid for section in sending)
        self._sections = {
            section.mid: f"{section.kind}-{place}" for place, section in enumerate(offer.sections)
        }
        self._layered = frozenset(section.mid for section in sending if section.attribute("simulcast"))
        self._answer = reply.jsep.sdp
        return self._answer
