"""Real Chromium participants for media tests."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, Route, async_playwright

from parley.media.ports import MediaRoom, ReceiveTransport, SendTransport, Source, Subscription

PAGE = Path(__file__).with_name("peer.html")
ORIGIN = "http://localhost/"
"""Answered from the file without a server; a secure context, so the camera is allowed."""
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--use-fake-device-for-media-stream=fps=10",  # of 20: half the work for everybody who encodes and decodes
    "--use-fake-ui-for-media-stream",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--mute-audio",
]


def chromium_path() -> str | None:
    """The installed browser, or None."""
    names = (os.environ.get("PARLEY_CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    return next(filter(None, (shutil.which(name) for name in names if name)), None)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A running browser; participants get one context each."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium_path(),
            args=FLAGS,
            ignore_default_args=["--headless", "--headless=old"],
        )
        try:
            yield browser
        finally:
            await browser.close()


async def until(condition: Callable[[], Awaitable[str]], timeout_s: float = 40.0) -> None:
    """Poll until the condition returns an empty reason; fail with the last reason."""
    reason = "never checked"
    try:
        async with asyncio.timeout(timeout_s):
            while reason := await condition():  # noqa: ASYNC110 - the condition is in another process
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(reason) from None


class Peer:
    """A page that publishes to and receives from a room."""

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self.name = name
        self.sender: SendTransport
        self.receiver: ReceiveTransport
        self.closed: list[str] = []

    @classmethod
    async def open(cls, browser: Browser, name: str) -> Peer:
        context = await browser.new_context()
        page = await context.new_page()

        async def serve(route: Route) -> None:
            await route.fulfill(path=PAGE, content_type="text/html")

        await page.route("**/*", serve)
        await page.goto(ORIGIN)
        return cls(page, name)

    async def call(self, function: str, *arguments: Any) -> Any:
        return await self.page.evaluate(f"a => {function}(...a)", list(arguments))

    async def open_sender(self, room: MediaRoom) -> None:
        offer = await self.call("openSender")
        self.sender, answer = await room.open_sender(
            offer, label=self.name, on_closed=lambda: self.closed.append("sender")
        )
        await self.call("answered", "send", answer)

    async def open_receiver(self, room: MediaRoom) -> None:
        offer = await self.call("openReceiver")
        self.receiver, answer = await room.open_receiver(
            offer, label=self.name, on_closed=lambda: self.closed.append("receiver")
        )
        await self.call("answered", "receive", answer)

    async def publish(self, kind: str, *, simulcast: bool = False) -> Source:
        made = await self.call("publish", kind, simulcast)
        await self.call("answered", "send", await self.sender.negotiate(made["sdp"]))
        return Source(self.sender.id, made["mid"])

    async def unpublish(self, source: Source) -> None:
        offer = await self.call("unpublish", source.mid)
        await self.call("answered", "send", await self.sender.negotiate(offer))

    async def consume(self, *sources: Source) -> Subscription:
        subscription = await self.receiver.subscribe(sources)
        if subscription.offer_sdp is not None:
            await self.receiver.accept(await self.call("consume", subscription.offer_sdp))
        return subscription

    async def close_consumers(self, mids: Sequence[str]) -> None:
        offer = await self.call("closeConsumers", list(mids))
        await self.call("answered", "receive", await self.receiver.unsubscribe(mids, offer))

    async def received(self, mid: str) -> dict[str, int]:
        found = await self.call("received", mid)
        return found or {"packets": 0, "frames": 0, "shown": 0, "width": 0, "retransmitted": 0, "nacks": 0}

    async def wait_for_more(self, mid: str, what: str = "frames", count: int = 5) -> None:
        before = (await self.received(mid))[what]

        async def reason() -> str:
            got = (await self.received(mid))[what] - before
            return "" if got >= count else f"{self.name} got {got} new {what} in section {mid}, wants {count}"

        await until(reason)
