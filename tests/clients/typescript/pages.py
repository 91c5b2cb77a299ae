"""People on pages of a customer's site that loads the built client, and nothing else."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import jwt
from aiohttp import web
from playwright.async_api import Browser, Page

from tests.clients.typescript.conftest import PACKAGE
from tests.clients.typescript.server import BlockServer
from tests.media.browser import until

HERE = Path(__file__).parent
FILES = {
    "page.html": HERE / "page.html",
    "page.js": HERE / "page.js",
    "parley.js": PACKAGE / "dist" / "index.js",
}
FLOWING = 4
"""So many more pictures or packets are a stream that flows."""


@asynccontextmanager
async def site() -> AsyncIterator[str]:
    """The site's origin; `/page.html` is the page."""

    async def serve(request: web.Request) -> web.StreamResponse:
        path = FILES.get(request.match_info["name"])
        if path is None:
            raise web.HTTPNotFound
        return web.FileResponse(path)

    app = web.Application()
    app.router.add_get("/{name}", serve)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://localhost:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def create_room(server: BlockServer, topology: str) -> str:
    """A new room's id."""
    attributes = {"name": "Room", "settings": {"topology": topology}}
    async with httpx.AsyncClient(base_url=server.url, headers={"x-api-key": server.secret_key}) as client:
        body = {"data": {"type": "webrtc_rooms", "attributes": attributes}}
        answer = await client.post("/v1/realtime/webrtc/rooms", json=body)
    answer.raise_for_status()
    return str(answer.json()["data"]["id"])


class Person:
    """Somebody with the page open, connected."""

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self.name = name

    @classmethod
    async def open(
        cls, browser: Browser, origin: str, server: BlockServer, name: str, *, via: str = ""
    ) -> Person:
        """Open the page and connect; `via` is another address of the server."""
        context = await browser.new_context()
        page = await context.new_page()
        await page.goto(f"{origin}/page.html")
        await page.wait_for_function("window.page !== undefined")
        person = cls(page, name)
        claims = {"sub": name, "name": name.title(), "exp": int(time.time()) + 3600}
        token = jwt.encode(claims, server.secret_key, "HS256")
        connected = await person.call("connect", via or server.url, server.publishable_key, token)
        assert connected == name
        return person

    async def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of `window.page`."""
        return await self.page.evaluate("([name, args]) => page[name](...args)", [method, list(arguments)])

    async def do(self, expression: str) -> Any:
        """Evaluate something of the page."""
        return await self.page.evaluate(expression)

    async def gets(self, *streams: str) -> None:
        """Wait until each of these streams (`bob/audio`) flows."""
        before: dict[str, int] = await self.call("arrived")

        async def missing() -> str:
            now: dict[str, int] = await self.call("arrived")
            dry = [one for one in streams if now.get(one, 0) < before.get(one, 0) + FLOWING]
            return f"{self.name} does not get {', '.join(dry)} of {now}" if dry else ""

        await until(missing, 30)

    async def comes_to(self, expression: str, wanted: Any) -> None:
        """Wait until an expression has a value."""

        async def otherwise() -> str:
            found = await self.do(expression)
            return "" if found == wanted else f"{self.name}: {expression} is {found}, not {wanted}"

        await until(otherwise)


def all_of(people: Iterable[str]) -> list[str]:
    """Sound and picture of each."""
    return [f"{name}/{medium}" for name in people for medium in ("audio", "video")]
