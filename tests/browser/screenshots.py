"""The pictures of the README, from this build: `python -m tests.netns python -m tests.browser.screenshots`.

Everybody gets a browser of their own, because Chromium reads its fake camera from one file per process.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, async_playwright, expect

from tests.browser import recorded_picture
from tests.browser.chatter import FIRST_PAGE, Chatter
from tests.browser.customer import GUEST, HOST, PARTICIPANT, PRESENTER, VIEWER, Customer, Meeting
from tests.browser.kit import MEETING, PATIENCE_MS, PHONE, VIEWPORT, KitPage
from tests.browser.portraits import draw
from tests.browser.server import ParleyServer
from tests.media.browser import FLAGS, chromium_path

IMAGES = Path(__file__).parents[2] / "docs" / "images"
DEVICES = """
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = wanted =>
        ask(wanted.video ? {...wanted, video: {...wanted.video, frameRate: 5}} : wanted);
    const names = {audioinput: 'Microphone', videoinput: 'Camera', audiooutput: 'Speakers'};
    Object.defineProperty(MediaDeviceInfo.prototype, 'label', {get() { return names[this.kind]; }});
"""
"""Few pictures a second are enough here, and Chromium names its fake devices after the files they play."""
LIVE_HOST = "livestream_host"
SETTLE_MS = 1500
"""For fades and notices of the kit."""


class Studio:
    """A server, its customer, and browsers with drawn people in front of them."""

    def __init__(self, server: ParleyServer, customer: Customer, stack: AsyncExitStack, folder: Path) -> None:
        self.server = server
        self.customer = customer
        self._stack = stack
        self._folder = folder
        self._browsers: dict[str, Browser] = {}

    async def browser(self, name: str, *flags: str) -> Browser:
        """A running Chromium."""
        if name not in self._browsers:
            playwright = await self._stack.enter_async_context(async_playwright())
            browser = await playwright.chromium.launch(
                executable_path=chromium_path(),
                args=[*FLAGS, *flags],
                ignore_default_args=["--headless", "--headless=old"],
            )
            self._stack.push_async_callback(browser.close)
            self._browsers[name] = browser
        return self._browsers[name]

    async def visit(self, address: str, name: str, **look: Any) -> Chatter:
        """Somebody on the chat page."""
        clip = await draw(await self.browser("painter"), name, self._folder)
        browser = await self.browser(name, f"--use-file-for-fake-video-capture={clip}")
        return await Chatter.open(browser, address, name, **look)

    async def sit_down(self, meeting: Meeting, name: str, preset: str, *, face: str = "") -> KitPage:
        """Somebody on the setup screen."""
        painter = await self.browser("painter")
        clip = await draw(painter, face or name, self._folder)
        browser = await self.browser(face or name, f"--use-file-for-fake-video-capture={clip}")
        invitation = await self.customer.invite(meeting, name, preset)
        return await KitPage.open(browser, self.server.url, invitation.token, DEVICES)


async def save(page: Page, name: str) -> None:
    """One picture, when nothing moves any more."""
    await page.mouse.move(640, 5)
    await expect(page.locator("rtk-notification")).to_have_count(0)
    await page.wait_for_timeout(SETTLE_MS)
    picture = await page.screenshot(path=IMAGES / f"{name}.png")
    print(f"{name}.png  {len(picture) // 1000} kB")


async def start_page(studio: Studio) -> None:
    """The page a newcomer opens first, with a meeting made on it."""
    context = await (await studio.browser("painter")).new_context(viewport=VIEWPORT, color_scheme="light")
    page = await context.new_page()
    await page.goto(studio.server.url)
    await page.fill("#title", "Weekly planning")
    await page.click("#start")
    await expect(page.locator("#result h2")).to_be_visible()
    await page.evaluate("scrollTo(0, 0)")
    await page.set_viewport_size({"width": 1280, "height": 1230})
    await save(page, "start")
    await context.close()


async def group_call(studio: Studio) -> None:
    """From the setup screen to four people, their chat, a poll, the list of people, and a guest who waits."""
    meeting = await studio.customer.create_meeting("Weekly planning")
    alice = await studio.sit_down(meeting, "Alice", HOST)
    await alice.playing(1)
    await save(alice.page, "setup")
    await alice.arrive()
    await alice.playing(1)
    await save(alice.page, "grid-1")

    bob = await studio.sit_down(meeting, "Bob", PARTICIPANT)
    await bob.arrive()
    await alice.playing(2)
    await save(alice.page, "grid-2")

    others = [await studio.sit_down(meeting, name, PARTICIPANT) for name in ("Carol", "Dan")]
    for other in others:
        await other.arrive()
    await alice.playing(4)
    await save(alice.page, "grid-4")

    await alice.press("chat")
    talk = [(bob, "Good morning! Shall we begin?"), (others[0], "Yes. I have the numbers of last week.")]
    for person, text in [*talk, (alice, "Great, please share them.")]:
        await person.page.evaluate(f"text => {MEETING}.chat.sendTextMessage(text)", text)
        await expect(alice.page.locator("rtk-chat").get_by_text(text)).to_be_visible()
    await save(alice.page, "chat")

    await alice.press("polls")
    await alice.page.evaluate(f"{MEETING}.polls.create('When do we meet next?', ['Tuesday', 'Thursday'])")
    for voter in (bob, *others):
        await voter.page.wait_for_function(f"{MEETING}.polls.items.length === 1")
        await voter.page.evaluate(f"{MEETING}.polls.vote({MEETING}.polls.items[0].id, 1)")
    await expect(alice.page.locator("rtk-poll")).to_be_visible()
    await save(alice.page, "polls")

    await alice.press("participants")
    gina = await studio.sit_down(meeting, "Gina", GUEST, face="Carol")
    await gina.join()
    await expect(gina.page.locator("rtk-waiting-screen")).to_be_visible(timeout=PATIENCE_MS)
    await save(gina.page, "waiting")
    await save(alice.page, "participants")
    for person in (alice, bob, *others, gina):
        await person.close()


async def webinar(studio: Studio) -> None:
    """What a viewer sees of two presenters."""
    meeting = await studio.customer.create_meeting("Spring release")
    presenters = [await studio.sit_down(meeting, name, PRESENTER) for name in ("Alice", "Dan")]
    for presenter in presenters:
        await presenter.arrive()
    viewer = await studio.sit_down(meeting, "Vic", VIEWER, face="Bob")
    await viewer.arrive()
    await viewer.playing(2)
    await save(viewer.page, "webinar")
    for person in (*presenters, viewer):
        await person.close()


async def chat_room(studio: Studio) -> None:
    """The demo's chat page: what was said, on a screen and on a phone, and a call."""
    alice = await studio.visit(studio.server.url + FIRST_PAGE, "Alice")
    await expect(alice.page.locator(".person")).to_have_count(1)
    bob = await studio.visit(alice.page.url, "Bob")
    carol = await studio.visit(alice.page.url, "Carol", viewport=PHONE, color_scheme="dark")
    await expect(alice.page.locator(".person")).to_have_count(3)
    talk = [
        (bob, "Good morning! The new start page is ready for a last look."),
        (bob, "Could somebody read the texts today?"),
        (carol, "I can, right after lunch."),
        (
            alice,
            "Wonderful. I have one question about the pictures:\nshall we show the call or the chat first?",
        ),
        (carol, "The chat. It is what people see most of the day."),
        (alice, "Agreed, then I will change the order."),
    ]
    for person, text in talk:
        await person.say(text)
        await expect(alice.line(text.split("\n")[0]).locator(".tick, .meta").first).to_be_visible()
    await bob.go_to("design")
    await bob.say("Colours for the charts are in the folder.")
    await bob.go_to("general")
    await carol.page.get_by_label("Your status").select_option("busy", force=True)
    await expect(alice.page.locator("[data-channel=design] .badge")).to_be_visible()
    await expect(alice.tick("Agreed")).to_have_class(re.compile("read"))
    await save(carol.page, "chat-phone")
    await bob.field.press_sequentially("Then ", delay=50)
    await expect(alice.page.locator(".typing")).to_contain_text("Bob")
    await alice.page.screenshot(path=IMAGES / "chat-room.png")
    await bob.field.fill("")

    await bob.page.get_by_role("button", name="Start a call").click()
    for person in (alice, carol):
        await person.page.get_by_role("button", name="Join", exact=True).click()
    await expect(alice.page.locator(".tile.camera")).to_have_count(2)
    for tile in await alice.page.locator(".tile video").element_handles():
        await alice.page.wait_for_function("each => each.videoWidth > 0", arg=tile)
    await save(alice.page, "chat-call")
    for person in (alice, bob, carol):
        await person.close()


