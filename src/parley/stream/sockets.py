"""The words of a live socket: what a route is asked, answers, and gets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class UpgradeRequest:
    """A valid WebSocket opening handshake, before it is answered."""

    path: str
    """Percent-decoded."""
    query: str
    """As sent, without the question mark."""
    params: Mapping[str, str]
    """The query decoded; of several values the first."""
    headers: Mapping[str, str]
    """Names in lower case; repeated ones joined by a comma."""
    client: tuple[str, int] | None
    """Address and port of the client, told by a trusted proxy where there is one (port 0 then, if it says
    none); None on a unix socket without a proxy."""
    secure: bool
    """Whether the client used TLS, to us or to a trusted proxy."""
    subprotocols: tuple[str, ...]
    """Offered, most wanted first."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """No socket: answered as plain HTTP, and the connection is closed."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Say `content-type` here; length and connection are added."""


class Socket(Protocol):
    """One open connection, as its session and the hub see it.

    Every call returns at once. Sending on a closed or closing socket does nothing, since no sender can know
    in time. What is sent in one turn of the event loop leaves in one write, in order.
    """

    @property
    def is_open(self) -> bool:
        """Between `opened` and the beginning of the end, whoever began it."""
        ...

    @property
    def is_lagging(self) -> bool:
        """The peer reads more slowly than it is sent to; stop sending what can be fetched later."""
        ...

    @property
    def remote(self) -> tuple[str, int] | None:
        """`UpgradeRequest.client`."""
        ...

    def send_text(self, text: str | bytes) -> None:
        """Send one text message; bytes must be UTF-8, which is not checked."""
        ...

    def send_texts(self, texts: Iterator[bytes]) -> None:
        """Send text messages that the peer has asked for, however many, at the pace at which it reads.

        They are taken when there is room for them, and do not make the peer lag. What is sent after them
        waits for its turn, and is counted as any frame is (`Outbound`). A close drops what is left.
        """
        ...

    def send_binary(self, data: bytes) -> None:
        """Send one binary message."""
        ...

    def send_frames(self, prepared: bytes) -> None:
        """Send what `frames.encode_text` or `encode_binary` made, one frame or several joined."""
        ...

    def write_now(self, prepared: bytes) -> bool:
        """As `send_frames`, for callers that have already joined the frames of this turn (the hub).

        False when the peer lags or the socket is closed: leave it out from now on.
        """
        ...

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Begin the closing handshake.

        What was sent before still goes out, within a time limit; to a lagging peer only what is under way.
        """
        ...

    def abort(self) -> None:
        """Cut the connection now. The peer sees 1006."""
        ...

    def pause_reading(self) -> None:
        """Take no more messages for now, and let the peer feel it; a few already read may still come."""
        ...

    def resume_reading(self) -> None:
        """Undo `pause_reading`."""
        ...


class SocketSession(Protocol):
    """What a route returns: the other end of the conversation.

    All calls come from the event loop, in the order opened, any of received and lagging, closed; they must be
    quick and must not block. Tasks that a session starts are its own to end in `closed`. What it raises is
    logged and ends the socket with 1011.
    """

    def opened(self, socket: Socket) -> None:
        """The handshake is done; sending is allowed from here on."""
        ...

    def received(self, data: str | bytes) -> None:
        """One whole message: str when it came as text, bytes when binary."""
        ...

    def lagging(self, behind: bool) -> None:
        """The peer fell behind, or has caught up and can be told what it missed."""
        ...

    def closed(self, code: int, clean: bool) -> None:
        """The connection is gone; called exactly once after `opened`.

        `clean` means that both sides said goodbye. `code` is the one the peer sent or confirmed, 1005 when it
        gave none, 1006 when the connection broke.
        """
        ...


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """How a socket is kept alive, and how the silence of its peer ends."""

    ping_s: float
    """Between pings."""
    silent_s: float
    """Without a byte from the peer, answers to pings included; at least two pings long."""
    code: int | None = None
    """Closes a silent peer, which is cut off when it does not answer that either; None cuts it off at once,
    without a word (1006)."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Outbound:
    """How much may wait for a peer, counted exactly: what the kernel has taken does not wait any more.

    More makes the peer lag until a quarter of it is left.
    """

    bytes: int
    frames: int | None = None
    """None = any number."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A session together with what the handshake answer should say."""

    session: SocketSession
    subprotocol: str | None = None
    """One of the offered."""
    headers: Mapping[str, str] = field(default_factory=dict)
    heartbeat: Heartbeat | None = None
    """None for the server's own (`endpoint.Limits`)."""
    outbound: Outbound | None = None
    """None for the server's own."""


Route: TypeAlias = Callable[[UpgradeRequest], Awaitable["SocketSession | Acceptance | Rejection"]]
"""Decides on a handshake. It may wait (for a database, say) up to the handshake's time limit, and is
cancelled when the client goes away meanwhile; a raised exception is logged and answered with 500. A
session that comes too late is neither opened nor closed, so whatever must be given back is acquired in
`opened`."""
