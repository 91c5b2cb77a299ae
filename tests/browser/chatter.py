"""Somebody on the demo's chat page, who types and clicks as people do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.async_api import Browser, Locator, Page, expect

from tests.browser.kit import PATIENCE_MS, VIEWPORT

FIRST_PAGE = "/chat"


@dataclass
class Chatter:
    """A tab of its own, and what it asks of the network."""

    page: Page
    name: str
    requested: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """Console errors (violations of the content security policy included) and uncaught exceptions."""

    @classmethod
    async def open(
        cls,
        browser: Browser,
        address: str,
        name: str,
        *,
        viewport: Any = VIEWPORT,
        color_scheme: Literal["light", "dark"] = "light",
    ) -> Chatter:
        """Somebody who has given a name and been let in."""
        context = await browser.new_context(viewport=viewport, color_scheme=color_scheme, locale="en-GB")
        who = cls(await context.new_page(), name)
        who.page.set_default_timeout(PATIENCE_MS)
        who.page.on("request", lambda request: who.requested.append(request.url))
        who.page.on("websocket", lambda opened: who.requested.append(opened.url))
        who.page.on("pageerror", lambda error: who.complaints.append(str(error)))
        who.page.on(
            "console", lambda said: who.complaints.append(said.text) if said.type == "error" else None
        )
        await who.page.goto(address)
        await who.page.get_by_label("Your name").fill(name)
        await who.page.locator(".welcome form button").click()
        return who

    async def sees(self, *names: str) -> None:
        """The list of people names exactly these."""
        people = self.page.locator(".person b")
        await expect(people).to_have_text([*names], timeout=PATIENCE_MS)

    @property
    def field(self) -> Locator:
        """Where messages are written."""
        return self.page.get_by_role("textbox")

    async def say(self, text: str) -> None:
        """Write a message and press Enter."""
        await self.field.fill(text)
        await self.field.press("Enter")

    def line(self, text: str) -> Locator:
        """The message with that text."""
        return self.page.locator(".line", has_text=text)

    def tick(self, text: str) -> Locator:
        """What became of one's own message."""
        return self.line(text).locator(".tick")

    async def go_to(self, channel: str) -> None:
        """Open another channel."""
        await self.page.locator(f"[data-channel={channel}] button").click()
        await expect(self.page.locator("main h1")).to_have_text(channel)

    async def close(self) -> None:
        """Close the tab."""
        await self.page.context.close()

    def foreign_hosts(self) -> set[str]:
        """Hosts that were asked besides the page's own."""
        own = urlsplit(self.page.url).netloc
        asked = {urlsplit(url).netloc for url in self.requested if url.startswith(("http", "ws"))}
        return asked - {own}
