"""Publishing on a real media engine without sending a packet: all that the socket protocol sees of it."""

from __future__ import annotations

import json
from dataclasses import replace

from parley.headless.descriptions import Credentials, Direction, Section, write
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import Media
from tests.wire.realtimekit.client.peer import Peer

CREDENTIALS = Credentials("ufrag", "p" * 24, "sha-256 " + ":".join(["AB"] * 32))
"""Well-formed and of nobody: no connection is ever made with them."""


class Studio:
    """The send side of one peer; requests on it must not overlap."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.transport_id = ""
        self._sections: list[Section] = []
        self._mids: dict[str, str] = {}
        self._version = 0

    @classmethod
    async def open(cls, peer: Peer) -> Studio:
        """Create the send transport."""
        studio = cls(peer)
        await studio.reopen()
        return studio

    async def reopen(self) -> None:
        """Create it anew, without streams."""
        self._sections = [
            Section("0", "audio", Direction.SENDONLY),
            Section("1", "video", Direction.SENDONLY),
        ]
        self._mids.clear()
        request = pb.MediaCreateTransportRequest(consuming=False, description=self.offer())
        self.transport_id = (await self.peer.ask(Media.CREATE_TRANSPORT, request)).transport_id

    def offer(self) -> pb.MediaSessionDescription:
        """An offer of everything published."""
        self._version += 1
        sdp = write(CREDENTIALS, self._sections, setup="actpass", version=self._version)
        return pb.MediaSessionDescription(target=pb.MEDIA_TARGET_PUBLISHER, type="offer", sdp=sdp)

    async def publish(self, kind: str, *, screen: bool = False, paused: bool = False) -> str:
        """Publish a stream; returns its id.

        Raises:
            Refused: it may not be published.
        """
        mid = str(len(self._sections))
        self._sections.append(Section(mid, kind, Direction.SENDONLY, ssrc=1000 + int(mid), cname="studio"))
        request = pb.EdgeProducerCreateRequest(
            kind=kind,
            paused=paused,
            screen_share=screen,
            description=self.offer(),
            app_data=json.dumps({"mid": mid, "screenShare": screen}),
            producing_transport_id=self.transport_id,
        )
        try:
            producer_id: str = (await self.peer.ask(Media.PRODUCE, request)).producer_id
        except Exception:
            self._stop_sending(mid)
            raise
        self._mids[producer_id] = mid
        return producer_id

    async def toggle(self, producer_id: str, *, paused: bool) -> None:
        """Mute or unmute a stream."""
        request = pb.EdgeProducerToggleRequest(producer_id=producer_id, pause=paused)
        await self.peer.tell(Media.TOGGLE_PRODUCER, request)

    async def close(self, producer_id: str) -> None:
        """Stop publishing a stream."""
        self._stop_sending(self._mids.pop(producer_id))
        request = pb.EdgeProducerCloseRequest(producer_id=producer_id, description=self.offer())
        await self.peer.ask(Media.CLOSE_PRODUCER, request)

    @property
    def published(self) -> list[str]:
        """Ids of what this client believes to publish."""
        return list(self._mids)

    def _stop_sending(self, mid: str) -> None:
        self._sections = [
            replace(section, direction=Direction.INACTIVE, ssrc=None) if section.mid == mid else section
            for section in self._sections
        ]
