"""The connection towards the server: first two empty sections, then one more for each stream (section 7)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import msgspec
from aiortc import MediaStreamTrack, RTCIceServer

from parley.headless.descriptions import Credentials, Direction, Section, read, write
from parley.headless.errors import ConnectionLost
from parley.headless.socket import ProtocolSocket
from parley.headless.transport import MediaConnection, Sender
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import Media

_MIME_TYPES = {"audio": "audio/opus", "video": "video/VP8"}


@dataclass(slots=True)
class Published:
    """A stream of ours."""

    producer_id: str
    kind: str
    track: MediaStreamTrack
    sender: Sender
    is_paused: bool = False


class SendSide:
    """Opened once; requests on it must not overlap (the client makes them one after the other)."""

    def __init__(
        self,
        socket: ProtocolSocket,
        ice_servers: tuple[RTCIceServer, ...],
        cname: str,
        on_lost: Callable[[], None],
    ) -> None:
        self._socket = socket
        self._cname = cname
        self._connection = MediaConnection(ice_servers, on_lost)
        self._credentials: Credentials | None = None
        self._transport_id = ""
        self._version = 0
        self._sections = [
            Section("0", "audio", Direction.SENDONLY),
            Section("1", "video", Direction.SENDONLY),
        ]
        self.published: dict[str, Published] = {}
        """By kind."""

    async def open(self) -> None:
        """Create the transport and begin to connect (media.1)."""
        self._credentials = await self._connection.credentials()
        answer = await self._socket.request(
            Media.CREATE_TRANSPORT,
            pb.MediaCreateTransportRequest(consuming=False, description=self._offer()),
            pb.MediaCreateTransportResponse,
        )
        self._transport_id = answer.transport_id
        self._connection.start(read(answer.description.sdp))

    async def wait_connected(self) -> None:
        """See `MediaConnection.wait_connected`."""
        await self._connection.wait_connected()

    async def publish(self, kind: str, track: MediaStreamTrack, *, paused: bool = False) -> Published:
        """Publish a track (media.2), muted or not; it is stopped together with this object."""
        mid = str(len(self._sections))
        sender = self._connection.add_sender(track)
        self._sections.append(Section(mid, kind, Direction.SENDONLY, ssrc=sender.ssrc, cname=self._cname))
        app_data = {"mid": mid, "screenShare": False, "e2ee": False}
        request = pb.EdgeProducerCreateRequest(
            kind=kind,
            paused=paused,
            screen_share=False,
            description=self._offer(),
            msid=f"{self._cname} {self._cname}-{mid}",
            app_data=msgspec.json.encode(app_data).decode(),
            mime_type=_MIME_TYPES[kind],
            producing_transport_id=self._transport_id,
        )
        try:
            answer = await self._socket.request(Media.PRODUCE, request, pb.EdgeProducerCreateResponse)
        except Exception:
            # The section stays, so that mids and positions go on agreeing; nothing is sent in it.
            self._sections[-1] = replace(self._sections[-1], direction=Direction.INACTIVE, ssrc=None)
            track.stop()
            raise
        if paused:
            sender.replaceTrack(None)
        await self._connection.send(sender, mid, self._cname)
        published = self.published[kind] = Published(answer.producer_id, kind, track, sender, paused)
        return published

    async def pause(self, kind: str, *, paused: bool) -> None:
        """Mute or unmute a published stream (media.4); others see it as muted."""
        stream = self.published[kind]
        stream.is_paused = paused
        stream.sender.replaceTrack(None if paused else stream.track)
        await self._socket.tell(
            Media.TOGGLE_PRODUCER, pb.EdgeProducerToggleRequest(producer_id=stream.producer_id, pause=paused)
        )

    def silence(self, kind: str) -> None:
        """Stop sending a stream that the server has muted already."""
        stream = self.published[kind]
        stream.is_paused = True
        stream.sender.replaceTrack(None)

    async def pause_all(self) -> None:
        """Mute everything, as the official client does before it leaves; a lost connection is ignored."""
        with contextlib.suppress(ConnectionLost):
            for kind, stream in self.published.items():
                if not stream.is_paused:
                    await self.pause(kind, paused=True)

    async def close(self) -> None:
        """Stop sending; may be called twice. The server learns it from leaving or the next transport."""
        for stream in self.published.values():
            stream.track.stop()
        await self._connection.stop()

    def _offer(self) -> pb.MediaSessionDescription:
        assert self._credentials is not None
        self._version += 1
        sdp = write(self._credentials, self._sections, setup="actpass", version=self._version)
        return pb.MediaSessionDescription(target=pb.MEDIA_TARGET_PUBLISHER, type="offer", sdp=sdp)
