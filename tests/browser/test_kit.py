"""The real meeting page with the official UI kit: by clicks, and without leaving the origin."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest_asyncio
from playwright.async_api import expect

from tests.browser.conftest import Stage
from tests.browser.customer import GUEST, HOST, PARTICIPANT, PRESENTER, VIEWER, Meeting
from tests.browser.kit import MEETING, PATIENCE_MS, KitPage

Visit = Callable[[Meeting, str, str], Awaitable[KitPage]]


@pytest_asyncio.fixture(loop_scope="session")
async def visit(stage: Stage) -> AsyncIterator[Visit]:
    """Opens setup screens; afterwards, no page has left the origin or complained."""
    opened: list[KitPage] = []
    expect.set_options(timeout=PATIENCE_MS)

    async def visit(meeting: Meeting, name: str, preset: str) -> KitPage:
        invitation = await stage.customer.invite(meeting, name, preset)
        opened.append(await KitPage.open(stage.browser, stage.server.url, invitation.token))
        return opened[-1]

    yield visit
    for kit in opened:
        await kit.close()
    for kit in opened:
        assert kit.foreign() == []
        assert kit.complaints == []


async def test_people_meet_by_clicking_join(stage: Stage, visit: Visit) -> None:
    meeting = await stage.meeting("Kit")
    alice = await visit(meeting, "Alice", HOST)
    await alice.arrive()
    bob = await stage.join(meeting, "Bob", PARTICIPANT)
    await alice.playing(2)
    await bob.until("person('Alice')")
    # The kit shows a message twice that comes while it fetches its first page: so before it, and after it.
    chat = alice.page.locator("rtk-chat")
    await bob.do("meeting.chat.sendTextMessage('Hello from Bob')")
    await alice.until(f"{MEETING}.chat.messages.length === 1")
    await alice.press("chat")
    await expect(chat.get_by_text("Hello from Bob")).to_be_visible()
    await bob.do("meeting.chat.sendTextMessage('Nice to see you')")
    await expect(chat.get_by_text("Nice to see you")).to_be_visible()
    composer = alice.page.locator("rtk-chat textarea")
    await composer.fill("Hello from Alice")
    await composer.press("Enter")
    await bob.until("texts().includes('Hello from Alice')")

    await alice.press("polls")
    await bob.do("meeting.polls.create('Tea or coffee?', ['tea', 'coffee'])")
    await expect(alice.page.locator("rtk-poll").get_by_text("Tea or coffee?")).to_be_visible()
    await alice.page.locator("rtk-poll").get_by_text("coffee", exact=True).click()
    await bob.until("meeting.polls.items[0].options[1].count === 1")

    await alice.press("participants")
    # Last, because four pages of moving pictures leave two cores little time for clicks.
    await stage.join_all(meeting, PARTICIPANT, "Carol", "Dan")
    await expect(alice.page.locator("rtk-participants rtk-participant")).to_have_count(4)
    await alice.playing(4)


async def test_a_guest_waits_on_the_page_and_is_admitted_by_a_click(stage: Stage, visit: Visit) -> None:
    meeting = await stage.meeting("Kit waiting room")
    alice = await visit(meeting, "Alice", HOST)
    await alice.arrive()
    gina = await visit(meeting, "Gina", GUEST)
    await gina.join()
    await expect(gina.page.locator("rtk-waiting-screen")).to_be_visible()
    await alice.press("participants")
    await alice.page.get_by_role("button", name="Requests").click()
    waiting = alice.page.locator("rtk-participants-waiting-list")
    await expect(waiting.get_by_text("Gina")).to_be_visible()
    await waiting.locator("rtk-button").last.click()  # the other one denies
    await expect(gina.page.locator("rtk-grid").first).to_be_visible()


async def test_a_viewer_watches_a_webinar(stage: Stage, visit: Visit) -> None:
    meeting = await stage.meeting("Kit webinar")
    await stage.join(meeting, "Wanda", PRESENTER)
    vic = await visit(meeting, "Vic", VIEWER)
    await vic.arrive()
    await vic.playing(1)
    assert await vic.page.evaluate(f"{MEETING}.stage.status") == "OFF_STAGE"


async def test_leaving_ends_on_a_page_that_offers_the_way_back(stage: Stage, visit: Visit) -> None:
    meeting = await stage.meeting("Kit leaving")
    alice = await visit(meeting, "Alice", HOST)
    await alice.arrive()
    await alice.page.locator("rtk-leave-button rtk-controlbar-button").click()
    await alice.page.locator("rtk-leave-meeting rtk-button", has_text="Leave").last.click()
    await expect(alice.page.locator("[data-state=left]")).to_be_visible()
