"""One encrypted media connection, made of aiortc's building blocks.

Why not `RTCPeerConnection`: on the receive side client offers and server offers alternate, sections are
closed with port 0, and the server recycles them. aiortc's peer connection can neither write port 0 nor bring
a recycled section back to life (measured: no track, no frames). Below it, aiortc has the objects of ORTC: an
ICE transport, a DTLS transport, RTP senders and receivers, each usable alone. With those the connection stays
up for the whole meeting, whatever is added and removed, and descriptions are ours (`descriptions.py`).

The only module that touches members which aiortc does not document; `tests/headless/test_transport.py`
notices when they change.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from aiortc import (
    MediaStreamTrack,
    RTCCertificate,
    RTCDtlsParameters,
    RTCDtlsTransport,
    RTCIceGatherer,
    RTCIceServer,
    RTCIceTransport,
    RTCRtpReceiver,
    RTCRtpSender,
)
from aiortc.rtcrtpparameters import (
    RTCRtcpParameters,
    RTCRtpDecodingParameters,
    RTCRtpReceiveParameters,
    RTCRtpSendParameters,
)
from aiortc.rtcrtpreceiver import RemoteStreamTrack

from parley.base.tasks import cancel_and_wait
from parley.headless.descriptions import MID_EXTENSION, Credentials, RemoteDescription, codec
from parley.headless.errors import ConnectionLost

CONNECT_TIMEOUT_S = 30.0
"""ICE and DTLS together, as in the official client."""
STOP_TIMEOUT_S = 3.0
_RTP_HEADER_BYTES = 12
_HELLO_AGAIN_S = (0.05, 0.1, 0.2, 0.4)
_FEEDBACK = (205, 206)
"""RTCP packet types: NACK, and picture loss indication (RFC 4585 section 6.1)."""


@dataclass(slots=True)
class Counts:
    """What arrived for one stream."""

    packets: int = 0
    bytes: int = 0
    """RTP payloads with their headers, without encryption."""
    frames: int = 0
    """Pictures whose last packet came, or audio packets."""


class Sender(RTCRtpSender):
    """Tells when the other side wants a key frame (packets that are encoded beforehand cannot be forced)."""

    def __init__(self, track: MediaStreamTrack, transport: RTCDtlsTransport) -> None:
        super().__init__(track, transport)
        self._restart: Callable[[], None] | None = getattr(track, "request_key_frame", None)

    @property
    def ssrc(self) -> int:
        """Identifies our packets."""
        return self._ssrc

    def _send_keyframe(self) -> None:
        if self._restart is not None:
            self._restart()
        super()._send_keyframe()


class _CountingDtls(RTCDtlsTransport):
    """Looks at RTP headers before anything else does.

    A stream that nobody decodes costs one decryption and a few integers for each packet, 5 % of aiortc's
    whole receive path.
    """

    def __init__(self, ice: RTCIceTransport, certificate: RTCCertificate) -> None:
        super().__init__(ice, [certificate])
        self._hello: bytes | None = None
        self._hello_is_answered = False
        self.counts: dict[int, tuple[Counts, bool]] = {}
        """By SSRC: the counters, and whether the marker bit ends a frame (video)."""

    async def _handle_rtp_data(self, data: bytes, arrival_time_ms: int) -> None:
        if len(data) >= _RTP_HEADER_BYTES:
            found = self.counts.get(int.from_bytes(data[8:12], "big"))
            if found is not None:
                counts, has_markers = found
                counts.packets += 1
                counts.bytes += len(data)
                if not has_markers or data[1] & 0x80:
                    counts.frames += 1
        if self._rtp_router.receivers:
            await super()._handle_rtp_data(data, arrival_time_ms)

    async def _write_ssl(self) -> None:
        if self._role != "client" or self._hello_is_answered or self._ssl is None:
            await super()._write_ssl()
        elif self._hello is None:
            self._hello = self._ssl.bio_read(1500)
            await self.transport._send(self._hello)
        else:
            # Whatever we say next, we say because the server has spoken.
            self._hello_is_answered = True
            await super()._write_ssl()

    async def repeat_hello(self) -> None:
        """Say hello until it is answered.

        The first one may arrive a moment before the server is ready for it and is dropped then; OpenSSL would
        repeat it after a whole second.
        """
        for delay_s in _HELLO_AGAIN_S:
            await asyncio.sleep(delay_s)
            if self._hello_is_answered or self._hello is None or self.state != "connecting":
                return
            await self.transport._send(self._hello)

    async def _send_rtp(self, data: bytes) -> None:
        """Feedback goes behind a receiver report, as RFC 3550 section 6.1 wants all RTCP packets.

        Janus finds the stream by the report and ignores feedback without one: nobody would get a key frame.
        """
        if len(data) >= _RTP_HEADER_BYTES and data[1] in _FEEDBACK:
            data = struct.pack("!BBH4s4s20x", 0x81, 201, 7, data[4:8], data[8:12]) + data
        await super()._send_rtp(data)


@dataclass(slots=True)
class Decoded:
    """A stream that is decoded; `stop` must be called."""

    receiver: RTCRtpReceiver
    track: MediaStreamTrack
    """`recv` it all the time: aiortc keeps every frame that nobody takes."""


@dataclass(slots=True)
class MediaConnection:
    """ICE and DTLS towards the server, and the RTP streams on them. Starts once, stops once."""

    ice_servers: Sequence[RTCIceServer]
    on_lost: Callable[[], None] = lambda: None
    """Called once when the connection fails or ends without `stop`."""
    _ice: RTCIceTransport = field(init=False)
    _dtls: _CountingDtls = field(init=False)
    _starting: asyncio.Task[None] | None = field(init=False, default=None)
    _senders: list[Sender] = field(init=False, default_factory=list)
    _receivers: list[RTCRtpReceiver] = field(init=False, default_factory=list)
    _is_over: bool = field(init=False, default=False)
    connected: asyncio.Event = field(init=False, default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        # An empty list means none; None would be a public STUN server.
        self._ice = RTCIceTransport(RTCIceGatherer(iceServers=list(self.ice_servers)))
        self._ice._connection.ice_controlling = True  # we make the first offer (RFC 8445 section 6.1.1)
        self._dtls = _CountingDtls(self._ice, RTCCertificate.generateCertificate())
        for transport in (self._ice, self._dtls):
            transport.on("statechange", self._changed)

    async def credentials(self) -> Credentials:
        """Gather our addresses (relayed ones included); returns what goes into a description."""
        await self._ice.iceGatherer.gather()
        ice = self._ice.iceGatherer.getLocalParameters()
        prints = self._dtls.getLocalParameters().fingerprints
        sha256 = next(each for each in prints if each.algorithm == "sha-256")
        assert ice.usernameFragment is not None
        assert ice.password is not None
        return Credentials(ice.usernameFragment, ice.password, f"sha-256 {sha256.value}")

    def start(self, remote: RemoteDescription) -> None:
        """Connect in the background, by the server's first answer; `wait_connected` tells the outcome."""
        self._starting = asyncio.create_task(self._start(remote), name="media connection")

    async def _start(self, remote: RemoteDescription) -> None:
        for candidate in remote.candidates:
            await self._ice.addRemoteCandidate(candidate)
        await self._ice.addRemoteCandidate(None)
        # Without trickling there is one decision only: the server's answer fixes both DTLS roles.
        self._dtls._set_role("server" if remote.dtls.role == "client" else "client")
        await self._ice.start(remote.ice)
        if self._ice.state == "completed":
            hello = asyncio.create_task(self._dtls.repeat_hello(), name="DTLS hello")
            try:
                await self._dtls.start(RTCDtlsParameters(remote.dtls.fingerprints))
            finally:
                await cancel_and_wait([hello])
        if self._dtls.state == "connected":
            self.connected.set()
        else:
            self._lost()

    async def wait_connected(self, timeout: float = CONNECT_TIMEOUT_S) -> None:
        """Return when media can flow.

        Raises:
            ConnectionLost: it cannot; firewalls are the usual reason.
        """
        assert self._starting is not None
        try:
            async with asyncio.timeout(timeout):
                await asyncio.shield(self._starting)
        except TimeoutError:
            pass
        if not self.connected.is_set() or self._is_over:
            raise ConnectionLost("No media connection to the server could be made (UDP blocked?).")

    def add_sender(self, track: MediaStreamTrack) -> Sender:
        """Prepare to send; packets flow after `send`."""
        sender = Sender(track, self._dtls)
        self._senders.append(sender)
        return sender

    async def send(self, sender: Sender, mid: str, cname: str) -> None:
        """Send what the sender's track delivers."""
        await sender.send(
            RTCRtpSendParameters(
                codecs=[codec(sender.kind)],
                headerExtensions=[MID_EXTENSION],
                muxId=mid,
                rtcp=RTCRtcpParameters(cname=cname, mux=True, ssrc=sender.ssrc),
            )
        )

    def count(self, ssrc: int, kind: str, counts: Counts) -> None:
        """Count packets of a stream from now on."""
        self._dtls.counts[ssrc] = (counts, kind == "video")

    def stop_counting(self, ssrc: int) -> None:
        """The opposite; unknown ones are ignored."""
        self._dtls.counts.pop(ssrc, None)

    async def decode(self, kind: str, mid: str, ssrc: int, payload_type: int) -> Decoded:
        """Decode a stream from now on; asks for a key frame whenever decoding fails."""
        receiver = RTCRtpReceiver(kind, self._dtls)
        track = RemoteStreamTrack(kind)
        receiver._track = track
        receiver._set_rtcp_ssrc(secrets.randbits(32))
        await receiver.receive(
            RTCRtpReceiveParameters(
                codecs=[codec(kind, payload_type)],
                headerExtensions=[MID_EXTENSION],
                muxId=mid,
                encodings=[RTCRtpDecodingParameters(ssrc=ssrc, payloadType=payload_type)],
            )
        )
        self._receivers.append(receiver)
        return Decoded(receiver, track)

    async def request_key_frame(self, decoded: Decoded, ssrc: int) -> None:
        """Ask the sender of a picture to begin anew (picture loss indication)."""
        await decoded.receiver._send_rtcp_pli(ssrc)

    async def stop_decoding(self, decoded: Decoded) -> None:
        """Stop a stream; its track ends."""
        self._receivers.remove(decoded.receiver)
        await decoded.receiver.stop()

    async def stop(self) -> None:
        """End everything; may be called twice."""
        self._is_over = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_S):
                for sender in self._senders:
                    await sender.stop()
                for receiver in self._receivers:
                    await receiver.stop()
        self._senders.clear()
        self._receivers.clear()
        await self._dtls.stop()
        await self._ice.stop()
        await cancel_and_wait([self._starting])

    def _changed(self) -> None:
        if self._ice.state == "failed" or self._dtls.state in ("failed", "closed"):
            self._lost()

    def _lost(self) -> None:
        if not self._is_over:
            self._is_over = True
            self.on_lost()
