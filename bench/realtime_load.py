"""One load generator for every message server: a publisher and subscribers, over WebSockets.

Each server has a dialect: what a client says to subscribe, what one publication looks like on the wire. From
then on nothing is parsed: messages carry a mark that occurs nowhere else, and marks are counted. A message is
complete when every subscriber has it; then the publisher sends the next, so that a fixed number is in flight.
What completes together is sent together, in one write.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from bench import processes
from bench.server import Server

MARK = b"#~#"
PAYLOAD = b'{"text":"' + b"x" * 106 + MARK + b'"}'
"""120 bytes of JSON."""
OPEN_LIMIT_S = 60.0
DRAIN_S = 60.0
CONNECTING = 64
"""Handshakes under way at once."""
_PING = b"\x89\x00"
_PONG = b"\x8a\x80\x00\x00\x00\x00"


def masked(opcode: int, payload: bytes) -> bytes:
    """A client's frame. The mask is zero, which servers must unmask as any other."""
    length = len(payload)
    if length < 126:
        return bytes((0x80 | opcode, 0x80 | length, 0, 0, 0, 0)) + payload
    if length < 65536:
        return bytes((0x80 | opcode, 0xFE)) + length.to_bytes(2, "big") + bytes(4) + payload
    return bytes((0x80 | opcode, 0xFF)) + length.to_bytes(8, "big") + bytes(4) + payload


def text(payload: bytes | str) -> bytes:
    """A client's text frame."""
    return masked(1, payload.encode() if isinstance(payload, str) else payload)


class Dialect(Protocol):
    """How a server is spoken to."""

    def path(self, *, publishes: bool) -> str:
        """Of the handshake."""
        ...

    def begin(self, number: int, *, publishes: bool) -> Sequence[tuple[bytes, bytes]]:
        """What client `number` sends to get ready, each with bytes of the answer to wait for before the next
        is sent."""
        ...

    def publication(self, payload: bytes) -> bytes:
        """One publication, framed."""
        ...


class Plain:
    """Text in, the same text out to everybody who connected; publishers say so in the query."""

    def path(self, *, publishes: bool) -> str:
        return "/ws?publish" if publishes else "/ws"

    def begin(self, number: int, *, publishes: bool) -> Sequence[tuple[bytes, bytes]]:
        return ()

    def publication(self, payload: bytes) -> bytes:
        return text(payload)


class SocketIo:
    """Socket.IO 4 over Engine.IO's WebSocket transport."""

    def path(self, *, publishes: bool) -> str:
        return "/socket.io/?EIO=4&transport=websocket"

    def begin(self, number: int, *, publishes: bool) -> Sequence[tuple[bytes, bytes]]:
        connect = (b"", b'0{"sid"'), (text("40"), b'40{"sid"')
        return connect if publishes else (*connect, (text('420["join","t"]'), b"430["))

    def publication(self, payload: bytes) -> bytes:
        return text(b'42["publish","t",' + payload + b"]")


class Nats:
    """NATS over WebSocket."""

    def path(self, *, publishes: bool) -> str:
        return "/"

    def begin(self, number: int, *, publishes: bool) -> Sequence[tuple[bytes, bytes]]:
        connect = masked(2, b'CONNECT {"verbose":false,"pedantic":false,"lang":"bench"}\r\nPING\r\n')
        subscribe = masked(2, b"SUB t 1\r\nPING\r\n")
        first = (b"", b"INFO "), (connect, b"PONG")
        return first if publishes else (*first, (subscribe, b"PONG"))

    def publication(self, payload: bytes) -> bytes:
        return masked(2, b"PUB t %d\r\n%s\r\n" % (len(payload), payload))


