"""What Parley needs of a media engine.

A *room* forwards media between *transports*. A participant has at most one `SendTransport`
(browser to server) and one `ReceiveTransport` (server to browser); each is one RTCPeerConnection
in the browser. Both are opened by an SDP offer of the browser and carry no trickled candidates:
every SDP given to the browser is complete (`rtk-client-protocol.md` section 7).

The engine does signalling and forwarding only. Who may publish or watch what is decided above.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, Protocol

from parley.base.errors import ParleyError, Retry

ANSWER_TIMEOUT_S = 10.0
"""How long an offer of a `ReceiveTransport` keeps further changes waiting."""


class MediaError(ParleyError):
    """The engine refused or failed; the original reason is the cause."""

    code = "media_failed"


class MediaUnavailable(MediaError):
    """No engine is running right now (starting, restarting, not installed)."""

    code = "media_unavailable"
    retry = Retry.after(2)


class BadDescription(MediaError):
    """The SDP is not one this engine can negotiate."""

    code = "bad_session_description"


class TransportGone(MediaError):
    """The transport was closed, or lost with its engine."""

    code = "transport_gone"


class Source(NamedTuple):
    """One published stream: a media section of somebody's send transport."""

    transport_id: str
    mid: str


class Layer(IntEnum):
    """Simulcast layers by size (rid q, h, f)."""

    QUARTER = 0
    HALF = 1
    FULL = 2


@dataclass(frozen=True, slots=True)
class RoomOptions:
    """How a room forwards."""

    max_bitrate_bps: int = 2_500_000
    """Ceiling per publisher, all simulcast layers together; 0 = none."""


DEFAULT_ROOM_OPTIONS = RoomOptions()


@dataclass(frozen=True, slots=True)
class Subscription:
    """The outcome of `ReceiveTransport.subscribe`."""

    offer_sdp: str | None
    """Offer for the browser, to be answered with `accept`; None when nothing has to change."""
    mids: Mapping[Source, str] = field(default_factory=dict)
    """Where each source arrives on the receive transport, those included that were there before."""
    missing: Sequence[Source] = ()
    """Sources that are not (or no longer) published."""


@dataclass(frozen=True, slots=True)
class SectionStatistics:
    """What went through one section of a transport since it was opened."""

    mid: str
    kind: str
    """"audio" or "video"."""
    packets: int
    """From a browser those that have arrived, to a browser those that were sent."""
    bytes: int
    lost: int
    """Packets that were sent and have not arrived."""
    jitter_s: float
    """Of packets as they arrive."""
    rtt_s: float | None = None
    """To the browser and back; None where it is not known, as of everything that comes from browsers."""
    source: Source | None = None
    """To a browser: whose it is."""


class PathEnd(NamedTuple):
    """One end of the way that media takes (RFC 8445)."""

    address: str
    port: int
    kind: str
    """ "host", "srflx", "prflx" or "relay"."""
    protocol: str
    """ "udp" or "tcp"."""


@dataclass(frozen=True, slots=True)
class TransportStatistics:
    """How everything that goes through a transport arrives."""

    sections: Sequence[SectionStatistics]
    """Nothing of those that nothing went through."""
    path: tuple[PathEnd, PathEnd] | None
    """The engine's end and the browser's, once there is a way."""


