"""The page of a room: a call for whoever has its link, in rooms of the demo and of a customer's app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.chatter import FIRST_PAGE, Chatter
from tests.browser.conftest import Stage
from tests.browser.kit import PATIENCE_MS
from tests.browser.rooms import RoomCustomer

expect.set_options(timeout=PATIENCE_MS)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def customer(shared_stage: Stage) -> RoomCustomer:
    """An app on the shared server."""
    return await RoomCustomer.open(shared_stage.server)


@pytest_asyncio.fixture(loop_scope="session")
async def tabs() -> AsyncIterator[list[Chatter]]:
    """Tabs that are closed afterwards, none of which asked another host."""
    tabs: list[Chatter] = []
    yield tabs
    for tab in tabs:
        assert tab.foreign_hosts() == set()
        await tab.close()


async def sees_moving(who: Chatter, name: str) -> None:
    """Somebody's picture comes."""
    video = who.page.locator(".tile.camera", has_text=name).locator("video")
    handle = await video.element_handle()
    await who.page.wait_for_function("each => each.videoWidth > 0 && each.currentTime > 0", arg=handle)


async def knock(stage: Stage, address: str) -> Page:
    """A page on which nobody has said anything yet."""
    context = await stage.browser.new_context(locale="en-GB")
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    await page.goto(address)
    return page


@pytest.mark.parametrize("topology", ["sfu", "mesh"])
async def test_three_with_links_of_a_customer_are_in_one_call(
    stage: Stage, customer: RoomCustomer, tabs: list[Chatter], topology: str
) -> None:
    room = await customer.make_room(name="Stand-up", access="token", settings={"topology": topology})
    link = f"{room['attributes']['join_url']}#token={room['attributes']['token']}"
    for address, name in ((link, "Ada"), (link, "Bob"), (await customer.join_url(room["id"], "c"), "Carol")):
        tabs.append(await Chatter.open(stage.browser, address, name))
        await expect(tabs[-1].page.locator(".tile.self")).to_be_visible()
    ada, bob, carol = tabs
    for who in tabs:
        others = [other.name for other in tabs if other is not who]
        for name in others:
            await sees_moving(who, name)
        await expect(who.page.locator(".tile.camera figcaption")).to_have_text(others)
        await expect(who.page.get_by_text("3 people")).to_be_visible()
    await bob.page.get_by_role("button", name="Leave the call").click()
    await expect(bob.page.get_by_role("heading")).to_have_text("You left the call")
    await expect(ada.page.locator(".tile.camera figcaption")).to_have_text(["Carol"])
    await bob.page.get_by_role("button", name="Join again").click()
    await sees_moving(carol, "Bob")
    await customer.end_room(room["id"])
    for who in tabs:
        await expect(who.page.get_by_role("heading")).to_have_text("This call has ended")
    assert [who.complaints for who in tabs] == [[], [], []]


async def test_a_reload_comes_back_as_the_same_person_and_the_token_is_sent_to_nobody(
    stage: Stage, customer: RoomCustomer, tabs: list[Chatter]
) -> None:
    room = await customer.make_room(name="Stand-up", settings={"topology": "sfu"})
    link = f"{room['attributes']['join_url']}#token={room['attributes']['token']}"
    ada = await Chatter.open(stage.browser, link, "Ada")
    bob = await Chatter.open(stage.browser, link, "Bob")
    tabs += [ada, bob]
    await expect(bob.page.locator(".tile.camera figcaption")).to_have_text("Ada")
    await ada.page.reload()
    await expect(ada.page.locator(".tile.camera figcaption")).to_have_text("Bob")
    await expect(bob.page.locator(".tile.camera figcaption")).to_have_text("Ada")
    await sees_moving(ada, "Bob")
    token = urlsplit(link).fragment.removeprefix("token=")
    sent = [url.partition("#")[0] for who in tabs for url in who.requested]
    assert sent
    assert not [url for url in sent if token in url or "eyJ" in url]
    assert token not in stage.server.log.read_text()


async def test_whoever_comes_is_told_that_the_call_is_recorded(stage: Stage, customer: RoomCustomer) -> None:
    room = await customer.make_room(name="Stand-up", recording_enabled=True, settings={"topology": "sfu"})
    page = await knock(stage, f"{room['attributes']['join_url']}#token={room['attributes']['token']}")
    await expect(page.get_by_text("This call is recorded.")).to_be_visible()
    await page.context.close()


async def test_a_link_that_lets_nobody_in_says_why(stage: Stage, customer: RoomCustomer) -> None:
    room = await customer.make_room(name="Stand-up", settings={"topology": "sfu"})
    other = await customer.make_room(name="Other", settings={"topology": "sfu"})
    over = await customer.make_room(name="Over", settings={"topology": "sfu"})
    await customer.end_room(over["id"])
    address = room["attributes"]["join_url"]
    for link, title in (
        (address, "You need an invitation"),
        (f"{address}#token=nonsense", "This link does not work"),
        (f"{address}#token={other['attributes']['token']}", "This link does not work"),
        (f"{over['attributes']['join_url']}#token={over['attributes']['token']}", "This call has ended"),
        (f"{stage.server.url}/rooms/room_nowhere", "There is no such call"),
    ):
        page = await knock(stage, link)
        await expect(page.get_by_role("alert").get_by_role("heading")).to_have_text(title)
        await page.context.close()


async def test_a_call_of_the_demo_is_open_to_whoever_has_its_address(
    stage: Stage, tabs: list[Chatter]
) -> None:
    ada = await Chatter.open(stage.browser, stage.server.url + FIRST_PAGE, "Ada")
    tabs.append(ada)
    async with ada.page.expect_response("**/webrtc/rooms") as answered:
        await ada.page.get_by_role("button", name="Start a call").click()
    join_url = (await (await answered.value).json())["data"]["attributes"]["join_url"]
    carol = await Chatter.open(stage.browser, join_url, "Carol")
    tabs.append(carol)
    await expect(carol.page.locator(".tile.camera figcaption")).to_have_text("Ada")
    await expect(ada.page.locator(".tile.camera figcaption")).to_have_text("Carol")