async def recording(studio: Studio) -> None:
    """A picture out of a composed recording."""
    with tempfile.TemporaryDirectory() as folder:
        picture = await recorded_picture.take(await studio.browser("painter"), Path(folder))
    picture.quantize(256).save(IMAGES / "recording.png", optimize=True)


async def live_stream(studio: Studio) -> None:
    """The page of a live stream, with its controls."""
    meeting = await studio.customer.create_meeting("Spring release", live_stream_on_start=True)
    presenters = [await studio.sit_down(meeting, name, LIVE_HOST) for name in ("Alice", "Dan")]
    for presenter in presenters:
        await presenter.arrive()
    playback = f"{MEETING}.livestream.playbackUrl"
    await presenters[0].until(f"Boolean({playback})")
    stream_id = (await presenters[0].page.evaluate(playback)).split("/hls/")[1].split("/")[0]
    context = await (await studio.browser("viewer")).new_context(viewport={"width": 1280, "height": 720})
    page = await context.new_page()
    await page.goto(f"{studio.server.url}/watch/{stream_id}")
    await expect(page.locator(".viewers")).to_have_text("1")
    await page.wait_for_timeout(15 * SETTLE_MS)  # cameras begin coarsely
    await save(page, "livestream")
    await context.close()
    for presenter in presenters:
        await presenter.close()


async def main() -> None:
    """Take them all, or those scenes that were named."""
    scenes = {
        "start": start_page,
        "call": group_call,
        "webinar": webinar,
        "chat": chat_room,
        "livestream": live_stream,
        "recording": recording,
    }
    expect.set_options(timeout=PATIENCE_MS)
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        server = ParleyServer(folder / "data", rtp_ports="30000-30499")
        await server.start()
        try:
            customer = await Customer.open(server.url, server.account_id, server.api_token)
            async with AsyncExitStack() as stack:
                studio = Studio(server, customer, stack, folder)
                for name in sys.argv[1:] or scenes:
                    await scenes[name](studio)
            await customer.close()
        finally:
            await server.stop()


if __name__ == "__main__":
    asyncio.run(main())
