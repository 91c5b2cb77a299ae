"""Fan-out of one process: our sockets and hub, a bare loop over the same transports, and Starlette.

    python -m bench.fanout [--subscribers 1000] [--seconds 2]

Each server runs in a process of its own, so that its CPU time is its own; the readers share another. Loopback
only, and readers and server compete for the machine: compare ratios within one run, never numbers of two
runs. W is the number of messages in flight: at 1 nothing can be joined, at 8 the frames of one turn can.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import resource
import tempfile
import time
from collections.abc import AsyncIterator
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import uvicorn
import uvloop

from bench import peers, processes
from bench.figures import Figure, table
from bench.server import Server, process
from parley.stream.frames import encode_text
from parley.stream.hub import Hub
from parley.stream.sockets import Socket, UpgradeRequest
from parley.stream.websocket import websocket_protocol

STARLETTE_8 = 12
MEMORY_KB = 8
PAYLOAD = b'{"text":"' + b"x" * 245 + b'"}'
HEAD = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
FRAME_BYTES = len(encode_text(PAYLOAD))


class Session:
    """The smallest session: it joins the topic."""

    __slots__ = ("hub", "socket")

    def __init__(self, hub: Hub) -> None:
        self.hub = hub

    def opened(self, socket: Socket) -> None:
        self.socket = socket
        self.hub.join("t", socket)

    def received(self, data: str | bytes) -> None:
        self.hub.publish("t", encode_text(data))

    def lagging(self, behind: bool) -> None:
        if not behind:
            self.hub.restore(self.socket)

    def closed(self, code: int, clean: bool) -> None:
        self.hub.drop(self.socket)


def ours() -> dict[str, Any]:
    hub = Hub()

    async def route(request: UpgradeRequest) -> Session:
        return Session(hub)

    return {"ws": websocket_protocol({"/ws": route}), "app": nothing}


def bare() -> dict[str, Any]:
    """The floor: one write per reader and message, nothing joined, no hub."""
    members: set[Any] = set()

    class Bare(Session):
        __slots__ = ()

        def opened(self, socket: Socket) -> None:
            self.socket = socket
            members.add(socket._transport)  # type: ignore[attr-defined]

        def received(self, data: str | bytes) -> None:
            frame = encode_text(data)
            for transport in members:
                transport.write(frame)

        def lagging(self, behind: bool) -> None:
            pass

        def closed(self, code: int, clean: bool) -> None:
            members.discard(self.socket._transport)  # type: ignore[attr-defined]

    async def route(request: UpgradeRequest) -> Session:
        return Bare(Hub())

    return {"ws": websocket_protocol({"/ws": route}), "app": nothing}


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    """No HTTP here."""


def serve(make: Any, pipe: Connection) -> None:
    async def main() -> None:
        settings = make()
        config = uvicorn.Config(
            settings.pop("app"), host="127.0.0.1", port=0, lifespan="off", log_config=None, access_log=False,
            interface="asgi3", backlog=4096, **settings,
        )  # fmt: skip
        server = uvicorn.Server(config)
        task = asyncio.ensure_future(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn offers nothing to wait for
            await asyncio.sleep(0.01)
        pipe.send(server.servers[0].sockets[0].getsockname()[1])
        await task

    uvloop.run(main())


class Reader(asyncio.Protocol):
    """Counts bytes: frames are all of one size."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.write(HEAD)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        if not self.open:
            _, _, data = data.partition(b"\r\n\r\n")
            self.open = True
            self.run.another_open()
        self.run.count(len(data))


