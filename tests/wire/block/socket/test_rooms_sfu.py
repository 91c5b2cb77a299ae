"""The server as a party in rooms, on a real media engine, without sending a packet.

That streams flow is in `tests/browser/test_rooms.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from msgspec import convert

from parley.accounts.app_settings import write
from parley.accounts.plans import PlanSettings
from parley.accounts.scope import AppScope
from parley.base.signing import SignedLinks
from parley.bus import MemoryBus
from parley.headless.descriptions import Direction, Section
from parley.headless.descriptions import write as describe
from parley.media.janus.config import JanusOptions
from parley.media.janus.engine import JanusEngine
from parley.media.pool import MediaPool
from parley.recordings import store as rows
from parley.recordings.model import RecordingStatus
from parley.recordings.service import Recordings as Films
from parley.rooms import service
from parley.rooms.events import RoomChanged, RoomEnded
from parley.rooms.model import NewRoom, Room
from parley.store.core import Store
from tests.browser.rooms import RoomCustomer, RoomPage, room_site
from tests.media.browser import chromium, chromium_path
from tests.netns import missing_network
from tests.wire.block.socket.serving import Client, Realtime, Refused, serving_realtime, until_turned
from tests.wire.realtimekit.client.studio import CREDENTIALS

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
OFFER = describe(
    CREDENTIALS,
    [Section("0", "audio", Direction.SENDONLY), Section("1", "video", Direction.SENDONLY)],
    setup="actpass",
    version=1,
)
TRACKS = {"0": "audio", "1": "video"}
WAIT_S = 30.0
"""Only a failing test waits that long."""


@contextlib.asynccontextmanager
async def engine(**options: Any) -> AsyncIterator[MediaPool]:
    """A running engine."""
    if (reason := missing_network()) is not None or shutil.which("janus") is None:
        pytest.skip(reason or "janus is not installed")
    pool = MediaPool({"local": JanusEngine(JanusOptions(rtp_ports=(47000, 47199), **options))})
    await pool.start()
    try:
        yield pool
    finally:
        await pool.stop()


@pytest_asyncio.fixture
async def pool() -> AsyncIterator[MediaPool]:
    """A running engine."""
    async with engine() as pool:
        yield pool


@contextlib.asynccontextmanager
async def serving(
    store: Store,
    scope: AppScope,
    pool: MediaPool,
    *names: str,
    bus: MemoryBus | None = None,
    films: Films | None = None,
) -> AsyncIterator[list[Realtime]]:
    """Server processes on one store; they share the engine, so that one can go on where another stopped."""
    async with scope.change() as change:
        await write(change, "plan", PlanSettings(plan="enterprise"))
    async with contextlib.AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                serving_realtime(store, scope, bus=bus, node_id=name, pool=pool, films=films)
            )
            for name in names
        ]


@pytest_asyncio.fixture
async def realtime(store: Store, app_scope: AppScope, pool: MediaPool) -> AsyncIterator[Realtime]:
    """One server process with an engine."""
    async with serving(store, app_scope, pool, "node") as (served,):
        yield served


async def make(realtime: Realtime, **members: Any) -> Room:
    return await service.create_room(realtime.scope, NewRoom(name="Room", **members), None)


async def enter(realtime: Realtime, room: Room, name: str, **media: bool) -> Client:
    client = await realtime.connect(name)
    client.welcome["joined"] = await client.ask("webrtc.join", room_id=room.id, **media)
    return client


async def tell(client: Client, room: Room, **members: Any) -> Any:
    """A signal to the server."""
    return await client.ask("webrtc.signal", room_id=room.id, to="sfu", **members)


async def send(client: Client, room: Room, connection: str = "s", **members: Any) -> dict[str, Any]:
    """Open a sending connection; the server's answer."""
    asked = {"pc": "send", "kind": "offer", "sdp": OFFER, "tracks": TRACKS, **members}
    await tell(client, room, connection=connection, **asked)
    return await client.until(type="webrtc.signal", pc="send", kind="answer")


async def receive(client: Client, room: Room, connection: str = "r") -> dict[str, Any]:
    """Open a receiving connection; the server's answer."""
    await tell(client, room, pc="receive", kind="offer", connection=connection, sdp=OFFER)
    return await client.until(type="webrtc.signal", pc="receive", kind="answer")


@pytest.mark.media
async def test_offers_are_answered_under_the_names_of_their_connections(realtime: Realtime):
    room = await make(realtime)
    alice = await enter(realtime, room, "alice")
    joined = alice.welcome["joined"]
    assert (joined["topology"], joined["sfu"]) == ("sfu", {"id": "sfu"})
    for told, pc, connection in (
        (await send(alice, room), "send", "s"),
        (await receive(alice, room), "receive", "r"),
    ):
        sdp = told.pop("sdp")
        assert "a=candidate:" in sdp
        assert told == {
            "type": "webrtc.signal",
            "room_id": room.id,
            "from": "sfu",
            "kind": "answer",
            "pc": pc,
            "connection": connection,
        }


