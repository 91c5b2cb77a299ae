"""WebSocket connections on uvicorn's port, without ASGI (RFC 6455).

uvicorn reads the request head; for an upgrade it makes an object of the class given as `ws=`, hands it the
transport and the head again, and from then on the bytes are ours. An idle socket with a session that only
points back measured about 3 KB of process memory, transport and topic included (`bench/fanout.py` prints it);
see `frames` for the parser.

Deliberately absent: permessage-deflate. It costs a compression context per socket and ends sharing one frame
between readers.
"""

from __future__ import annotations

import asyncio
import logging
import socket as sockets_of_the_system
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, ClassVar, Protocol, cast

from parley.stream import frames
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


# States of a connection. Plain integers: they are compared for every delivery.
_HANDSHAKE, _OPEN, _CLOSING, _CLOSED = range(4)

LINGER_S = 1.0
_PING = frames.encode(frames.PING, b"")


class WebSocketProtocol(asyncio.Protocol):
    """One connection; see `sockets.Socket` for what sessions may call."""

    __slots__ = (
        "_close_code",
        "_close_received",
        "_close_sent",
        "_handshake",
        "_heard",
        "_lagging",
        "_out",
        "_reader",
        "_server_state",
        "_session",
        "_state",
        "_timer",
        "_transport",
        "remote",
    )

    endpoint: ClassVar[Endpoint]

    def __init__(
        self, config: object, server_state: _ServerState, app_state: object, _loop: object = None
    ) -> None:
        """Called by uvicorn."""
        self._server_state = server_state
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._session: SocketSession | None = None
        self._handshake: asyncio.Task[None] | None = None
        self._reader: frames.FrameReader | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._out: list[bytes] | None = None
        self._state = _HANDSHAKE
        self._lagging = False
        self._heard = True
        self._close_code = 1006
        self._close_sent = False
        self._close_received = False
        self.remote: tuple[str, int] | None = None

    # --- what sessions and the hub call
    # -----------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """See `Socket.is_open`."""
        return self._state == _OPEN

    @property
    def is_lagging(self) -> bool:
        """See `Socket.is_lagging`."""
        return self._lagging

    def send_text(self, text: str | bytes) -> None:
        """See `Socket.send_text`."""
        self.send_frames(frames.encode_text(text))

    def send_binary(self, data: bytes) -> None:
        """See `Socket.send_binary`."""
        self.send_frames(frames.encode_binary(data))

    def send_frames(self, prepared: bytes) -> None:
        """See `Socket.send_frames`."""
        if self._state != _OPEN:
            return
        if self._out is None:
            self._out = [prepared]
            self.endpoint.flush_soon(self)
        else:
            self._out.append(prepared)

    def write_now(self, prepared: bytes) -> bool:
        """See `Socket.write_now`."""
        if self._state != _OPEN:
            return False
        if self._out is not None:
            self._out.append(prepared)  # behind what waits for the end of this turn
            return not self._lagging
        self._transport.write(prepared)
        if self._lagging:
            self._cut_if_overfull()
            return False
        return True

    def close(self, code: int = 1000, reason: str = "") -> None:
        """See `Socket.close`."""
        if self._state != _OPEN:
            return
        self.flush()
        if self._state != _OPEN:  # flushing cut off a laggard
            return
        self._state = _CLOSING
        self._close_sent = True
        self._transport.write(frames.encode_close(code, reason))
        self._close_code = code
        self._transport.resume_reading()  # the answer must be read, even by a session that had paused
        self._start_timer(self.endpoint.limits.close_s, self.abort)

    def abort(self) -> None:
        """See `Socket.abort`."""
        if self._state != _CLOSED:
            self._out = None
            self._transport.abort()

    def pause_reading(self) -> None:
        """See `Socket.pause_reading`."""
        if self._state == _OPEN:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """See `Socket.resume_reading`."""
        if self._state == _OPEN:
            self._transport.resume_reading()

    # --- what uvicorn and the event loop call
    # -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over the connection; the request head follows at once."""
        self._transport = cast("asyncio.Transport", transport)
        self._server_state.connections.add(self)
        self._start_timer(self.endpoint.limits.handshake_s, self._handshake_timed_out)

    def data_received(self, data: bytes) -> None:
        """Bytes from the peer."""
        self._heard = True
        if self._reader is None:
            if self._state == _HANDSHAKE:
                self._head_received(data)
            return  # else: the peer broke the protocol, and nothing it says after that means anything
        try:
            for opcode, payload in self._reader.feed(data):
                self._frame_received(opcode, payload)
        except frames.Violation as violation:
            self._fail(violation)

    def eof_received(self) -> bool:
        """The peer will send no more: without a closing handshake, the connection is broken."""
        return False

    def pause_writing(self) -> None:
        """The peer reads too slowly. Called from inside `write`, so nothing is done here but telling."""
        if self._lagging:
            return
        self._lagging = True
        if self._state == _OPEN:
            self.endpoint.counters.lagged += 1
            self._start_timer(self.endpoint.limits.lag_s, self._lagged_too_long)
            # Told in the next turn: whoever is writing now may be walking a list that the session changes.
            asyncio.get_running_loop().call_soon(self._tell_lagging, True)

    def resume_writing(self) -> None:
        """The peer has caught up."""
        if not self._lagging:
            return
        self._lagging = False
        if self._state == _OPEN:
            self._stop_timer()
            asyncio.get_running_loop().call_soon(self._tell_lagging, False)

    def connection_lost(self, exc: Exception | None) -> None:
        """The end of every connection."""
        was_opened, self._state = self._session is not None, _CLOSED
        self._stop_timer()
        self._server_state.connections.discard(self)
        self._out = None
        self._reader = None
        if self._handshake is not None:
            self._handshake.cancel()
        if not was_opened:
            return
        self.endpoint.wheel.leave(self)
        self.endpoint.counters.open -= 1
        clean = self._close_sent and self._close_received
        session, self._session = self._session, None
        assert session is not None
        try:
            session.closed(self._close_code if self._close_received else 1006, clean)
        except Exception:
            log.exception("a session failed while closing")

    def shutdown(self) -> None:
        """uvicorn stops: tell the client to come back elsewhere."""
        if self._state == _HANDSHAKE:
            self._reject(Rejection(503, b"restarting\n", {"Retry-After": "1"}))
        self.close(1012, "service restart")

    def flush(self) -> None:
        """Write what was gathered in this turn."""
        out, self._out = self._out, None
        if out is None or self._state != _OPEN:
            return
        self._transport.write(out[0] if len(out) == 1 else b"".join(out))
        if self._lagging:
            self._cut_if_overfull()

    def visited_by_wheel(self) -> None:
        """Once per round: check that the peer is alive, and ask again."""
        if self._state != _OPEN or self._lagging:
            return  # then another timer decides
        if not self._heard:
            self.endpoint.counters.cut_silent += 1
            self.abort()
            return
        self._heard = False
        self.write_now(_PING)

    # --- opening
    # ----------------------------------------------------------------------------------------------

    def _head_received(self, head: bytes) -> None:
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
        if self._state != _HANDSHAKE:
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
        self._state = _OPEN
        self._reader = frames.FrameReader(limits.message_bytes)
        self._session = accepted.session
        _limit_kernel_buffer(self._transport, limits.kernel_bytes)
        self._transport.set_write_buffer_limits(high=limits.high_bytes)
        counters.opened += 1
        counters.open += 1
        self.endpoint.wheel.join(self)
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
        self._state = _CLOSING
        if self._handshake is not None and self._handshake is not asyncio.current_task():
            self._handshake.cancel()
        self._transport.write(answer)
        self._transport.close()
        self._start_timer(self.endpoint.limits.close_s, self.abort)

    def _handshake_timed_out(self) -> None:
        self._reject(Rejection(503, b"the handshake took too long\n", {"Retry-After": "1"}))

    # --- open
    # -------------------------------------------------------------------------------------------------

    def _frame_received(self, opcode: int, payload: str | bytes) -> None:
        if isinstance(payload, str) or opcode == frames.BINARY:
            if self._state == _OPEN and self._session is not None:
                self.endpoint.counters.messages_in += 1
                try:
                    self._session.received(payload)
                except Exception as error:
                    self._session_failed(error)
        elif opcode == frames.PING:
            # A peer that sends pings and reads no pongs would fill the buffer; a lagging one gets none.
            if not self._lagging:
                self.send_frames(frames.encode(frames.PONG, payload))
        elif opcode == frames.CLOSE:
            self._close_frame_received(payload)

    def _close_frame_received(self, payload: bytes) -> None:
        code, _reason = frames.decode_close(payload)
        if self._close_received:
            return
        self._close_received = True
        self._close_code = code
        if self._state == _OPEN:
            self.flush()
            self._close_sent = True
            self._transport.write(frames.encode(frames.CLOSE, payload[:2]))
        self._state = _CLOSING
        self._transport.close()  # the server closes first (RFC 6455 section 7.1.1)
        self._start_timer(self.endpoint.limits.close_s, self.abort)

    def _fail(self, violation: frames.Violation) -> None:
        """Fail the connection (RFC 6455 section 7.1.7): say why, listen to nothing more, and go."""
        self.endpoint.counters.violations += 1
        already_closing = self._state != _OPEN
        self.close(violation.code, violation.reason)
        self._reader = None
        if already_closing:
            self.abort()
        elif self._transport.can_write_eof():
            # Closing at once would lose the close frame: unread bytes make the kernel reset the connection.
            with suppress(OSError, RuntimeError):
                self._transport.write_eof()
        else:  # TLS has no half close: leave the peer a moment to read
            self._start_timer(LINGER_S, self._transport.close)

    def _session_failed(self, error: Exception) -> None:
        log.error("a session failed", exc_info=error)
        self.close(1011, "internal error")

    def _tell_lagging(self, behind: bool) -> None:
        if self._state != _OPEN or self._session is None:
            return
        try:
            self._session.lagging(behind)
        except Exception as error:
            self._session_failed(error)

    def _lagged_too_long(self) -> None:
        self.endpoint.counters.cut_lagging += 1
        self.abort()

    def _cut_if_overfull(self) -> None:
        if self._transport.get_write_buffer_size() > self.endpoint.limits.cut_bytes:
            self._lagged_too_long()

    # --- one timer at a time: handshake, then lag, then close
    # -------------------------------------------------

    def _start_timer(self, delay_s: float, callback: Any) -> None:
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(delay_s, callback)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _peer(transport: asyncio.Transport) -> tuple[str, int] | None:
    """The other end; None on a unix socket."""
    name = transport.get_extra_info("peername")
    return (str(name[0]), int(name[1])) if isinstance(name, tuple | list) and len(name) >= 2 else None


def _limit_kernel_buffer(transport: asyncio.Transport, size_bytes: int) -> None:
    sock = transport.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):
            sock.setsockopt(sockets_of_the_system.SOL_SOCKET, sockets_of_the_system.SO_SNDBUF, size_bytes)