class SendTransport(Protocol):
    """Browser to server."""

    @property
    def id(self) -> str:
        """Unique in the room; the `transport_id` of its sources."""

    async def negotiate(self, offer_sdp: str) -> str:
        """Apply a new full offer (a section added or made inactive); returns the answer."""

    async def set_muted(self, mid: str, muted: bool) -> None:
        """Stop or resume forwarding one section at the server, whatever the browser sends."""

    async def request_key_frame(self) -> None:
        """Ask the publisher for a key frame."""

    async def capture(self, name: str | None) -> None:
        """Have the engine write everything that arrives into files as it arrives; None ends that.

        Each section has a file of its own (`capture_file`), those that are added later as well. A section
        that is used again goes on in its file.

        Args:
            name: the beginning of the files' names, below the engine's folder of captures; never used before,
                for files of that name would be overwritten.

        Raises:
            MediaError: the engine has no such folder, or refuses.
        """

    def capture_file(self, mid: str) -> str | None:
        """Name of the file that a section is written into; None while nothing is."""

    def header_extension(self, mid: str, uri: str) -> int | None:
        """The number by which packets of a section carry a header extension (RFC 8285), if they may."""

    async def statistics(self) -> TransportStatistics:
        """How everything that the browser sends arrives.

        Raises:
            TransportGone: the transport has ended.
            MediaError: the engine does not tell.
        """

    async def forward(self, mid: str, port: int, ssrc: int) -> str:
        """Have the engine send what arrives in one section to a UDP port of this machine (127.0.0.1), as RTP.

        Args:
            mid: of the section.
            port: where to.
            ssrc: what the packets are marked with (RFC 3550); simulcast layers with this number and the next
                two, the smallest picture first.

        Returns:
            What `stop_forward` takes.

        Raises:
            MediaError: the engine refuses.
        """

    async def stop_forward(self, forward_id: str) -> None:
        """End that; nothing happens if it has ended."""

    async def close(self) -> None:
        """Release the transport; may be called twice."""


class ReceiveTransport(Protocol):
    """Server to browser. Changes are serialised: each waits for the one before to be answered."""

    @property
    def id(self) -> str:
        """Unique in the room."""

    async def subscribe(self, sources: Sequence[Source]) -> Subscription:
        """Add sources. Until `accept` is called (or `ANSWER_TIMEOUT_S` passed) further changes wait.

        Asking again for a source whose offer was never answered repeats it in the same section.
        """

    async def accept(self, answer_sdp: str) -> None:
        """The browser's answer to the last offer; also a late one, if nothing has changed since.

        Raises:
            BadDescription: unusable, or there is no offer to answer. The right answer may still follow.
        """

    async def unsubscribe(self, mids: Sequence[str], offer_sdp: str) -> str:
        """Remove sections that the browser closed in its own offer; returns the answer for it.

        Sections that the offer closes or does not have are removed as well, named or not.
        """

    async def prefer_layer(self, mid: str, layer: Layer) -> None:
        """Choose the simulcast layer this receiver gets; a section that carries nothing is ignored."""

    async def statistics(self) -> TransportStatistics:
        """How everything arrives that the browser gets, by its own reports (RFC 3550 section 6.4).

        Nothing of sections that it has not reported on.

        Raises:
            TransportGone: the transport has ended.
            MediaError: the engine does not tell.
        """

    async def close(self) -> None:
        """Release the transport; may be called twice."""


class MediaRoom(Protocol):
    """A place in which transports see each other's sources."""

    @property
    def id(self) -> str:
        """The room's id on its engine."""

    async def open_sender(
        self, offer_sdp: str, *, label: str, on_closed: Callable[[], None]
    ) -> tuple[SendTransport, str]:
        """Create a send transport; returns it with the answer.

        Args:
            offer_sdp: the browser's complete offer.
            label: shown in the engine's logs and statistics.
            on_closed: called once when the transport ends without our `close` (ICE lost, engine gone).
        """

    async def open_receiver(
        self, offer_sdp: str, *, label: str, on_closed: Callable[[], None]
    ) -> tuple[ReceiveTransport, str]:
        """Create a receive transport; returns it with the answer."""

    async def close(self) -> None:
        """End the room and everything in it; may be called twice."""


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """What an operator wants to know."""

    name: str
    version: str | None
    running: bool
    detail: str
    """One plain sentence, also when all is well."""
    rooms: int = 0
    transports: int = 0


class MediaEngine(Protocol):
    """One engine on one host."""

    async def start(self) -> None:
        """Bring the engine up.

        Raises:
            MediaUnavailable: not installed or not startable; the message says what to do.
        """

    async def stop(self) -> None:
        """End every room and the engine; may be called twice."""

    async def open_room(self, room_id: str, options: RoomOptions = DEFAULT_ROOM_OPTIONS) -> MediaRoom:
        """Create the room, or return the existing one of that id."""

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Call back whenever all rooms and transports were lost at once (engine crashed).

        The engine restarts by itself; rooms must be opened again.
        """

    def status(self) -> EngineStatus:
        """The present state; never raises."""
