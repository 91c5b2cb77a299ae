"""WebRTC rooms in a real Chromium: everybody gets everybody's streams, in both topologies."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio

from tests.browser.conftest import Stage
from tests.browser.rooms import RoomCustomer, RoomPage, room_site
from tests.browser.test_recording import COLOURS, FAKE, TONES, WAIT_S, YELLOW, Film
from tests.hostile.descriptions import NEGOTIABLE, REFUSED
from tests.media.browser import until

Enter = Callable[..., Awaitable[list[RoomPage]]]
TOPOLOGIES = ("sfu", "mesh")
TOGETHER_S = 2.5


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def customer(shared_stage: Stage) -> RoomCustomer:
    """An app on the shared server."""
    return await RoomCustomer.open(shared_stage.server)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site() -> AsyncIterator[str]:
    """A customer's site."""
    async with room_site() as origin:
        yield origin


@pytest_asyncio.fixture(loop_scope="session")
async def enter(shared_stage: Stage, site: str, customer: RoomCustomer) -> AsyncIterator[Enter]:
    """Has people enter a room, one after the other; their pages are closed after the test."""
    opened: list[RoomPage] = []

    async def enter_room(room_id: str, *names: str, looks: bool = False, **media: bool) -> list[RoomPage]:
        pages = await asyncio.gather(
            *(RoomPage.open(shared_stage.browser, site, customer, name) for name in names)
        )
        opened.extend(pages)
        for page in pages:
            if looks:
                await page.page.evaluate(FAKE, [COLOURS[page.name], TONES[page.name], YELLOW])
            await page.join(room_id, **media)
        return list(pages)

    yield enter_room
    await asyncio.gather(*(page.page.context.close() for page in opened))


async def everybody_gets_everybody(pages: list[RoomPage]) -> None:
    await asyncio.gather(*(page.gets(*(other for other in pages if other is not page)) for page in pages))


async def test_three_get_each_others_sound_and_picture_directly(customer: RoomCustomer, enter: Enter):
    pages = await enter(await customer.create_room("mesh"), "alice", "bob", "carol")
    await everybody_gets_everybody(pages)
    assert [page.complaints for page in pages] == [[], [], []]


async def test_three_get_each_others_sound_and_picture_through_the_server_which_records_them(
    customer: RoomCustomer, enter: Enter
):
    room_id = await customer.create_room("sfu", recording_enabled=True)
    began_s = time.monotonic()
    pages = await enter(room_id, *COLOURS, looks=True)
    await everybody_gets_everybody(pages)
    await asyncio.sleep(TOGETHER_S)
    assert [page.complaints for page in pages] == [[], [], []]
    await customer.end_room(room_id)
    ended_s = time.monotonic() - began_s

    film, told = await recorded(customer, room_id)
    assert film.codecs == ["h264", "aac"]
    assert TOGETHER_S < film.length_s < ended_s + 0.5
    assert told["duration_seconds"] == pytest.approx(film.length_s, abs=1)
    together_s = film.length_s - TOGETHER_S + 0.5  # from the end, for who was seen when is not known
    for name, colour in COLOURS.items():
        assert film.share(together_s, colour) > 0.1, name
        assert film.moves(together_s, colour), name
        assert film.hears(together_s, TONES[name]), name


async def recorded(customer: RoomCustomer, room_id: str) -> tuple[Film, dict[str, Any]]:
    """The film of a room that has ended, and what is told of it."""

    async def reason() -> str:
        return "" if await customer.recordings(room_id) else "there is no recording"

    await until(reason, WAIT_S)
    (told,) = await customer.recordings(room_id)
    async with httpx.AsyncClient() as http:
        content = (await http.get(told["url"])).content
    assert len(content) == told["size_bytes"]
    assert told["content_type"] == "video/mp4"
    return await asyncio.to_thread(Film, content), told


