"""A customer of the Real Time Block, and people in its rooms, each on a page of their own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt
from aiohttp import web
from playwright.async_api import Browser, Page

from tests.browser.server import PROGRAM, ParleyServer
from tests.media.browser import until

PAGES = {"room.html", "room.js"}
NEW = 5
"""So many frames or packets one after the other are a stream that flows."""


@asynccontextmanager
async def room_site() -> AsyncIterator[str]:
    """The origin of a site with the page of a participant."""

    async def serve(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in PAGES:
            raise web.HTTPNotFound
        return web.FileResponse(Path(__file__).with_name(name))

    app = web.Application()
    app.router.add_get("/{name}", serve)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://localhost:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@dataclass
class RoomCustomer:
    """An app with keys."""

    url: str
    publishable: str
    secret: str

    @classmethod
    async def open(cls, server: ParleyServer) -> RoomCustomer:
        """Make keys as an operator does."""
        command = [str(PROGRAM), "keys", "create", "--dialect", "block", "--data", str(server.data), "--json"]
        made = await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
        keys = json.loads(made.stdout)
        return cls(server.url, keys["publishable_key"], keys["secret_key"])

    async def create_room(self, topology: str, *, recording_enabled: bool = False, **settings: Any) -> str:
        """A room's id."""
        made = await self.make_room(
            name="Room", recording_enabled=recording_enabled, settings={"topology": topology, **settings}
        )
        return str(made["id"])

    async def make_room(self, **attributes: Any) -> dict[str, Any]:
        """A room's resource."""
        body = {"data": {"type": "webrtc_rooms", "attributes": attributes}}
        return dict((await self._ask("POST", "", json=body))["data"])

    async def join_url(self, room_id: str, user_id: str) -> str:
        """The link that lets a user into a room."""
        return str((await self._ask("POST", f"/{room_id}/join", json={"user_id": user_id}))["join_url"])

    async def end_room(self, room_id: str) -> None:
        """End it for everybody."""
        await self._ask("DELETE", f"/{room_id}")

    async def recordings(self, room_id: str) -> list[dict[str, Any]]:
        """What there is of a room, as attributes."""
        found = (await self._ask("GET", f"/{room_id}/recordings"))["data"]
        return [each["attributes"] for each in found]

    async def _ask(self, method: str, path: str, **more: Any) -> Any:
        async with httpx.AsyncClient(base_url=self.url, headers={"X-Api-Key": self.secret}) as http:
            answer = await http.request(method, f"/v1/realtime/webrtc/rooms{path}", **more)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def token(self, user_id: str) -> str:
        """A user token."""
        return jwt.encode({"sub": user_id, "exp": int(time.time()) + 3600}, self.secret, "HS256")


@dataclass
class RoomPage:
    """Somebody in a room."""

    name: str
    page: Page
    id: str = ""
    """As a participant."""
    complaints: list[str] = field(default_factory=list)

    @classmethod
    async def open(cls, browser: Browser, site: str, customer: RoomCustomer, name: str) -> RoomPage:
        """A page with a connected socket."""
        context = await browser.new_context()
        found = cls(name, await context.new_page())
        found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
        found.page.on(
            "console", lambda said: found.complaints.append(said.text) if said.type == "error" else None
        )

        await found.page.goto(f"{site}/room.html")
        address = f"{customer.url.replace('http', 'ws', 1)}/v1/realtime/ws"
        await found.call("(...a) => socket.open(...a)", address, customer.token(name), customer.publishable)
        return found

    async def call(self, function: str, *arguments: Any) -> Any:
        """Run something on the page."""
        return await self.page.evaluate(f"a => ({function})(...a)", list(arguments))

    async def join(self, room_id: str, **media: bool) -> None:
        """Be in the room, with microphone and camera."""
        self.id = await self.call("(...a) => room.join(...a)", room_id, media)

    async def gets(self, *others: RoomPage, media: tuple[str, ...] = ("audio", "video")) -> None:
        """Wait until something new of each stream of the others has arrived."""
        keys = [f"{other.id}/{medium}" for other in others for medium in media]
        before = {key: await self.count(key) for key in keys}

        async def reason() -> str:
            for key in keys:
                got = await self.count(key) - before[key]
                if got < NEW:
                    return f"{self.name} got {got} new of {key}; complaints: {self.complaints}"
            return ""

        await until(reason, 30)

    async def count(self, key: str) -> int:
        """Of one stream, since it began."""
        return int(await self.call("received", key))

    async def streams(self) -> set[str]:
        """What is shown."""
        return set(await self.page.evaluate("Object.keys(streams)"))

    async def shows(self, *keys: str) -> None:
        """Wait until exactly this is shown."""

        async def reason() -> str:
            now = await self.streams()
            return "" if now == set(keys) else f"{self.name} shows {now}; complaints: {self.complaints}"

        await until(reason)
