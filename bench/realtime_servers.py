"""The message servers of the channel benches: Parley as it is delivered, parts of it, and its peers."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import resource
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import uvicorn
import uvloop

from bench import realtime_load as load
from bench.peers import realtime as peers
from bench.server import Server, process
from parley.accounts import service as accounts
from parley.accounts.app_settings import write
from parley.accounts.plans import PlanSettings
from parley.base.settings import Settings
from parley.channels.realtime.grants import Grant
from parley.channels.realtime.tokens import ConnectionTokens
from parley.meetings.apps import create_app
from parley.server.app import open_store
from parley.stream.frames import encode_text
from parley.stream.hub import Hub
from parley.stream.sockets import Socket, UpgradeRequest
from parley.stream.websocket import websocket_protocol

GRANTS = (Grant("public:*"), Grant("presence:*"))
Opened = AbstractAsyncContextManager[load.Group]


def allow_files() -> None:
    """As many open sockets as the system lets this process and its servers have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


# --- Parley as it is delivered ----------------------------------------------------------------


async def prepare(data: Path, users: int, database_url: str = "") -> list[str]:
    """An app without limits in a new data folder, and connection tokens for that many users."""
    store = await open_store(Settings(data=data, database_url=database_url))
    try:
        scope, _ = await accounts.ensure_organization(store)
        app = await create_app(scope, "bench")
        async with scope.app(app.id).change() as change:
            await write(change, "plan", PlanSettings(plan="enterprise"))
        tokens = await ConnectionTokens.of_store(store)
        return [tokens.issue(app.id, "live", f"user_{n}", GRANTS)[0] for n in range(users)]
    finally:
        await store.database.close()


@contextlib.asynccontextmanager
async def serve(data: Path, *flags: str, without: str = "") -> AsyncIterator[Server]:
    """`parley serve` on a data folder, without media; or without a part (see `bench.realtime_without`)."""
    delivered = [str(Path(sys.executable).with_name("parley"))]
    program = [sys.executable, "-m", "bench.realtime_without", without] if without else delivered
    own = ("--data", str(data), "--port", "0", "--no-media", "--no-demo", "--log-level", "warning")
    async with process([*program, "serve", *own, *flags], {}, data.with_suffix(".log")) as server:
        yield server


@contextlib.asynccontextmanager
async def parley(
    folder: Path, *, users: int = 1, database_url: str = "", without: str = "", **dialect: Any
) -> AsyncIterator[load.Group]:
    """A new Parley and nobody connected to it yet; `without` one of its parts."""
    data = folder / f"parley-{without or 'whole'}"
    tokens = await prepare(data, users, database_url)
    flags = ("--database-url", database_url) if database_url else ()
    async with serve(data, *flags, without=without) as server:
        yield load.Group(server, load.Parley(tokens, **dialect))


# --- parts of it ------------------------------------------------------------------------------


class _Session:
    """The smallest session: it joins the topic, unless it publishes."""

    __slots__ = ("hub", "request", "socket")

    def __init__(self, hub: Hub, request: UpgradeRequest) -> None:
        self.hub = hub
        self.request = request

    def opened(self, socket: Socket) -> None:
        self.socket = socket
        if self.request.query != "publish":
            self.joined()

    def joined(self) -> None:
        self.hub.join("t", self.socket)

    def received(self, data: str | bytes) -> None:
        self.hub.publish("t", encode_text(data))

    def lagging(self, behind: bool) -> None:
        if not behind:
            self.hub.restore(self.socket)

    def closed(self, code: int, clean: bool) -> None:
        self.hub.drop(self.socket)


def hub_server() -> dict[str, Any]:
    """Our sockets and hub, and nothing else."""
    hub = Hub()

    async def route(request: UpgradeRequest) -> _Session:
        return _Session(hub, request)

    return {"ws": websocket_protocol({"/ws": route})}