@pytest.mark.media
async def test_candidates_are_not_needed(realtime: Realtime):
    room = await make(realtime)
    alice = await enter(realtime, room, "alice")
    assert await tell(alice, room, kind="candidate", candidate=None) == {}


@pytest.mark.media
@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"tracks": None}, "validation_error"),
        ({"tracks": {"0": "video", "1": "audio"}}, "validation_error"),
        ({"tracks": {"0": "audio", "7": "video"}}, "validation_error"),
        ({"tracks": {"0": "smell"}}, "validation_error"),
        ({"tracks": {"0": "audio", "1": "audio"}}, "validation_error"),
        ({"tracks": {"1": "screen"}}, "forbidden"),
        ({"sdp": "v=0"}, "validation_error"),
        ({"pc": "both"}, "validation_error"),
        ({"pc": "receive", "kind": "answer"}, "conflict"),
        ({"connection": ""}, "bad_request"),
    ],
)
async def test_a_wrong_offer_is_refused(realtime: Realtime, members: dict[str, Any], code: str):
    settings = {"screen_sharing": {"enabled": False}}
    room = await service.create_room(
        realtime.scope, convert({"name": "Room", "settings": settings}, NewRoom), None
    )
    alice = await enter(realtime, room, "alice")
    asked = {"pc": "send", "kind": "offer", "sdp": OFFER, "tracks": TRACKS, "connection": "x", **members}
    with pytest.raises(Refused) as refused:
        await tell(alice, room, **asked)
    assert refused.value.code == code
    await send(alice, room)


@pytest.mark.media
async def test_a_bad_offer_takes_nothing_away(realtime: Realtime, pool: MediaPool):
    room = await make(realtime)
    alice = await enter(realtime, room, "alice")
    await send(alice, room)
    with pytest.raises(Refused):
        await send(alice, room, "another", sdp="m=audio 9\r\na=mid:0\r\nm=video 9\r\na=mid:1\r\n")
    assert pool.statuses()["local"].transports == 1
    await send(alice, room)  # the same connection goes on


