"""A real webhook receiver that can be told what to answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import msgspec
from aiohttp import web


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    """Names in lower case."""
    raw: bytes

    @property
    def body(self) -> dict[str, object]:
        return msgspec.json.decode(self.raw, type=dict[str, object])

    @property
    def event(self) -> object:
        return self.body["event"]

    @property
    def delivery_id(self) -> str:
        return self.headers["rtk-uuid"]


Respond = Callable[[web.Request], Awaitable[web.StreamResponse]]


def status(code: int, headers: dict[str, str] | None = None) -> Respond:
    """Answer at once."""

    async def respond(request: web.Request) -> web.StreamResponse:
        return web.Response(status=code, headers=headers, text="answer")

    return respond


async def close(request: web.Request) -> web.StreamResponse:
    """Close the connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@dataclass(slots=True)
class Receiver:
    """Keeps what it was sent; answers 200 unless told otherwise."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    respond: Respond = field(default_factory=lambda: status(200))
    script: list[Respond] = field(default_factory=list)
    """Answers of the next requests, before `respond` answers again."""
    at_once: int = 0
    most_at_once: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def events(self) -> list[object]:
        return [one.event for one in self.received]

    async def hang(self, request: web.Request) -> web.StreamResponse:
        """Answer only once `released` is set."""
        await self.released.wait()
        return web.Response()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(request.path_qs, headers, await request.read()))
        respond = self.script.pop(0) if self.script else self.respond
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await respond(request)
        finally:
            self.at_once -= 1


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on a free port of the loopback."""
    made = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    made.url = f"http://{host}:{port}/hook"
    try:
        yield made
    finally:
        made.released.set()
        await runner.cleanup()
