"""The built client in a real Chromium: chat, presence, and calls in both topologies."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests import netns
from tests.browser.proxy import wire_to
from tests.clients.typescript.conftest import PACKAGE
from tests.clients.typescript.pages import Person, all_of, create_room, site
from tests.clients.typescript.server import BlockServer
from tests.media.browser import chromium, chromium_path

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(chromium_path() is None, reason="chromium is not installed"),
    pytest.mark.skipif(shutil.which("janus") is None, reason="janus is not installed"),
    pytest.mark.skipif(netns.missing_network() is not None, reason=str(netns.missing_network())),
]
TOPOLOGIES = ("mesh", "sfu")
Open = Callable[..., Awaitable[Person]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def media_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BlockServer]:
    """A server with a media engine."""
    server = BlockServer(tmp_path_factory.mktemp("typescript-media") / "data", rtp_ports="31000-31499")
    try:
        await server.start()
        yield server
    finally:
        await server.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A running Chromium."""
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser: Browser, media_server: BlockServer) -> AsyncIterator[Open]:
    """Opens pages of connected people, which are closed after the test."""
    people: list[Person] = []
    async with site() as origin:

        async def open_one(name: str, *, via: str = "") -> Person:
            person = await Person.open(browser, origin, media_server, name, via=via)
            people.append(person)
            return person

        yield open_one
        await asyncio.gather(*(person.page.context.close() for person in people))


async def test_two_chat_and_see_each_other(open_page: Open):
    ada, bob = await open_page("ada"), await open_page("bob")
    for person in (ada, bob):
        await person.call("chat", "chat:browser", {"name": person.name.title()})
    await ada.comes_to("page.members()", ["Ada", "Bob"])
    await ada.do("page.channel.send({ text: 'Hello' }).then(() => true)")
    await bob.comes_to("page.messages", [["ada", "Hello"]])
    await bob.page.context.close()
    await ada.comes_to("page.members()", ["Ada"])


async def test_a_page_that_was_cut_off_misses_nothing(open_page: Open, media_server: BlockServer):
    async with wire_to(media_server.url) as wire:
        ada, bob = await open_page("ada", via=wire.url), await open_page("bob")
        for person in (ada, bob):
            await person.call("chat", "chat:cut", {"name": person.name})
        wire.cut()
        await ada.comes_to("page.told.some(([event]) => event === 'reconnecting')", True)
        await ada.do("void page.channel.send({ text: 'meanwhile' })")
        await bob.do("page.channel.send({ text: 'missed' }).then(() => true)")
        wire.heal()
        await ada.comes_to("page.messages", [["bob", "missed"], ["ada", "meanwhile"]])
        await ada.page.context.close()


@pytest.mark.parametrize("topology", TOPOLOGIES)
async def test_three_call_each_other_and_one_leaves(
    open_page: Open, media_server: BlockServer, topology: str
):
    room = await create_room(media_server, topology)
    people = [await open_page(name) for name in ("ada", "bob", "cleo")]
    for person in people:
        await person.call("join", room)
    for person in people:
        await person.gets(*all_of(other.name for other in people if other is not person))
    ada, _, cleo = people
    await cleo.do("page.room.leave()")
    await ada.comes_to("page.state().map(({ user_id }) => user_id)", ["bob"])
    assert await ada.do("page.heard") == [["joined", "bob"], ["joined", "cleo"], ["left", "cleo"]]
    await ada.gets("bob/audio", "bob/video")
    assert await cleo.do("page.room.localStream.getTracks().map(({ readyState }) => readyState)") == [
        "ended",
        "ended",
    ]
    for person in people:
        assert [event for event, _ in await person.do("page.told")] == ["connected"]


@pytest.mark.parametrize("topology", TOPOLOGIES)
async def test_what_is_switched_is_seen_by_the_others(
    open_page: Open, media_server: BlockServer, topology: str
):
    room = await create_room(media_server, topology)
    ada, bob = await open_page("ada"), await open_page("bob")
    await ada.call("join", room, {"video": False})
    await bob.call("join", room)
    await bob.gets("ada/audio")
    assert await bob.do("page.state()") == [
        {"user_id": "ada", "audio": True, "video": False, "screen": False}
    ]
    await ada.do("page.room.video.enable()")  # a camera that was not opened when joining
    await bob.gets("ada/video")
    assert await ada.do("page.room.audio.toggle()") is False
    await bob.comes_to("page.state()[0].audio", False)
    await ada.do("page.room.audio.unmute()")
    await bob.comes_to("page.state()[0].audio", True)
    assert [kind for kind, _ in await bob.do("page.heard")] == ["video", "audio", "audio"]


@pytest.mark.parametrize("topology", TOPOLOGIES)
async def test_a_screen_is_shared_and_put_away(open_page: Open, media_server: BlockServer, topology: str):
    room = await create_room(media_server, topology)
    ada, bob = await open_page("ada"), await open_page("bob")
    for person in (ada, bob):
        await person.call("join", room)
    await bob.gets("ada/video")
    for _ in range(2):
        await ada.do("page.room.screen.share()")
        await bob.gets("ada/screen", "ada/video", "ada/audio")
        await ada.do("page.room.screen.stop()")
        await bob.comes_to("page.room.participants[0].screenStream === undefined", True)
    assert [kind for kind, _ in await bob.do("page.heard")] == ["screen"] * 4
    await ada.gets("bob/video")


@pytest.mark.parametrize("topology", TOPOLOGIES)
async def test_somebody_who_came_during_an_interruption_is_there_after_it(
    open_page: Open, media_server: BlockServer, topology: str
):
    room = await create_room(media_server, topology)
    async with wire_to(media_server.url) as wire:
        ada, bob, cleo = await open_page("ada", via=wire.url), await open_page("bob"), await open_page("cleo")
        for person in (ada, bob):
            await person.call("join", room)
        await ada.gets(*all_of(["bob"]))
        wire.cut()
        await ada.comes_to("page.told.some(([event]) => event === 'reconnecting')", True)
        await cleo.call("join", room)
        await ada.gets(*all_of(["bob"]))  # media take other ways
        wire.heal()
        await ada.gets(*all_of(["bob", "cleo"]))
        await cleo.gets(*all_of(["ada", "bob"]))
        await ada.page.context.close()


async def test_the_call_of_the_readme_does_what_it_says(open_page: Open, media_server: BlockServer):
    (example,) = re.findall(
        r"^```js\n(.*?)^```$", (PACKAGE / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    room = await create_room(media_server, "mesh")
    ada, bob = await open_page("ada"), await open_page("bob")
    await ada.call("join", room)
    await bob.call("run", example.replace("room_…", room))
    await ada.comes_to("page.state()", [{"user_id": "bob", "audio": False, "video": False, "screen": False}])
    playing = "[...document.querySelectorAll('video')].filter(({ videoWidth }) => videoWidth > 0).length"
    await bob.comes_to(playing, 2)


async def test_a_room_that_does_not_exist_is_refused(open_page: Open):
    ada = await open_page("ada")
    joining = "page.client.realtime.webrtc.join({ room_id: 'room_none' })"
    refused = await ada.do(f"{joining}.catch(({{ code, status }}) => [code, status])")
    assert refused == ["not_found", 404]