def bare_server() -> dict[str, Any]:
    """The floor in Python: one write per reader and message, nothing joined, no hub."""
    members: set[Any] = set()

    class Bare(_Session):
        __slots__ = ()

        def joined(self) -> None:
            members.add(self.socket._transport)  # type: ignore[attr-defined]

        def received(self, data: str | bytes) -> None:
            frame = encode_text(data)
            for transport in members:
                transport.write(frame)

        def lagging(self, behind: bool) -> None:
            pass

        def closed(self, code: int, clean: bool) -> None:
            members.discard(self.socket._transport)  # type: ignore[attr-defined]

    async def route(request: UpgradeRequest) -> Bare:
        return Bare(Hub(), request)

    return {"ws": websocket_protocol({"/ws": route})}


async def _no_http(scope: Any, receive: Any, send: Any) -> None:
    """Sockets only."""


def _serve(make: Callable[[], dict[str, Any]], pipe: Connection) -> None:
    async def main() -> None:
        config = uvicorn.Config(
            _no_http, host="127.0.0.1", port=0, lifespan="off", log_config=None, access_log=False,
            interface="asgi3", backlog=4096, **make(),
        )  # fmt: skip
        server = uvicorn.Server(config)
        task = asyncio.ensure_future(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn offers nothing to wait for
            await asyncio.sleep(0.01)
        pipe.send(server.servers[0].sockets[0].getsockname()[1])
        await task

    allow_files()
    uvloop.run(main())


@contextlib.asynccontextmanager
async def forked(make: Callable[[], dict[str, Any]]) -> AsyncIterator[load.Group]:
    """A server of this module in a process of its own."""
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=_serve, args=(make, there), daemon=True)
    child.start()
    try:
        port = await asyncio.get_running_loop().run_in_executor(None, here.recv)
        yield load.Group(Server(child.pid or 0, port), load.Plain())
    finally:
        child.kill()
        child.join()


# --- peers ------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def peer(
    server: AbstractAsyncContextManager[Server], dialect: load.Dialect
) -> AsyncIterator[load.Group]:
    """A peer and nobody connected to it yet."""
    async with server as running:
        yield load.Group(running, dialect)


@dataclass(frozen=True, slots=True)
class Contender:
    """A server by the name of the tables."""

    name: str
    start: Callable[[Path], Opened]
    """Given a folder for its files."""


PARLEY = "Parley"
WITHOUT_DISK = "Parley, nothing stored"
HUB = "Parley's hub alone"
OWN = (
    Contender(PARLEY, parley),
    Contender(WITHOUT_DISK, lambda folder: parley(folder, without="disk")),
    Contender(HUB, lambda _: forked(hub_server)),
)
PEERS = (
    Contender("NATS", lambda logs: peer(peers.nats(logs), load.Nats())),
    Contender("Socket.IO", lambda logs: peer(peers.socket_io(logs), load.SocketIo())),
    Contender("Starlette", lambda logs: peer(peers.of_python("starlette_fanout.py", logs), load.Plain())),
    Contender(
        "python-socketio",
        lambda logs: peer(peers.of_python("python_socketio.py", logs), load.SocketIo()),
    ),
    Contender(
        "Django Channels", lambda logs: peer(peers.of_python("django_channels.py", logs), load.Plain())
    ),
)
FLOORS = (
    Contender("C send loop", lambda logs: peer(peers.send_loop(logs), load.Plain())),
    Contender("Python send loop", lambda _: forked(bare_server)),
)


async def enter(
    stack: contextlib.AsyncExitStack, contender: Contender, folder: Path, subscribers: int
) -> load.Group | str:
    """Start it and connect everybody; or why it cannot be had."""
    try:
        group = await stack.enter_async_context(contender.start(folder))
        await group.open(subscribers)
    except (peers.NotHere, RuntimeError, OSError, TimeoutError) as missing:
        return f"{type(missing).__name__}: {missing}"
    stack.callback(group.close)
    return group
