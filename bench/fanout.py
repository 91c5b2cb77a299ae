"""Fan-out of one process: our sockets and hub, a bare loop over the same transports, and Starlette if
installed.

    python bench/fanout.py [--subscribers 1000] [--seconds 2]

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
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import uvicorn
import uvloop

from parley.stream.frames import encode_text
from parley.stream.hub import Hub
from parley.stream.sockets import Socket, UpgradeRequest
from parley.stream.websocket import websocket_protocol

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


def starlette() -> dict[str, Any]:
    from starlette.applications import Starlette  # type: ignore[import-not-found, unused-ignore]
    from starlette.routing import WebSocketRoute  # type: ignore[import-not-found, unused-ignore]

    members: set[Any] = set()

    async def endpoint(websocket: Any) -> None:
        await websocket.accept()
        members.add(websocket)
        with contextlib.suppress(Exception):
            while True:
                text = await websocket.receive_text()
                for member in list(members):
                    await member.send_text(text)
        members.discard(websocket)

    app = Starlette(routes=[WebSocketRoute("/ws", endpoint)])
    return {"ws": "websockets-sansio", "app": app, "ws_per_message_deflate": False}


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
        loop = asyncio.get_running_loop()

        def asked() -> None:
            usage = resource.getrusage(resource.RUSAGE_SELF)
            pipe.recv()
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            pipe.send((usage.ru_utime + usage.ru_stime, pages * resource.getpagesize()))

        loop.add_reader(pipe.fileno(), asked)
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


async def measure(pipe: Connection, subscribers: int, window: int, seconds: float) -> tuple[float, float]:
    """Deliveries per CPU-second of the server, and its memory per idle connection in KB."""
    loop = asyncio.get_running_loop()
    port = await loop.run_in_executor(None, pipe.recv)

    async def usage() -> tuple[float, int]:
        pipe.send("?")
        answer: tuple[float, int] = await loop.run_in_executor(None, pipe.recv)
        return answer

    run = Run(subscribers, window)
    before = (await usage())[1]
    readers = [
        (await loop.create_connection(lambda: Reader(run), "127.0.0.1", port))[1] for _ in range(subscribers)
    ]
    await asyncio.wait_for(run.all_open.wait(), 30)
    memory_kb = ((await usage())[1] - before) / subscribers / 1024
    start = (await usage())[0]
    run.until = time.monotonic() + seconds
    run.publisher = readers[0]
    run.count(0)
    while time.monotonic() < run.until or run.received_bytes < run.sent * FRAME_BYTES * subscribers:
        await asyncio.sleep(0.01)
        assert time.monotonic() < run.until + 30, "deliveries are missing"
    cpu_s = (await usage())[0] - start
    return run.received_bytes / FRAME_BYTES / cpu_s, memory_kb


def contender(make: Any, subscribers: int, window: int, seconds: float) -> tuple[float, float]:
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=serve, args=(make, there), daemon=True)
    process.start()
    try:
        return uvloop.run(measure(here, subscribers, window, seconds))
    finally:
        process.kill()
        process.join()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--subscribers", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    contenders = {"parley": ours, "bare loop": bare}
    with contextlib.suppress(ImportError):
        import starlette as _  # type: ignore[import-not-found, unused-ignore]

        contenders["starlette"] = starlette
    needed = options.subscribers + 100
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(needed, 1024), hard), hard))
    print(f"{options.subscribers} subscribers, {len(PAYLOAD)} bytes; deliveries per CPU-second of the server")
    for window in (1, 8):
        base = 0.0
        for name, make in contenders.items():
            rate, memory_kb = contender(make, options.subscribers, window, options.seconds)
            base = base or rate
            print(f"W={window} {name:10} {rate:12,.0f}  parley/this {base / rate:5.2f}  {memory_kb:5.1f} KB")


if __name__ == "__main__":
    main()