@pytest.mark.media
async def test_everything_of_a_participant_is_released_when_it_leaves(realtime: Realtime, pool: MediaPool):
    room = await make(realtime)
    alice, bob = await enter(realtime, room, "alice"), await enter(realtime, room, "bob")
    for client in (alice, bob):
        await send(client, room)
        await receive(client, room)
    await alice.ask("webrtc.leave", room_id=room.id)
    await until_turned(lambda: pool.statuses()["local"].transports == 2)
    await bob.ask("webrtc.leave", room_id=room.id)
    await until_turned(lambda: pool.statuses()["local"].rooms == 0)


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it does."""
    async with asyncio.timeout(WAIT_S):
        while not await holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


@pytest.mark.media
async def test_a_room_is_recorded_while_it_is_to_be(store: Store, app_scope: AppScope, tmp_path: Path):
    films = Films(store, SignedLinks(bytes(32)), public_url="http://parley.test", keep=timedelta(days=1))
    seen: set[str] = set()

    async def is_recorded() -> bool:
        active = await rows.active_of_room(app_scope, room.id)
        seen.update(film.id for film in active)
        return [film.status for film in active] == [RecordingStatus.RECORDING]

    async def is_not_recorded() -> bool:
        return not await rows.active_of_room(app_scope, room.id)

    def captured(*wanted: str) -> Callable[[], Awaitable[bool]]:
        async def are_captured() -> bool:
            (film,) = await rows.active_of_room(app_scope, room.id)
            tracks = await rows.tracks_of(app_scope, film.id)
            return {track.source.value for track in tracks if track.stopped_at is None} == set(wanted)

        return are_captured

    def decide(recording_enabled: bool) -> None:
        app_id = app_scope.app_id
        realtime.block.heard(RoomChanged(app_id=app_id, room_id=room.id, recording_enabled=recording_enabled))

    async with (
        engine(captures_folder=tmp_path) as pool,
        serving(store, app_scope, pool, "node", films=films) as (realtime,),
    ):
        room = await make(realtime)
        alice = await enter(realtime, room, "alice", audio=True, video=True)
        await send(alice, room)
        assert await is_not_recorded()
        decide(True)
        await eventually(is_recorded)
        await eventually(captured("microphone", "camera"))
        await alice.ask("webrtc.media", room_id=room.id, video=False)
        await eventually(captured("microphone"))
        decide(False)
        await eventually(is_not_recorded)
        decide(True)
        await eventually(is_recorded)
        await service.end_room(app_scope, room.id)
        realtime.block.heard(RoomEnded(app_id=app_scope.app_id, room_id=room.id))
        await eventually(is_not_recorded)
    assert len(seen) == 2


@pytest.mark.media
async def test_another_connection_takes_the_place_of_the_one_before(realtime: Realtime, pool: MediaPool):
    room = await make(realtime)
    alice = await enter(realtime, room, "alice")
    for name in ("1", "2", "3"):
        await send(alice, room, name)
        await receive(alice, room, name)
    await until_turned(lambda: pool.statuses()["local"].transports == 2)


@pytest.mark.media
async def test_who_comes_back_hears_what_arrives_and_goes_on(realtime: Realtime, pool: MediaPool):
    room = await make(realtime)
    alice = await enter(realtime, room, "alice")
    await send(alice, room)
    await receive(alice, room)
    before = len(realtime.block.sockets.connections)
    await alice.cut()
    await until_turned(lambda: len(realtime.block.sockets.connections) < before)
    back = await realtime.connect("alice", resume=realtime.resume_of(alice))
    told = await back.until(type="webrtc.room")
    assert (told["action"], told["topology"], told["sfu"]) == ("sync", "sfu", {"id": "sfu"})
    told = await back.until(type="webrtc.signal")
    assert (told["kind"], told["connection"], told["streams"]) == ("streams", "r", {})
    assert pool.statuses()["local"].transports == 2


async def test_without_an_engine_a_room_says_when_to_try_again(store: Store, app_scope: AppScope):
    async with serving(store, app_scope, MediaPool({}), "node") as (realtime,):
        room = await make(realtime)
        alice = await enter(realtime, room, "alice")
        with pytest.raises(Refused) as refused:
            await send(alice, room)
        assert refused.value.code == "service_unavailable"
        assert refused.value.frame["retry_after"] > 0


@pytest.mark.media
async def test_who_is_connected_elsewhere_talks_to_the_process_with_the_media(
    store: Store, app_scope: AppScope, pool: MediaPool
):
    bus = MemoryBus()
    async with serving(store, app_scope, pool, "first", "second", bus=bus) as (first, second):
        room = await make(first)
        alice, bob = await enter(first, room, "alice"), await enter(second, room, "bob")
        await send(alice, room)
        await send(bob, room)
        await receive(bob, room)
        assert await second.block.rooms.sfu.homes.home(room.id) == "first"
        with pytest.raises(Refused) as refused:
            await send(bob, room, sdp="v=0", tracks={})
        assert refused.value.code == "validation_error"
        await bob.ask("webrtc.leave", room_id=room.id)
        await until_turned(lambda: pool.statuses()["local"].transports == 1)
    await bus.close()


@pytest.mark.media
@pytest.mark.browser
async def test_streams_flow_between_people_of_two_processes(
    store: Store, app_scope: AppScope, pool: MediaPool
):
    if chromium_path() is None:
        pytest.skip("chromium is not installed")
    bus = MemoryBus()
    async with (
        serving(store, app_scope, pool, "first", "second", bus=bus) as processes,
        chromium() as browser,
        room_site() as site,
    ):
        room = await make(processes[0])
        pages = []
        for name, process in zip("abc", (*processes, processes[1]), strict=True):
            origin = process.served.url("", "http")
            customer = RoomCustomer(origin, process.keys.publishable, process.keys.secret)
            pages.append(await RoomPage.open(browser, site, customer, name))
            await pages[-1].join(room.id)
        for page in pages:
            await page.gets(*(other for other in pages if other is not page))
        await pages[1].call("() => room.leave()")
        await pages[2].shows(f"{pages[0].id}/audio", f"{pages[0].id}/video")
        await pages[2].gets(pages[0])
    await bus.close()


@pytest.mark.media
@pytest.mark.browser
async def test_a_connection_full_of_ended_streams_is_replaced(
    realtime: Realtime, monkeypatch: pytest.MonkeyPatch
):
    if chromium_path() is None:
        pytest.skip("chromium is not installed")
    monkeypatch.setattr("parley.rooms.media.CLUTTER_LIMIT", 500)  # less than one picture
    async with chromium() as browser, room_site() as site:
        room = await make(realtime)
        origin = realtime.served.url("", "http")
        customer = RoomCustomer(origin, realtime.keys.publishable, realtime.keys.secret)
        alice, bob = [await RoomPage.open(browser, site, customer, name) for name in ("alice", "bob")]
        for page in (alice, bob):
            await page.join(room.id)
        await bob.call("() => sfu.share()")
        await alice.gets(bob, media=("audio", "video", "screen"))
        await bob.call("() => sfu.stopSharing()")
        await alice.page.wait_for_function("sfu.number === 3")
        await alice.gets(bob)
        assert await alice.streams() == {f"{bob.id}/audio", f"{bob.id}/video"}


@pytest.mark.media
async def test_a_room_goes_on_elsewhere_when_the_process_with_its_media_ends(
    store: Store, app_scope: AppScope, pool: MediaPool
):
    bus = MemoryBus()
    async with serving(store, app_scope, pool, "first", "second", bus=bus) as (first, second):
        room = await make(first)
        alice, bob = await enter(first, room, "alice"), await enter(second, room, "bob")
        await send(alice, room)
        await send(bob, room, "1")
        await first.block.rooms.sfu.stop()
        await second.block.rooms.sfu.homes.renew()
        for pc in ("send", "receive"):
            await bob.until(type="webrtc.signal", kind="reset", pc=pc)
        await send(bob, room, "2")
        assert await second.block.rooms.sfu.homes.home(room.id) == "second"
    await bus.close()
