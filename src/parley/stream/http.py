"""uvicorn's HTTP connection: its transport within reach of handlers, bounded heads, one write an answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

EXTENSION = "parley.connection"
"""Where the connection stands in `scope["extensions"]`; see `sse`."""
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


class JoinedWrites:
    """A response's way to the transport: its head leaves together with the body.

    uvicorn writes one after the other, and every write is a system call and a packet. A head is held back
    only if it says how long the body is (a stream's leaves at once), and no longer than the loop's turn.
    """

    __slots__ = ("_head", "_is_begun", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._is_begun = False
        self._head: bytes | None = None

    def write(self, data: bytes) -> None:
        """See `asyncio.WriteTransport.write`."""
        if self._head is not None:
            head, self._head = self._head, None
            self._transport.write(head + data)
        elif not self._is_begun and _HAS_LENGTH in data:
            self._is_begun = True
            self._head = data
            self._loop.call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """See `asyncio.BaseTransport.close`."""
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """See `asyncio.BaseTransport.is_closing`."""
        return self._transport.is_closing()

    def _flush(self) -> None:
        if self._head is not None:
            head, self._head = self._head, None
            self._transport.write(head)


_HAS_LENGTH = b"\r\ncontent-length: "


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

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        cycle.transport = cast("asyncio.Transport", JoinedWrites(self.transport, self.loop))
        super()._start_asgi_task(cycle, app)

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
