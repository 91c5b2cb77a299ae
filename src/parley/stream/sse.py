"""Server-sent events (WHATWG HTML section 9.2), written to the connection without ASGI in between.

An event is encoded once, as one HTTP chunk that all readers share; measured five times the rate of a queue
and an ASGI send for each reader. Where the connection cannot be had (another server than `http.HttpProtocol`,
HTTP/1.0, a middleware that changes bodies), the same stream runs on a bounded queue.

Shutdown: uvicorn closes each stream, which ends its response properly; clients reconnect with
`Last-Event-ID`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from parley.stream.http import EXTENSION, HttpProtocol
from parley.stream.wheel import Wheel

log = logging.getLogger("parley.stream")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """What one stream may take."""

    ping_s: float = 15.0
    """Between comments that keep proxies from closing an idle stream."""
    high_bytes: int = 256 << 10
    """Of unsent data; more makes a reader lag until a quarter of it is left."""
    cut_bytes: int = 4 << 20
    """Of unsent data; more cuts a lagging reader off at once."""
    lag_s: float = 10.0
    """That a reader may lag before it is cut off."""
    kernel_bytes: int = 256 << 10
    """Of unsent data in the kernel (SO_SNDBUF)."""


@dataclass(slots=True)
class StreamCounters:
    """Since the start of the process, except `open`; for metrics."""

    open: int = 0
    opened: int = 0
    lagged: int = 0
    cut_lagging: int = 0


def encode_event(data: str, *, event: str | None = None, id: str | None = None) -> bytes:  # noqa: A002 - the field's name
    """One event, ready for the hub and for `EventStream.send`.

    Raises:
        ValueError: a line break in the name or id, or a NUL in the id, which would begin another field.
    """
    fields = []
    for name, value in (("event", event), ("id", id)):
        if value is not None:
            if any(mark in value for mark in "\r\n\0"):
                raise ValueError(f"not possible in an event's {name}: {value!r}")
            fields.append(f"{name}: {value}\n")
    lines = data.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return _chunk("".join([*fields, *(f"data: {line}\n" for line in lines), "\n"]).encode())


def encode_comment(text: str = "") -> bytes:
    """A line that readers ignore."""
    return _chunk(f": {text}\n\n".encode())


def _chunk(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


def _unchunk(prepared: bytes) -> bytes:
    """The bodies of joined chunks, for servers that frame by themselves."""
    parts, position = [], 0
    while position < len(prepared):
        line_end = prepared.index(b"\r\n", position)
        size = int(prepared[position:line_end], 16)
        parts.append(prepared[line_end + 2 : line_end + 2 + size])
        position = line_end + 4 + size
    return b"".join(parts)


_PING = encode_comment("ping")
_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    "x-accel-buffering": "no",  # nginx would hold events back
}


class EventStreams:
    """What all streams of one server share."""

    def __init__(self, limits: StreamLimits | None = None) -> None:
        self.limits = limits or StreamLimits()
        self.counters = StreamCounters()
        self.wheel: Wheel[EventStream] = Wheel(self.limits.ping_s, EventStream.visited_by_wheel)

    def stream(self, on_lagging: Callable[[bool], None] | None = None) -> EventStream:
        """A stream that is not running yet. `on_lagging` is called as `SocketSession.lagging` is."""
        return EventStream(self, on_lagging)


class EventStream:
    """One response of events; a reader for the hub.

    Sending before `run` is kept and goes out first; sending after the end does nothing.
    """

    __slots__ = (
        "_connection",
        "_ended",
        "_lagging",
        "_on_lagging",
        "_owner",
        "_timer",
        "_waiting",
        "_waiting_bytes",
        "_wake",
    )

    def __init__(self, owner: EventStreams, on_lagging: Callable[[bool], None] | None) -> None:
        self._owner = owner
        self._on_lagging = on_lagging
        self._connection: HttpProtocol | None = None
        self._ended = False
        self._lagging = False
        self._timer: asyncio.TimerHandle | None = None
        # Before `run`, and in queue mode. Over `high_bytes` the reader lags, over `cut_bytes` the stream
        # ends.
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._wake = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Whether sending makes sense."""
        return not self._ended

    @property
    def is_lagging(self) -> bool:
        """See `sockets.Socket.is_lagging`."""
        return self._lagging

    def send(self, prepared: bytes) -> None:
        """Send what `encode_event` made, one or several joined."""
        self.write_now(prepared)

    def write_now(self, prepared: bytes) -> bool:
        """See `sockets.Socket.write_now`."""
        if self._ended:
            return False
        if self._connection is not None:
            transport = self._connection.transport
            transport.write(prepared)
            if self._lagging and transport.get_write_buffer_size() > self._owner.limits.cut_bytes:
                self._cut()
            return not self._lagging
        self._waiting.append(prepared)
        self._waiting_bytes += len(prepared)
        self._wake.set()
        if self._waiting_bytes > self._owner.limits.cut_bytes:
            self._cut()
        elif self._waiting_bytes > self._owner.limits.high_bytes:
            self._set_lagging(True)
        return not self._lagging

    def close(self) -> None:
        """End the response after what was sent; `run` returns soon."""
        self._ended = True
        self._wake.set()

    def writing_paused(self, paused: bool) -> None:
        """See `http.Stream.writing_paused`. In queue mode the queue decides, not the transport behind it."""
        if self._connection is not None:
            self._set_lagging(paused)

    def _set_lagging(self, paused: bool) -> None:
        if paused == self._lagging:
            return
        self._lagging = paused
        self._stop_timer()
        loop = asyncio.get_running_loop()
        if paused:
            self._owner.counters.lagged += 1
            self._timer = loop.call_later(self._owner.limits.lag_s, self._cut)
        if self._on_lagging is not None and not self._ended:
            loop.call_soon(self._on_lagging, paused)  # not from inside somebody's write

    def visited_by_wheel(self) -> None:
        """Keep the connection alive."""
        if not self._lagging:
            self.write_now(_PING)

    async def run(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        headers: Mapping[str, str] | None = None,
        direct: bool = True,
    ) -> None:
        """Answer the request with this stream, until the client leaves or `close` is called.

        `direct=False` says that a middleware changes the body. Runs once.
        """
        given = {**_HEADERS, **{name.lower(): value for name, value in (headers or {}).items()}}
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in given.items()]
        await send({"type": "http.response.start", "status": 200, "headers": encoded})
        await send({"type": "http.response.body", "body": b": hello\n\n", "more_body": True})
        counters, wheel = self._owner.counters, self._owner.wheel
        counters.opened += 1
        counters.open += 1
        wheel.join(self)
        leaving = asyncio.get_running_loop().create_task(self._until_disconnected(receive))
        connection = scope.get("extensions", {}).get(EXTENSION)
        try:
            if isinstance(connection, HttpProtocol) and direct and scope.get("http_version") == "1.1":
                self._take_over(connection)
            elif isinstance(connection, HttpProtocol):
                connection.stream = self
            await self._pump(send)
            if not leaving.done():
                async with asyncio.timeout(self._owner.limits.lag_s):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            if not self._ended:  # else it was counted when it was cut
                counters.cut_lagging += 1
            if isinstance(connection, HttpProtocol):
                connection.transport.abort()
        finally:
            self._ended = True
            self._stop_timer()
            counters.open -= 1
            wheel.leave(self)
            leaving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await leaving
            if isinstance(connection, HttpProtocol):
                connection.stream = None
            self._connection = None

    def _take_over(self, connection: HttpProtocol) -> None:
        limits, transport = self._owner.limits, connection.transport
        sock = transport.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, limits.kernel_bytes)
        transport.set_write_buffer_limits(high=limits.high_bytes)
        connection.stream = self
        waiting, self._waiting = self._waiting, []
        self._connection = connection
        if waiting:
            transport.write(b"".join(waiting))

    async def _pump(self, send: Send) -> None:
        """In queue mode, hand over what was sent; in direct mode, wait for the end."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._connection is None and self._waiting:
                body, self._waiting, self._waiting_bytes = _unchunk(b"".join(self._waiting)), [], 0
                async with asyncio.timeout(self._owner.limits.lag_s):
                    await send({"type": "http.response.body", "body": body, "more_body": True})
                if not self._waiting:
                    self._set_lagging(False)
                else:
                    continue
            if self._ended:
                return

    async def _until_disconnected(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.close()

    def _cut(self) -> None:
        """The reader did not keep up."""
        if self._ended:
            return
        self._owner.counters.cut_lagging += 1
        if self._connection is not None:
            self._connection.transport.abort()
        self._waiting = []
        self.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
