"""uvicorn's HTTP connection: its transport within reach of handlers, bounded heads, whole answers at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Protocol, cast

from uvicorn.protocols.http.httptools_impl import HEADER_RE, HEADER_VALUE_RE, STATUS_LINE, HttpToolsProtocol

EXTENSION = "parley.connection"
"""Where the connection stands in `scope["extensions"]`; see `sse` and `HttpProtocol.answer`."""
MAX_HEAD_BYTES = 64 << 10
"""Of one request's line and headers. httptools itself sets no bound."""
HEAD_S = 20.0
"""For a request head to arrive, from its first byte; a connection that sends one byte a second is cut off."""


_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Stream(Protocol):
    """A response that has taken over its connection."""

    def writing_paused(self, paused: bool) -> None:
        """The transport holds more than its limit, or has drained. May come from inside `write`."""
        ...

    def close(self) -> None:
        """Come to an end soon."""
        ...


class HttpProtocol(HttpToolsProtocol):
    """Give this to uvicorn as `http=`; everything else is uvicorn's own."""

    _head_bytes = 0
    _head_done = False
    _head_timer: asyncio.TimerHandle | None = None
    stream: Stream | None = None
    """Set by a response that writes to the transport itself."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A new connection, whose first request head must come in time."""
        super().connection_made(transport)
        self.access_log = self.config.access_log  # and not whether anybody listens to that logger
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The end; the running handler gets `http.disconnect`."""
        self._stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of a request, counted until its head is complete."""
        if not self._head_done:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._head_done:
            return
        if self._head_bytes > MAX_HEAD_BYTES:
            self._stop_head_timer()
            if not self.transport.is_closing():
                self.transport.write(_TOO_LARGE)
                self.transport.close()
        elif self._head_bytes and self._head_timer is None:  # most heads come in one piece
            self._await_head()

    def on_headers_complete(self) -> None:
        """A request head is complete."""
        self._head_done = True
        self._head_bytes = 0
        self._stop_head_timer()
        self.scope.setdefault("extensions", {})[EXTENSION] = cast("Any", self)
        super().on_headers_complete()

    def answer(self, scope: Any, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> bool:
        """Send a whole answer, several times quicker than by the two ASGI messages.

        Args:
            scope: the request's, as uvicorn made it.
            status: of the answer.
            headers: names in lower case and values, `content-length` among them if there is a body.
            body: all of it.

        Returns:
            Whether it was sent. False = the case is not that plain, send the ASGI messages: the client has
            left or reads slowly, the connection ends with this answer, or the next request is here already.
        """
        cycle = self.cycle
        if (
            cycle.scope is not scope
            or cycle.response_started
            or cycle.disconnected
            or cycle.flow.write_paused
            or cycle.access_log
            or not cycle.keep_alive
            or scope["method"] == "HEAD"
        ):
            return False
        parts = [STATUS_LINE[status]]
        for name, value in cycle.default_headers:
            parts += (name, b": ", value, b"\r\n")
        for name, value in headers:
            if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value):
                return False  # uvicorn says what is wrong
            parts += (name, b": ", value, b"\r\n")
        parts += (b"\r\n", body)
        self.transport.write(b"".join(parts))
        cycle.waiting_for_100_continue = False
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        cycle.on_response()
        return True

    def on_message_complete(self) -> None:
        """A request is complete, and the next head may follow."""
        self._head_done = False
        super().on_message_complete()

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        super().pause_writing()
        if self.stream is not None:
            self.stream.writing_paused(True)

    def resume_writing(self) -> None:
        """The client has caught up."""
        super().resume_writing()
        if self.stream is not None:
            self.stream.writing_paused(False)

    def shutdown(self) -> None:
        """uvicorn stops, and would wait for an endless response."""
        super().shutdown()
        if self.stream is not None:
            self.stream.close()

    def _await_head(self) -> None:
        self._stop_head_timer()
        self._head_timer = self.loop.call_later(HEAD_S, self._head_timed_out)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_timed_out(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()
