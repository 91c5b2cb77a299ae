"""A participant: one page in a browser context of its own, with the official client in it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, Page
from playwright.async_api import Error as PlaywrightError

from tests.media.browser import until

CAMERA, MICROPHONE, SCREEN, SCREEN_SOUND = "camera", "microphone", "screen", "screenSound"
NEW_FRAMES = 5
"""So many frames decoded one after the other are a moving picture."""
DEADLINE_S = 60.0
"""Only a failing test waits that long."""


@dataclass
class Person:
    """Somebody in a meeting, by display name."""

    name: str
    page: Page
    complaints: list[str] = field(default_factory=list)
    """Console errors and uncaught exceptions of the page."""

    @classmethod
    async def open(cls, browser: Browser, name: str, page_url: str) -> Person:
        """A page with the client loaded, not yet initialised."""
        context = await browser.new_context(viewport={"width": 1280, "height": 800})
        context.set_default_timeout(DEADLINE_S * 1000)
        person = cls(name, await context.new_page())
        person.page.on("pageerror", lambda error: person.complaints.append(str(error)))
        person.page.on(
            "console",
            lambda said: person.complaints.append(said.text) if said.type == "error" else None,
        )
        await person.page.goto(page_url)
        return person

    async def enter(self, token: str, base: str, **defaults: Any) -> None:
        """`RealtimeKitClient.init`, with some of its `defaults`."""
        await self.page.evaluate("args => enter(...args)", [token, base, defaults])

    async def join(self) -> None:
        """Join and wait until in the meeting."""
        await self.do("meeting.join()")
        await self.until("meeting.self.roomState === 'joined'")

    async def close(self) -> None:
        """Close the tab, without leaving first."""
        await self.page.context.close()

    async def do(self, expression: str) -> Any:
        """The value of an expression in the page; promises are awaited."""
        return await self.page.evaluate(f"async () => ({expression})")

    async def refused(self, expression: str) -> str:
        """The message of the error that an expression ends with."""
        try:
            value = await self.do(expression)
        except PlaywrightError as error:
            return error.message
        raise AssertionError(f"{self.name}: {expression} succeeded with {value!r}")

    async def until(self, expression: str, timeout_s: float = DEADLINE_S) -> Any:
        """Poll an expression until it is true; returns its value."""
        found: Any = None

        async def reason() -> str:
            nonlocal found
            found = await self.do(expression)
            return "" if found else f"{self.name}: not ({expression}); {await self._situation()}"

        await until(reason, timeout_s)
        return found

    async def _situation(self) -> str:
        complaints = [text[:300] for text in self.complaints[-4:]]
        return json.dumps({**await self.page.evaluate("situation()"), "complaints": complaints})

    async def received(self, other: str, what: str) -> dict[str, Any] | None:
        """What has arrived of somebody's track; None while there is no live track."""
        found: dict[str, Any] | None = await self.page.evaluate("args => received(...args)", [other, what])
        return found

    async def receives(self, *others: Person, what: tuple[str, ...] = (CAMERA, MICROPHONE)) -> None:
        """Wait until new pictures and new sound of each of them have been decoded, beginning now."""
        end = time.monotonic() + DEADLINE_S
        for other in others:
            for each in what:
                await self._receives(other.name, each, end - time.monotonic())

    async def _receives(self, other: str, what: str, timeout_s: float) -> None:
        first: dict[str, Any] | None = None
        wanted = NEW_FRAMES if what in (CAMERA, SCREEN) else 0

        async def reason() -> str:
            nonlocal first
            now = await self.received(other, what)
            if now is None or first is None or now["track"] != first["track"]:
                first = now or first
            elif now["count"] - first["count"] > wanted:
                return ""
            return f"{self.name} gets no {what} of {other} ({first} to {now}); {await self._situation()}"

        await until(reason, max(timeout_s, 1.0))

    async def width_from(self, other: Person) -> int:
        """Width of the camera picture that arrives from somebody, in pixels; 0 without one."""
        found = await self.received(other.name, CAMERA)
        return int(found["width"]) if found else 0


async def everybody_receives(*people: Person) -> None:
    """Every track in every direction."""
    for viewer in people:
        await viewer.receives(*(other for other in people if other is not viewer))
