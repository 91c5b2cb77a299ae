"""WebSocket connections on uvicorn's port, without ASGI (RFC 6455).

uvicorn reads the request head; for an upgrade it makes an object of the class given as `ws=`, hands it the
transport and the head again, and from then on the bytes are ours. An idle socket with a session that only
points back measured about 3 KB of process memory, transport and topic included (`bench/realtime_sockets.py`
prints what a session of the Real Time Block takes); see `frames` for the parser.

Deliberately absent: permessage-deflate. It costs a compression context per socket and ends sharing one frame
between readers.
"""

from __future__ import annotations

import asyncio
import logging
import socket as sockets_of_the_system
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Protocol, cast

from parley.stream import frames
from parley.stream.closing import Close
from parley.stream.connection import CLOSING, HANDSHAKE, OPEN, Connection
from parley.stream.endpoint import Endpoint, Limits
from parley.stream.handshake import parse_upgrade, plain_answer, switching_protocols
from parley.stream.sockets import Acceptance, Rejection, Route, SocketSession, UpgradeRequest

log = logging.getLogger("parley.stream")


class _ServerState(Protocol):
    """The part of uvicorn's server state that a connection class uses."""

    connections: set[Any]
    tasks: set[asyncio.Task[None]]


def websocket_protocol(
    routes: Mapping[str, Route], *, limits: Limits | None = None, trusted_proxies: Iterable[str] = ()
) -> type[WebSocketProtocol]:
    """The class to give to uvicorn: `uvicorn.Config(app, ws=websocket_protocol(routes))`.

    `routes` is exact path -> route; other paths are answered with 404. `trusted_proxies` are addresses,
    networks, "unix" or "*". The returned class has `endpoint`, with the `counters`.
    """
    endpoint = Endpoint(routes, limits or Limits(), trusted_proxies)
    return type("WebSocket", (WebSocketProtocol,), {"__slots__": (), "endpoint": endpoint})


class WebSocketProtocol(Connection):
    """A connection from uvicorn's hands to its answer; open, it is what `Connection` says."""

    __slots__ = ("_handshake", "_server_state")

    def __init__(
        self, config: object, server_state: _ServerState, app_state: object, _loop: object = None
    ) -> None:
        """Called by uvicorn."""
        super().__init__()
        self._server_state = server_state
        self._handshake: asyncio.Task[None] | None = None

    # --- what uvicorn calls
    # -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over the connection; the request head follows at once."""
        self._transport = cast("asyncio.Transport", transport)
        self._server_state.connections.add(self)
        self._start_timer(self.endpoint.limits.handshake_s, self._handshake_timed_out)

    def connection_lost(self, exc: Exception | None) -> None:
        """The end of every connection."""
        self._server_state.connections.discard(self)
        if self._handshake is not None:
            self._handshake.cancel()
        self.ended()

    def shutdown(self) -> None:
        """uvicorn stops: tell the client to come back elsewhere."""
        if self._state == HANDSHAKE:
            self._reject(Rejection(503, b"restarting\n", {"Retry-After": "1"}))
        self.close(Close.RESTART, "service restart")

    # --- opening
    # ----------------------------------------------------------------------------------------------

    def head_received(self, head: bytes) -> None:
        """The request head, which uvicorn hands over in one piece."""
        if self._handshake is not None:  # a client must wait for our answer (RFC 6455 section 4.1)
            self._reject(Rejection(400, b"data before the handshake was answered\n"))
            return
        if len(head) > self.endpoint.limits.head_bytes:
            self._reject(Rejection(431, b"request head too large\n"))
            return
        request = parse_upgrade(
            head,
            peer=_peer(self._transport),
            tls=self._transport.get_extra_info("sslcontext") is not None,
            proxies=self.endpoint.proxies,
        )
        if isinstance(request, Rejection):
            self._reject(request)
            return
        route = self.endpoint.routes.get(request.path)
        if route is None:
            self._reject(Rejection(404, b"no socket at this path\n"))
            return
        self.remote = request.client
        # Owned by uvicorn's task set, which a stopping server waits for and then cancels.
        self._handshake = asyncio.get_running_loop().create_task(self._decide(route, request))
        self._server_state.tasks.add(self._handshake)
        self._handshake.add_done_callback(self._server_state.tasks.discard)

    async def _decide(self, route: Route, request: UpgradeRequest) -> None:
        answer: SocketSession | Acceptance | Rejection
        try:
            answer = await route(request)
        except Exception:
            log.exception("a socket route failed", extra={"path": request.path})
            answer = Rejection(500, b"internal error\n")
        if self._state != HANDSHAKE:
            return
        if isinstance(answer, Rejection):
            self._reject(answer)
            return
        accepted = answer if isinstance(answer, Acceptance) else Acceptance(answer)
        self._accept(request, accepted)

    def _accept(self, request: UpgradeRequest, accepted: Acceptance) -> None:
        if accepted.subprotocol is not None and accepted.subprotocol not in request.subprotocols:
            log.error("a socket route chose a subprotocol that was not offered", extra={"path": request.path})
            self._reject(Rejection(500, b"internal error\n"))
            return
        try:
            key = request.headers["sec-websocket-key"]
            answer = switching_protocols(key, accepted.subprotocol, accepted.headers)
        except ValueError:
            log.exception("a socket route gave an impossible header", extra={"path": request.path})
            self._reject(Rejection(500, b"internal error\n"))
            return
        limits, counters = self.endpoint.limits, self.endpoint.counters
        self._stop_timer()
        self._handshake = None
        self._state = OPEN
        self._reader = frames.FrameReader(limits.message_bytes)
        self._session = accepted.session
        _limit_kernel_buffer(self._transport, limits.kernel_bytes)
        # Any byte that cannot be written now pauses the connection: from then on frames wait in its backlog,
        # where they are shared with others and counted. (TLS pauses at the limit, not above it.)
        is_tls = self._transport.get_extra_info("sslcontext") is not None
        self._transport.set_write_buffer_limits(high=1 if is_tls else 0)
        counters.opened += 1
        counters.open += 1
        self._heartbeat = accepted.heartbeat or self.endpoint.heartbeat
        self._outbound = accepted.outbound or self.endpoint.outbound
        self.endpoint.wheel(self._heartbeat.ping_s).join(self)
        self._transport.write(answer)
        try:
            accepted.session.opened(self)
        except Exception as error:
            self._session_failed(error)

    def _reject(self, rejection: Rejection) -> None:
        try:
            answer = plain_answer(rejection)
        except ValueError:
            log.exception("a socket route gave an impossible header")
            answer = plain_answer(Rejection(500, b"internal error\n"))
        self.endpoint.counters.rejected += 1
        self._state = CLOSING
        if self._handshake is not None and self._handshake is not asyncio.current_task():
            self._handshake.cancel()
        self._transport.write(answer)
        self._transport.close()
        self._start_timer(self.endpoint.limits.close_s, self.abort)

    def _handshake_timed_out(self) -> None:
        self._reject(Rejection(503, b"the handshake took too long\n", {"Retry-After": "1"}))


def _peer(transport: asyncio.Transport) -> tuple[str, int] | None:
    """The other end; None on a unix socket."""
    name = transport.get_extra_info("peername")
    return (str(name[0]), int(name[1])) if isinstance(name, tuple | list) and len(name) >= 2 else None


def _limit_kernel_buffer(transport: asyncio.Transport, size_bytes: int) -> None:
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):
            sock.setsockopt(sockets_of_the_system.SOL_SOCKET, sockets_of_the_system.SO_SNDBUF, size_bytes)