class Run:
    """One measurement: keeps W messages in flight until the time is over."""

    def __init__(self, subscribers: int, window: int) -> None:
        self.subscribers = subscribers
        self.window = window
        self.all_open = asyncio.Event()
        self._opened = 0
        self.received_bytes = 0
        self.sent = 0
        self.publisher: Reader | None = None
        self.until = 0.0

    def another_open(self) -> None:
        self._opened += 1
        if self._opened == self.subscribers:
            self.all_open.set()

    def count(self, size_bytes: int) -> None:
        self.received_bytes += size_bytes
        while self.publisher is not None and time.monotonic() < self.until:
            complete = self.received_bytes // (FRAME_BYTES * self.subscribers)
            if self.sent - complete >= self.window:
                return
            self.publish()

    def publish(self) -> None:
        assert self.publisher is not None
        self.sent += 1
        head = bytes((0x81, 0x80 | 126)) + len(PAYLOAD).to_bytes(2, "big")
        self.publisher.transport.write(head + bytes(4) + PAYLOAD)  # type: ignore[attr-defined]


async def load(server: Server, subscribers: int, window: int, seconds: float) -> tuple[float, float]:
    """Deliveries per CPU-second of the server, and its memory per idle connection in KB."""
    loop = asyncio.get_running_loop()
    run = Run(subscribers, window)
    before = processes.memory_mb(server.pid)
    readers = [
        (await loop.create_connection(lambda: Reader(run), "127.0.0.1", server.port))[1]
        for _ in range(subscribers)
    ]
    await asyncio.wait_for(run.all_open.wait(), 30)
    memory_kb = (processes.memory_mb(server.pid) - before) * 1000 / subscribers
    start = processes.cpu_s(server.pid)
    run.until = time.monotonic() + seconds
    run.publisher = readers[0]
    run.count(0)
    while time.monotonic() < run.until or run.received_bytes < run.sent * FRAME_BYTES * subscribers:
        await asyncio.sleep(0.01)
        assert time.monotonic() < run.until + 30, "deliveries are missing"
    return run.received_bytes / FRAME_BYTES / (processes.cpu_s(server.pid) - start), memory_kb


@contextlib.asynccontextmanager
async def forked(make: Any) -> AsyncIterator[Server]:
    """A server of this module in a process of its own."""
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=serve, args=(make, there), daemon=True)
    child.start()
    try:
        port = await asyncio.get_running_loop().run_in_executor(None, here.recv)
        yield Server(child.pid or 0, port)
    finally:
        child.kill()
        child.join()


@contextlib.asynccontextmanager
async def starlette(folder: Path) -> AsyncIterator[Server]:
    """The peer, in its own environment."""
    command = [str(peers.python()), str(peers.HERE / "starlette_fanout.py")]
    async with process(command, {}, folder / "starlette.log") as server:
        yield server


def _figure(subscribers: int, window: int, other: str, rates: dict[str, float]) -> Figure:
    ours, theirs = rates["parley"], rates[other]
    return Figure(
        name=f"fan-out to {subscribers:,}, {window} in flight, of {other}",
        value=ours / theirs,
        at_least=STARLETTE_8 if (other, window) == ("Starlette", 8) else None,
        detail=f"{ours:,.0f} against {theirs:,.0f} deliveries per CPU-second",
    )


async def measure(subscribers: int = 1_000, seconds: float = 2.0) -> list[Figure]:
    """Run everything."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(subscribers + 100, 1024)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    figures = []
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as name:
        for window in (1, 8):
            rates: dict[str, float] = {}
            for contender, start in (
                ("parley", partial(forked, ours)),
                ("bare loop", partial(forked, bare)),
                ("Starlette", partial(starlette, Path(name))),
            ):
                async with start() as server:
                    rates[contender], memory_kb = await load(server, subscribers, window, seconds)
                if contender == "parley" and window == 1:
                    figures.append(
                        Figure(name="memory per idle socket", value=memory_kb, unit="KB", at_most=MEMORY_KB)
                    )
            figures += [_figure(subscribers, window, other, rates) for other in rates if other != "parley"]
    return figures


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--subscribers", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    print(table(uvloop.run(measure(options.subscribers, options.seconds))))


if __name__ == "__main__":
    main()
