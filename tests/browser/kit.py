"""Somebody on Parley's own meeting page, who clicks as people do; and what the page asks of the network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, Page, expect

from tests.media.browser import until

VIEWPORT = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
MEETING = "document.querySelector('rtk-meeting').meeting"
PATIENCE_MS = 60_000.0
"""Only a failing test waits that long."""


@dataclass
class KitPage:
    """A page with the official UI kit."""

    page: Page
    origin: str
    requested: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """Console errors (violations of the content security policy included) and uncaught exceptions."""

    @classmethod
    async def open(cls, browser: Browser, origin: str, token: str, script: str = "") -> KitPage:
        """The meeting page of a participant, up to its setup screen; `script` runs before the page's own."""
        context = await browser.new_context(viewport=VIEWPORT, color_scheme="dark")
        context.set_default_timeout(PATIENCE_MS)
        await context.add_init_script(script)
        kit = cls(await context.new_page(), origin)
        kit.page.on("request", lambda request: kit.requested.append(request.url))
        kit.page.on("websocket", lambda opened: kit.requested.append(opened.url))
        kit.page.on("pageerror", lambda error: kit.complaints.append(str(error)))
        kit.page.on(
            "console", lambda said: kit.complaints.append(said.text) if said.type == "error" else None
        )
        await kit.page.goto(f"{origin}/meet#token={token}")
        await expect(kit.join_button).to_be_visible(timeout=PATIENCE_MS)
        return kit

    @property
    def join_button(self) -> Any:
        """Of the setup screen."""
        return self.page.locator("rtk-setup-screen rtk-button", has_text="Join")

    async def join(self) -> None:
        """Click "Join"."""
        await self.join_button.click()

    async def arrive(self) -> None:
        """Click "Join" and wait for the meeting's grid."""
        await self.join()
        await expect(self.page.locator("rtk-grid").first).to_be_visible(timeout=PATIENCE_MS)

    async def press(self, toggle: str) -> None:
        """Open or close a panel: `chat`, `polls`, `participants`."""
        await self.page.locator(f"rtk-{toggle}-toggle rtk-controlbar-button").first.click()

    async def until(self, expression: str) -> None:
        """Wait until an expression is true; polled from here, as the page's policy forbids `eval`."""

        async def reason() -> str:
            return "" if await self.page.evaluate(expression) else f"not ({expression})"

        await until(reason, PATIENCE_MS / 1000)

    async def playing(self, count: int) -> None:
        """Wait until so many tiles show a moving picture."""
        await self.page.wait_for_function(
            """count => {
                const videos = [];
                const walk = root => {
                    for (const node of root.querySelectorAll('*')) {
                        if (node.tagName === 'VIDEO') videos.push(node);
                        if (node.shadowRoot) walk(node.shadowRoot);
                    }
                };
                walk(document);
                const live = videos.filter(each => each.getVideoPlaybackQuality().totalVideoFrames > 5
                    && each.getBoundingClientRect().width > 0);
                return live.length >= count;
            }""",
            arg=count,
            timeout=PATIENCE_MS,
        )

    def foreign(self) -> list[str]:
        """Requests to anywhere but the page's own origin."""
        own = {urlsplit(self.origin).netloc, ""}  # data: and blob: have no host
        return [url for url in self.requested if urlsplit(url).netloc not in own]

    async def close(self) -> None:
        """Close the tab."""
        await self.page.context.close()
