"""The demo's chat page: what one writes is seen by others, and survives reloads and lost connections."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.browser.chatter import FIRST_PAGE, Chatter
from tests.browser.conftest import Stage
from tests.browser.kit import PATIENCE_MS, PHONE
from tests.browser.proxy import wire_to

expect.set_options(timeout=PATIENCE_MS)
PICTURES_LEAVE_ROOM = """() => {
    const parts = [...document.querySelectorAll('.tile, .controls, .scroller')];
    const boxes = parts.map(each => each.getBoundingClientRect());
    const areBeside = (one, other) => one.right <= other.left || other.right <= one.left;
    const areStacked = (one, other) => one.bottom <= other.top || other.bottom <= one.top;
    return boxes.every((one, at) => one.width > 0 && boxes.slice(at + 1).every(
        other => areBeside(one, other) || areStacked(one, other),
    ));
}"""
"""Of a call, for its controls and for what is written: nothing lies over anything else."""


@pytest_asyncio.fixture(loop_scope="session")
async def tabs() -> AsyncIterator[list[Chatter]]:
    """Tabs that are closed afterwards, none of which asked another host."""
    tabs: list[Chatter] = []
    yield tabs
    for tab in tabs:
        assert tab.foreign_hosts() == set()
        await tab.close()


async def ada_and_bob(stage: Stage, tabs: list[Chatter], *, bob_via: str = "") -> tuple[Chatter, Chatter]:
    """Two people in the same space, who see each other."""
    ada = await Chatter.open(stage.browser, stage.server.url + FIRST_PAGE, "Ada")
    tabs.append(ada)
    await ada.sees("Ada you")
    link = ada.page.url.replace(stage.server.url, bob_via or stage.server.url)
    bob = await Chatter.open(stage.browser, link, "Bob")
    tabs.append(bob)
    await bob.sees("Bob you", "Ada")
    await ada.sees("Ada you", "Bob")
    return ada, bob


async def test_two_people_talk_and_know_who_has_read_what(stage: Stage, tabs: list[Chatter]) -> None:
    ada, bob = await ada_and_bob(stage, tabs)
    await ada.say("Good morning!")
    await expect(bob.line("Good morning!").locator(".author")).to_have_text("Ada")
    await expect(ada.tick("Good morning!")).to_have_attribute("aria-label", "Read by Bob")

    await bob.field.press_sequentially("Hel")
    await expect(ada.page.locator(".typing")).to_have_text("Bob is typing")
    await bob.field.press("Enter")
    await expect(ada.line("Hel")).to_be_visible()
    await expect(ada.page.locator(".typing")).to_have_text("")
    assert ada.complaints == bob.complaints == []


async def test_a_reload_keeps_the_person_and_what_was_said(stage: Stage, tabs: list[Chatter]) -> None:
    ada, bob = await ada_and_bob(stage, tabs)
    await ada.say("First line\nSecond line")
    await bob.say("An answer")
    await expect(ada.line("An answer")).to_be_visible()
    await ada.page.reload()
    await ada.sees("Ada you", "Bob")
    await expect(ada.page.locator(".line")).to_contain_text(["First line\nSecond line", "An answer"])
    await expect(ada.line("First line")).to_have_class(re.compile("own"))
    await expect(ada.tick("First line")).to_have_attribute("aria-label", "Read by Bob")


async def test_messages_are_text_whatever_they_contain(stage: Stage, tabs: list[Chatter]) -> None:
    ada, bob = await ada_and_bob(stage, tabs)
    hostile = "<img src=x onerror=\"document.title = 'taken'\"> see https://example.org/a?b=1."
    await ada.say(hostile)
    await expect(bob.line(hostile)).to_be_visible()
    assert await bob.page.locator(".line img").count() == 0
    await expect(bob.line("see").get_by_role("link")).to_have_attribute("href", "https://example.org/a?b=1")
    assert await bob.page.title() == "#general · Parley"


async def test_what_is_said_elsewhere_is_counted_until_it_is_read(stage: Stage, tabs: list[Chatter]) -> None:
    ada, bob = await ada_and_bob(stage, tabs)
    await bob.go_to("design")
    await bob.say("A new colour?")
    await bob.say("Blue, perhaps")
    badge = ada.page.locator("[data-channel=design] .badge")
    await expect(badge).to_have_text("2")
    await expect(ada.page).to_have_title("(2) #general · Parley")
    await expect(bob.tick("Blue, perhaps")).to_have_attribute("aria-label", "Sent")
    await ada.go_to("design")
    await expect(ada.page.locator(".separator.unread + .line")).to_contain_text("A new colour?")
    await expect(badge).to_be_hidden()
    await expect(bob.tick("A new colour?")).to_have_attribute("aria-label", "Read by Ada")


async def test_a_status_is_seen_by_others(stage: Stage, tabs: list[Chatter]) -> None:
    ada, bob = await ada_and_bob(stage, tabs)
    await bob.page.get_by_label("Your status").select_option("dnd")
    await expect(ada.page.locator(".person", has_text="Bob").locator("small")).to_have_text("Do not disturb")


async def test_whoever_reads_older_messages_is_not_moved_and_finds_the_way_back(
    stage: Stage, tabs: list[Chatter]
) -> None:
    ada, bob = await ada_and_bob(stage, tabs)
    for number in range(60):
        await ada.say(f"Line {number}.")
    await expect(ada.page.locator(".line.sent")).to_have_count(60)
    await bob.page.reload()
    await expect(bob.line("Line 59.")).to_be_in_viewport()
    await expect(bob.page.locator(".line")).to_have_count(50)
    await bob.page.locator(".scroller").evaluate("each => each.scrollTo(0, 0)")
    await expect(bob.page.locator(".line")).to_have_count(60)
    await expect(bob.line("Line 10.")).to_be_in_viewport()
    await ada.say("Something new")
    newest = bob.page.get_by_role("button", name="1 new")
    await expect(bob.line("Line 10.")).to_be_in_viewport()
    await newest.click()
    await expect(bob.line("Something new")).to_be_in_viewport()
    await expect(newest).to_be_hidden()


async def test_on_a_phone_the_keyboard_reaches_the_channels_and_comes_back(
    stage: Stage, tabs: list[Chatter]
) -> None:
    ada = await Chatter.open(stage.browser, stage.server.url + FIRST_PAGE, "Ada", viewport=PHONE)
    tabs.append(ada)
    toggle = ada.page.get_by_role("button", name="Channels")
    panel = ada.page.get_by_role("complementary", name="Space")
    await toggle.press("Enter")
    await expect(panel).to_be_focused()
    await expect(toggle).to_have_attribute("aria-expanded", "true")
    await ada.page.keyboard.press("Escape")
    await expect(panel).to_be_hidden()
    await expect(toggle).to_be_focused()
    assert await ada.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.faults
async def test_what_is_written_without_a_connection_arrives_when_it_is_back(
    stage: Stage, tabs: list[Chatter]
) -> None:
    async with wire_to(stage.server.url) as wire:
        ada, bob = await ada_and_bob(stage, tabs, bob_via=wire.url)
        wire.cut()
        banner = bob.page.locator(".banner")
        await expect(banner).to_contain_text("Connection lost. Reconnecting")
        await bob.say("Written in a tunnel")
        await expect(bob.tick("Written in a tunnel")).to_have_attribute("aria-label", "Sending")
        await ada.say("Said meanwhile")
        wire.heal()
        await expect(banner).to_contain_text("Back online")
        await expect(ada.line("Written in a tunnel")).to_be_visible()
        await expect(bob.line("Said meanwhile")).to_be_visible()
        await expect(bob.line("Written in a tunnel")).to_have_count(1)
        await expect(banner).to_be_hidden()


async def test_two_people_see_each_other_in_a_call(stage: Stage, tabs: list[Chatter]) -> None:
    ada, bob = await ada_and_bob(stage, tabs)
    await ada.page.get_by_role("button", name="Start a call").click()
    await bob.page.get_by_role("button", name="Join", exact=True).click()
    for person, other in ((ada, "Bob"), (bob, "Ada")):
        video = person.page.locator(".tile.camera", has_text=other).locator("video")
        await expect(video).to_be_visible()
        handle = await video.element_handle()
        await person.page.wait_for_function("each => each.videoWidth > 0 && each.currentTime > 0", arg=handle)
    await bob.page.set_viewport_size(PHONE)
    await bob.page.wait_for_function(PICTURES_LEAVE_ROOM)
    await bob.page.get_by_role("button", name="Microphone").click()
    await expect(ada.page.locator(".tile.camera .muted")).to_be_visible()
    await bob.page.get_by_role("button", name="Leave the call").click()
    await expect(ada.page.locator(".tile")).to_have_count(1)
    await expect(bob.page.locator(".call")).to_be_hidden()