@pytest.mark.parametrize("topology", TOPOLOGIES)
async def test_who_leaves_is_seen_no_more_and_the_others_go_on(
    customer: RoomCustomer, enter: Enter, topology: str
):
    room_id = await customer.create_room(topology)
    alice, bob, carol = await enter(room_id, "alice", "bob", "carol")
    await alice.gets(bob, carol)
    await carol.call("() => room.leave()")
    await alice.shows(f"{bob.id}/audio", f"{bob.id}/video")
    await alice.gets(bob)


async def test_what_is_switched_off_is_not_forwarded(customer: RoomCustomer, enter: Enter):
    room_id = await customer.create_room("sfu")
    alice, bob = await enter(room_id, "alice", "bob")
    await alice.gets(bob)
    await bob.call("(...a) => room.switch(...a)", {"video": False})
    await alice.gets(bob, media=("audio",))  # what was under way has arrived
    before = await alice.count(f"{bob.id}/video")
    await alice.gets(bob, media=("audio",))
    assert await alice.count(f"{bob.id}/video") == before
    await bob.call("(...a) => room.switch(...a)", {"video": True})
    await alice.gets(bob)


async def test_who_comes_in_switched_off_is_not_forwarded(customer: RoomCustomer, enter: Enter):
    room_id = await customer.create_room("sfu")
    (alice,) = await enter(room_id, "alice")
    (bob,) = await enter(room_id, "bob", video=False)
    await alice.gets(bob, media=("audio",))
    assert await alice.count(f"{bob.id}/video") == 0


async def test_a_shared_screen_comes_and_goes(customer: RoomCustomer, enter: Enter):
    room_id = await customer.create_room("sfu")
    alice, bob = await enter(room_id, "alice", "bob")
    for _ in range(2):
        await bob.call("() => sfu.share()")
        await alice.gets(bob, media=("audio", "video", "screen"))
        await bob.call("() => sfu.stopSharing()")
        await alice.shows(f"{bob.id}/audio", f"{bob.id}/video")
        await alice.call("() => sfu.tidy()")
    await alice.gets(bob)
    sections = await alice.page.evaluate("sfu.receive.localDescription.sdp.match(/^m=/mg).length")
    assert sections == 5  # two of the beginning, two of bob, and one for every screen


def fits(sdp: str) -> bool:
    """Whether it can be in a frame; larger ones end the sender's connection."""
    return len(json.dumps(sdp)) < 60 << 10


async def test_a_hostile_offer_harms_nobody(customer: RoomCustomer, enter: Enter):
    room_id = await customer.create_room("sfu")
    alice, bob, mallory = await enter(room_id, "alice", "bob", "mallory")
    attempt = """async (pc, kind, sdp, connection) => {
        const tracks = pc === 'send' ? { 0: 'audio', 1: 'video' } : undefined;
        try {
            await signal({ to: 'sfu', pc, kind, connection, sdp, tracks });
            return 'done';
        } catch ({ code }) {
            return code;
        }
    }"""
    for pc, kind, connection in (
        ("send", "offer", "x"),
        ("receive", "offer", "x"),
        ("receive", "answer", "2"),
    ):
        for what, sdp in REFUSED.items():
            if fits(sdp):
                outcome = await mallory.call(attempt, pc, kind, sdp, connection)
                assert outcome == "validation_error", f"{pc} {kind}: {what}"
    for number, sdp in enumerate(NEGOTIABLE.values()):
        for pc in ("send", "receive"):
            if fits(sdp):
                await mallory.call(attempt, pc, "offer", sdp, f"n{number}")
    await alice.gets(bob)
    await bob.gets(alice)


async def test_streams_flow_again_after_the_media_engine_was_lost(
    shared_stage: Stage, customer: RoomCustomer, enter: Enter
):
    room_id = await customer.create_room("sfu")
    pages = await enter(room_id, "alice", "bob")
    await everybody_gets_everybody(pages)
    os.kill(shared_stage.server.janus(), signal.SIGKILL)

    await asyncio.gather(*(page.page.wait_for_function("sfu.number >= 4") for page in pages))
    await everybody_gets_everybody(pages)
