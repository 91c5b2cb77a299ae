"""What all sockets of one listening server share.

Limits, counters, routes, a ping wheel for each pace, one flush per turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from parley.stream.frames import count
from parley.stream.handshake import TrustedProxies
from parley.stream.sockets import Heartbeat, Outbound, Route
from parley.stream.wheel import Wheel


@dataclass(frozen=True, slots=True)
class Limits:
    """What one socket may take."""

    message_bytes: int = 1 << 20
    """Of one message, fragments together; more is closed with 1009."""
    head_bytes: int = 16 << 10
    """Of the request head; more is answered with 431."""
    handshake_s: float = 10.0
    """From the request head to the route's decision; longer is answered with 503."""
    ping_s: float = 20.0
    """Between pings. A peer of which nothing was heard for two of these is cut off; a route may say otherwise
    (`sockets.Heartbeat`)."""
    high_bytes: int = 512 << 10
    """Of unsent data in this process; more makes a peer lag until a quarter of it is left. A route may say
    otherwise (`sockets.Outbound`)."""
    cut_bytes: int = 4 << 20
    """Of unsent data on top of that; more cuts a lagging peer off at once, whoever keeps sending to it."""
    lag_s: float = 10.0
    """That a peer may lag before it is cut off. A close frame could not get out either."""
    kernel_bytes: int = 256 << 10
    """Of unsent data in the kernel (SO_SNDBUF), which else takes up to 3 MB before we notice anything."""
    close_s: float = 5.0
    """For the peer to answer our close frame, or to read what was sent before it."""


@dataclass(slots=True)
class Counters:
    """Since the start of the process, except `open`; for metrics."""

    open: int = 0
    opened: int = 0
    rejected: int = 0
    """Handshakes answered with anything but 101."""
    violations: int = 0
    """Sockets closed because the peer broke the protocol or a limit."""
    lagged: int = 0
    """Times a peer began to lag."""
    cut_lagging: int = 0
    """Peers cut off because they did not catch up."""
    cut_silent: int = 0
    """Peers closed or cut off because they answered no ping."""
    messages_in: int = 0


class Connection(Protocol):
    """What an endpoint asks of its connections."""

    def flush(self) -> None:
        """Write what was gathered in this turn."""
        ...

    def visited_by_wheel(self) -> None:
        """Check that the peer is alive."""
        ...


def _visit(connection: Connection) -> None:
    connection.visited_by_wheel()


class Endpoint:
    """What all sockets of one listening server share."""

    def __init__(self, routes: Mapping[str, Route], limits: Limits, trusted_proxies: Iterable[str]) -> None:
        self.routes = dict(routes)
        self.limits = limits
        self.proxies = TrustedProxies(trusted_proxies)
        self.counters = Counters()
        self.heartbeat = Heartbeat(limits.ping_s, 2 * limits.ping_s)
        self.outbound = Outbound(limits.high_bytes)
        self._counted = b""
        self._count = 0
        self._wheels: dict[float, Wheel[Connection]] = {}
        self._dirty: list[Connection] = []  # each at most once, emptied every turn of the loop

    def wheel(self, ping_s: float) -> Wheel[Connection]:
        """Of all sockets that are pinged at that pace."""
        wheel = self._wheels.get(ping_s)
        if wheel is None:
            wheel = self._wheels[ping_s] = Wheel(ping_s, _visit)
        return wheel

    def count(self, prepared: bytes) -> int:
        """How many frames these are; what one topic brings to many slow readers is counted once."""
        if prepared is not self._counted:
            self._counted, self._count = prepared, count(prepared)
        return self._count

    def flush_soon(self, protocol: Connection) -> None:
        """Write what it gathered at the end of this turn: one callback for all sockets, not one each."""
        if not self._dirty:
            asyncio.get_running_loop().call_soon(self._flush)
        self._dirty.append(protocol)

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, []
        for protocol in dirty:
            protocol.flush()