class Parley:
    """The Real Time Block's socket protocol; publications are acknowledged, so they carry an id."""

    def __init__(self, tokens: Sequence[str], channel: str = "public:bench", *, enters: bool = False) -> None:
        """Prepare.

        Args:
            tokens: connection tokens; client n uses the n-th, or the last.
            channel: to subscribe to; a `{room}` in it is the client's number divided by 50.
            enters: whether subscribers become members of the channel.
        """
        self._tokens = tokens
        self._channel = channel
        self._enters = enters

    def channel_of(self, number: int) -> str:
        """The channel that client `number` subscribes to."""
        return self._channel.replace("{room}", str(number // 50))

    def path(self, *, publishes: bool) -> str:
        return "/v1/realtime/ws"

    def connect(self, number: int, **members: Any) -> bytes:
        """The first frame."""
        token = self._tokens[min(number, len(self._tokens) - 1)]
        return text(json.dumps({"type": "connect", "token": token, **members}))

    def begin(self, number: int, *, publishes: bool) -> Sequence[tuple[bytes, bytes]]:
        steps = [(self.connect(number), b'"type":"welcome"')]
        on = {"channel": self.channel_of(number), "id": 1}
        if not publishes:
            steps.append((text(json.dumps({"type": "subscribe", **on})), b'"type":"ack"'))
        if self._enters and not publishes:
            enter = {"type": "presence.enter", "data": {"name": "Example User"}}
            steps.append((text(json.dumps({**enter, **on})), b'"type":"ack"'))
        return steps

    def publication(self, payload: bytes) -> bytes:
        channel = self._channel.encode()
        return text(b'{"type":"publish","id":7,"channel":"%s","data":%s}' % (channel, payload))


class Client(asyncio.Protocol):
    """One connection: gets ready, then counts marks."""

    def __init__(self, group: Group, number: int, *, publishes: bool = False) -> None:
        self._group = group
        self._steps = [*group.dialect.begin(number, publishes=publishes)]
        self._path = group.dialect.path(publishes=publishes)
        self._head = b""
        self._tail = b""
        self._awaited: bytes | None = b"\r\n\r\n"
        self.has = 0
        """Messages received."""
        self.other_bytes = 0
        """Received without a mark in them: acks."""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answer = b""
        """All that came until it was ready."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass
        self.transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        if self._awaited is not None:
            self._getting_ready(data)
            return
        if data[:2] == _PING or data.endswith(_PING):
            self.transport.write(_PONG)
        marks = data.count(MARK)
        if self._tail:
            marks += (self._tail + data[:2]).count(MARK)
        self._tail = data[-2:]
        if marks:
            self._group.count(self, marks)
        else:
            self.other_bytes += len(data)

    def _getting_ready(self, data: bytes) -> None:
        self._head += data
        self.answer += data
        while self._awaited is not None and self._awaited in self._head:
            _, _, self._head = self._head.partition(self._awaited)
            if not self._steps:
                self._awaited = None
                if not self.ready.done():
                    self.ready.set_result(None)
                return
            say, self._awaited = self._steps.pop(0)
            if say:
                self._head = b""
                self.transport.write(say)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(exc or ConnectionError(f"the server hung up: {self.answer[-300:]!r}"))
            self.ready.exception()
        if not self.lost.done():
            self.lost.set_result(None)


@dataclass(frozen=True, slots=True)
class Flow:
    """What one measurement found."""

    messages: int
    deliveries: int
    wall_s: float
    server_cpu_s: float
    generator_cpu_s: float
    latencies_ms: list[float]
    """From sending to the last subscriber, of each message."""

    @property
    def deliveries_per_cpu_s(self) -> float:
        return self.deliveries / self.server_cpu_s

    @property
    def messages_per_cpu_s(self) -> float:
        return self.messages / self.server_cpu_s

    @property
    def messages_per_s(self) -> float:
        return self.messages / self.wall_s


class Group:
    """A publisher and its subscribers at one server."""

    def __init__(self, server: Server, dialect: Dialect) -> None:
        self.server = server
        self.dialect = dialect
        self.clients: list[Client] = []
        self.publisher: Client | None = None
        self._missing: list[int] = []
        """Of each message sent, the subscribers who do not have it yet."""
        self._sent_at: list[float] = []
        self._latencies: list[float] = []
        self._until = 0.0
        self._complete = 0
        self._quiet = asyncio.Event()
        self.on_count: Callable[[Client, int], None] | None = None
        """Counts instead of the window."""

    async def open(self, subscribers: int) -> None:
        """Connect everybody.

        Raises:
            TimeoutError: not within `OPEN_LIMIT_S`.
        """
        async with asyncio.timeout(OPEN_LIMIT_S):
            for start in range(0, subscribers, CONNECTING):
                numbers = range(start, min(start + CONNECTING, subscribers))
                self.clients += await asyncio.gather(*(self.connect(n) for n in numbers))
            self.publisher = await self.connect(subscribers, publishes=True)

    async def connect(self, number: int, *, publishes: bool = False) -> Client:
        """One client, ready."""
        client = Client(self, number, publishes=publishes)
        await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", self.server.port)
        await client.ready
        return client

    def close(self) -> None:
        """Hang up."""
        for client in [*self.clients, self.publisher]:
            if client is not None:
                client.transport.abort()

    # --- a window of messages in flight -------------------------------------------------------

    async def flow(self, window: int, seconds: float) -> Flow:
        """Keep so many messages in flight for that long, and wait until all have arrived.

        Raises:
            TimeoutError: deliveries are missing.
        """
        for client in self.clients:
            client.has = 0
        self._missing, self._sent_at, self._latencies, self._complete = [], [], [], 0
        self._quiet.clear()
        pid = self.server.pid
        server_cpu, own_cpu, start = processes.cpu_s(pid), time.process_time(), time.perf_counter()
        self._until = start + seconds
        self._send(window)
        await asyncio.wait_for(self._quiet.wait(), seconds + DRAIN_S)
        wall_s = time.perf_counter() - start
        await asyncio.sleep(0.02)  # acks of the last
        sent = len(self._missing)
        return Flow(
            sent,
            sent * len(self.clients),
            wall_s,
            processes.cpu_s(pid) - server_cpu,
            time.process_time() - own_cpu,
            self._latencies,
        )

    def _send(self, number: int) -> None:
        assert self.publisher is not None
        now = time.perf_counter()
        self._missing += [len(self.clients)] * number
        self._sent_at += [now] * number
        self.publisher.transport.write(self.dialect.publication(PAYLOAD) * number)

    def count(self, client: Client, marks: int) -> None:
        """A subscriber has got so many more."""
        if self.on_count is not None:
            self.on_count(client, marks)
            return
        if client is self.publisher:
            return
        first, missing, completed = client.has, self._missing, 0
        client.has = first + marks
        for number in range(first, first + marks):
            missing[number] -= 1
            if not missing[number]:
                completed += 1
                self._latencies.append((time.perf_counter() - self._sent_at[number]) * 1000)
        if not completed:
            return
        self._complete += completed
        if time.perf_counter() < self._until:
            self._send(completed)
        elif self._complete == len(missing):
            self._quiet.set()
