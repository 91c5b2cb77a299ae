"""A real uvicorn in the test's event loop, sessions that record, and a client that can misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import uvicorn
from websockets.frames import Close, Frame, Opcode

from parley.stream.endpoint import Limits
from parley.stream.sockets import Rejection, Route, Socket, UpgradeRequest
from parley.stream.websocket import WebSocketProtocol, websocket_protocol
from tests.http import shut_down

App = Callable[..., Any]
WAIT_S = 30.0


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """The ASGI application next to the sockets."""
    headers = [(b"content-length", b"5")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hello"})


class Served:
    """A running server."""

    def __init__(self, server: uvicorn.Server, protocol: type[WebSocketProtocol]) -> None:
        self.server = server
        self.endpoint = protocol.endpoint
        self.counters = protocol.endpoint.counters
        self.port: int = server.servers[0].sockets[0].getsockname()[1]

    def url(self, path: str = "/ws", scheme: str = "ws") -> str:
        return f"{scheme}://127.0.0.1:{self.port}{path}"


@contextlib.asynccontextmanager
async def serving(
    routes: Mapping[str, Route],
    *,
    limits: Limits | None = None,
    trusted_proxies: tuple[str, ...] = (),
    app: App = hello,
    **settings: Any,
) -> AsyncIterator[Served]:
    """Serve on a free port until the block ends, then shut down."""
    protocol = websocket_protocol(routes, limits=limits, trusted_proxies=trusted_proxies)
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        ws=protocol,
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        **settings,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    await server.on_tick(0)
    try:
        yield Served(server, protocol)
    finally:
        await shut_down(server)


class Recorder:
    """A session that remembers what it was told, and does as `on_message` says."""

    def __init__(self, on_message: Callable[[Socket, str | bytes], None] | None = None) -> None:
        self.socket: Socket | None = None
        self.messages: list[str | bytes] = []
        self.lags: list[bool] = []
        self.ends: list[tuple[int, bool]] = []
        self._on_message = on_message

    def opened(self, socket: Socket) -> None:
        self.socket = socket

    def received(self, data: str | bytes) -> None:
        self.messages.append(data)
        if self._on_message is not None:
            assert self.socket is not None
            self._on_message(self.socket, data)

    def lagging(self, behind: bool) -> None:
        self.lags.append(behind)

    def closed(self, code: int, clean: bool) -> None:
        self.ends.append((code, clean))

    async def route(self, request: UpgradeRequest) -> Recorder:
        return self

    @property
    def live(self) -> Socket:
        """The socket, once open."""
        assert self.socket is not None, "not opened"
        return self.socket


def echo(socket: Socket, data: str | bytes) -> None:
    if isinstance(data, str):
        socket.send_text(data)
    else:
        socket.send_binary(data)


async def echoing(request: UpgradeRequest) -> Recorder | Rejection:
    """A route whose sessions send everything back."""
    return Recorder(echo)


HANDSHAKE = {
    "Host": "parley.test",
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def head(path: str = "/ws", *, without: str = "", method: str = "GET", **changes: str) -> bytes:
    """An opening handshake; `changes` are headers with underscores for dashes."""
    headers = {**HANDSHAKE, **{name.replace("_", "-"): value for name, value in changes.items()}}
    headers.pop(without, None)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode()


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """A valid masked client frame."""
    return Frame(Opcode(opcode), payload, fin=fin).serialize(mask=True)


def raw_frame(first: int, second: int, rest: bytes = b"") -> bytes:
    """A frame head as it should not be."""
    return bytes((first, second)) + rest


class RawClient:
    """A TCP connection that sends what it likes and reads server frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, request: bytes) -> tuple[int, dict[str, str]]:
        """Send a request head; status and headers of the answer."""
        self.writer.write(request)
        answer = (await self._wait(self.reader.readuntil(b"\r\n\r\n"))).decode()
        lines = answer.split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        return int(lines[0].split()[1]), headers

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def frame(self) -> tuple[int, bytes]:
        """The next server frame, which must not be masked."""
        first, second = await self._wait(self.reader.readexactly(2))
        assert not second & 0x80, "servers do not mask"
        length = second
        if second == 126:
            length = int.from_bytes(await self._wait(self.reader.readexactly(2)), "big")
        elif second == 127:
            length = int.from_bytes(await self._wait(self.reader.readexactly(8)), "big")
        return first & 0x0F, await self._wait(self.reader.readexactly(length))

    async def close_code(self) -> int:
        """Skip to the close frame and give its code."""
        while True:
            opcode, payload = await self.frame()
            if opcode == Opcode.CLOSE:
                return int(Close.parse(payload).code)

    async def ended(self) -> bytes:
        """What is left until the server closes its side."""
        try:
            return await self._wait(self.reader.read())
        except ConnectionError:
            return b""

    @staticmethod
    async def _wait(read: Any) -> Any:
        return await asyncio.wait_for(read, WAIT_S)


@contextlib.asynccontextmanager
async def raw_client(
    served: Served,
    *,
    opened: str | None = "/ws",
    tls: ssl.SSLContext | None = None,
    receive_bytes: int | None = None,
) -> AsyncIterator[RawClient]:
    """Connect, and with `opened` do the handshake for that path.

    `receive_bytes` caps the kernel's read buffer.
    """
    import socket as system

    sock = system.socket()
    if receive_bytes is not None:
        sock.setsockopt(system.SOL_SOCKET, system.SO_RCVBUF, receive_bytes)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", served.port))
    limit = 2**16 if receive_bytes is None else 1024
    reader, writer = await asyncio.open_connection(
        sock=sock, limit=limit, ssl=tls, server_hostname="localhost" if tls else None
    )
    client = RawClient(reader, writer)
    try:
        if opened is not None:
            status, _ = await client.ask(head(opened))
            assert status == 101
        yield client
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def random_bytes(size: int) -> bytes:
    return os.urandom(size)
