"""The connection from the server: streams are added by its offers and removed by ours (section 7).

Streams are only counted by default; decoding is for those who look at the result.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import av
from aiortc import RTCIceServer
from aiortc.mediastreams import MediaStreamError

from parley.base.tasks import cancel_and_wait
from parley.headless.descriptions import (
    Credentials,
    Direction,
    RemoteDescription,
    RemoteSection,
    Section,
    read,
    write,
)
from parley.headless.roster import Publication
from parley.headless.socket import ProtocolSocket
from parley.headless.transport import Counts, Decoded, MediaConnection
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import Media

ROUND_LIMIT = 35
"""Streams added or removed in one request, as in the official client."""
FINAL_ERRORS = frozenset({"not_found_track_error", "backend_error"})


@dataclass(slots=True)
class RemoteTrack:
    """A stream of somebody else as it arrives here."""

    publication: Publication
    mid: str
    counts: Counts = field(default_factory=Counts)
    decoded_frames: int = 0
    """Pictures or pieces of sound; 0 unless decoding."""
    size: tuple[int, int] | None = None
    """Width and height of the last decoded picture."""
    ssrc: int | None = None
    _decoded: Decoded | None = None
    _reader: asyncio.Task[None] | None = None


OnFrame = Callable[[RemoteTrack, Any], None]
"""Called with each decoded `av.VideoFrame` or `av.AudioFrame`."""


class ReceiveSide:
    """Opened once; `consume` and `close_consumers` must not overlap."""

    def __init__(
        self,
        socket: ProtocolSocket,
        ice_servers: tuple[RTCIceServer, ...],
        on_lost: Callable[[], None],
        on_frame: OnFrame | None,
    ) -> None:
        self._socket = socket
        self._connection = MediaConnection(ice_servers, on_lost)
        self._on_frame = on_frame
        self._credentials: Credentials | None = None
        self._transport_id = ""
        self._version = 0
        self._sections = [
            Section("0", "audio", Direction.SENDONLY),
            Section("1", "video", Direction.SENDONLY),
        ]
        self.tracks: dict[str, RemoteTrack] = {}
        """By producer id."""

    async def open(self) -> None:
        """Create the transport and begin to connect (media.1)."""
        self._credentials = await self._connection.credentials()
        answer = await self._socket.request(
            Media.CREATE_TRANSPORT,
            pb.MediaCreateTransportRequest(consuming=True, description=self._describe("offer")),
            pb.MediaCreateTransportResponse,
        )
        self._transport_id = answer.transport_id
        self._connection.start(read(answer.description.sdp))

    async def wait_connected(self) -> None:
        """See `MediaConnection.wait_connected`."""
        await self._connection.wait_connected()

    async def consume(self, publications: Sequence[Publication]) -> Mapping[str, str]:
        """Receive streams, at most `ROUND_LIMIT` (media.3, media.50); returns error codes by producer id."""
        wanted = {publication.producer_id: publication for publication in publications[:ROUND_LIMIT]}
        request = pb.EdgeConsumePeersRequest(consuming_transport_id=self._transport_id)
        for publication in wanted.values():
            each = request.requests.add(
                producing_peer_id=publication.peer_id,
                producer_id=publication.producer_id,
                producing_transport_id=publication.transport_id,
            )
            each.simulcast.preferred_rid = "f"
        answer = await self._socket.request(Media.CONSUME, request, pb.EdgeConsumePeerResponse)
        failed: dict[str, str] = {}
        for producer_id, state in answer.consumer_ids_map.map.items():
            if state.error_code:
                failed[producer_id] = state.error_code
            elif producer_id in wanted:
                mid = state.producer_track.stream_id
                self.tracks[producer_id] = RemoteTrack(wanted[producer_id], mid)
        if answer.HasField("description"):
            await self._accept(read(answer.description.sdp))
        return failed

    async def _accept(self, offer: RemoteDescription) -> None:
        wanted = {track.mid for track in self.tracks.values()}
        self._sections = [_answer_section(section, section.mid in wanted) for section in offer.sections]
        fresh = await self._attach(offer)  # before the server hears of it, so that nothing is missed
        await self._socket.request(
            Media.RENEGOTIATE,
            pb.MediaRenegotiateRequest(transport_id=self._transport_id, description=self._describe("answer")),
            pb.MediaRenegotiateResponse,
        )
        for track in fresh:
            if track.ssrc is not None and track._decoded is not None and track.publication.kind == "video":
                await self._connection.request_key_frame(track._decoded, track.ssrc)

    async def _attach(self, offer: RemoteDescription) -> list[RemoteTrack]:
        """Look at the streams under the SSRCs of the offer; returns those that are new."""
        fresh: list[RemoteTrack] = []
        by_mid = {section.mid: section for section in offer.sections}
        for track in self.tracks.values():
            section = by_mid.get(track.mid)
            if section is None or section.ssrc is None or section.ssrc == track.ssrc:
                continue
            await self._detach(track)
            fresh.append(track)
            track.ssrc = section.ssrc
            self._connection.count(section.ssrc, section.kind, track.counts)
            if self._on_frame is not None and section.payload_type is not None:
                decoded = await self._connection.decode(
                    section.kind, section.mid, section.ssrc, section.payload_type
                )
                track._decoded = decoded
                track._reader = asyncio.create_task(
                    self._read_frames(track, decoded, self._on_frame), name=f"frames of {track.mid}"
                )
        return fresh

    async def _read_frames(self, track: RemoteTrack, decoded: Decoded, on_frame: OnFrame) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                frame = await decoded.track.recv()
                track.decoded_frames += 1
                if isinstance(frame, av.VideoFrame):
                    track.size = (frame.width, frame.height)
                on_frame(track, frame)

    async def _detach(self, track: RemoteTrack) -> None:
        if track.ssrc is not None:
            self._connection.stop_counting(track.ssrc)
            track.ssrc = None
        if track._decoded is not None:
            await self._connection.stop_decoding(track._decoded)
            track._decoded = None
        await cancel_and_wait([track._reader])
        track._reader = None

    async def close_consumers(self, producer_ids: Sequence[str]) -> None:
        """Stop receiving streams, at most `ROUND_LIMIT` (media.7); unknown ones are ignored."""
        closing = [self.tracks[each] for each in producer_ids[:ROUND_LIMIT] if each in self.tracks]
        if not closing:
            return
        mids = {track.mid for track in closing}
        self._sections = [
            replace(section, is_closed=True) if section.mid in mids else section for section in self._sections
        ]
        for track in closing:
            await self._detach(track)
            del self.tracks[track.publication.producer_id]
        await self._socket.request(
            Media.CLOSE_CONSUMER,
            pb.EdgeConsumerCloseRequest(
                consumer_ids=sorted(mids),
                description=self._describe("offer"),
                consuming_transport_id=self._transport_id,
            ),
            pb.EdgeConsumerClosingResponse,
        )

    async def close(self) -> None:
        """Stop receiving; may be called twice."""
        for track in self.tracks.values():
            await self._detach(track)
        await self._connection.stop()

    def _describe(self, kind: str) -> pb.MediaSessionDescription:
        """Our present sections; the first two are sendonly in offers, inactive in answers (like browsers)."""
        assert self._credentials is not None
        self._version += 1
        is_offer = kind == "offer"
        sections = [
            replace(section, direction=Direction.SENDONLY if is_offer else Direction.INACTIVE)
            if section.mid in ("0", "1")
            else section
            for section in self._sections
        ]
        setup = "actpass" if is_offer else "active"
        sdp = write(self._credentials, sections, setup=setup, version=self._version)
        return pb.MediaSessionDescription(target=pb.MEDIA_TARGET_SUBSCRIBER, type=kind, sdp=sdp)


def _answer_section(section: RemoteSection, is_wanted: bool) -> Section:
    """A section that nobody asked for (any more) stays inactive; a browser would do the same."""
    receives = section.sends and not section.is_closed and is_wanted
    direction = Direction.RECVONLY if receives else Direction.INACTIVE
    return Section(section.mid, section.kind, direction, is_closed=section.is_closed)
