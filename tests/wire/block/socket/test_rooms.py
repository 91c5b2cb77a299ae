"""WebRTC rooms whose participants signal each other (`realtime-block.md` 15)."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from parley.accounts.app_settings import write
from parley.accounts.plans import PlanSettings
from parley.accounts.scope import AppScope
from parley.base.clock import ManualClock
from parley.base.events import Event
from parley.bus import MemoryBus
from parley.channels.realtime.tokens import OneRoom
from parley.media.turn import IceOptions
from parley.rooms import service
from parley.rooms.live import LiveRooms
from parley.rooms.model import NewRoom, Role, Room
from parley.store.core import Store
from tests.wire.block.socket.serving import (
    Client,
    Realtime,
    Refused,
    pass_time,
    serving_realtime,
    until_turned,
)

MESH: dict[str, Any] = {"settings": {"topology": "mesh"}}


async def make(realtime: Realtime, created_by: str | None = "alice", **members: Any) -> Room:
    """A room of topology `mesh`, unless said otherwise."""
    return await service.create_room(
        realtime.scope, msgspec.convert({"name": "Room", **MESH, **members}, NewRoom), created_by
    )


async def join(client: Client, room: Room, **members: Any) -> dict[str, Any]:
    """The ack of a join."""
    return await client.ask("webrtc.join", room_id=room.id, **members)


async def end(realtime: Realtime, room: Room) -> None:
    """End a room, and let the server hear of it."""
    realtime.scope.store.outbox.listen(lambda item: realtime.block.heard(item.event))
    await service.end_room(realtime.scope, room.id)
    await realtime.scope.store.outbox.drain()


async def lose(realtime: Realtime, client: Client) -> None:
    """The client's connection is gone, and the server knows."""
    before = len(realtime.block.sockets.connections)
    await client.cut()
    await until_turned(lambda: len(realtime.block.sockets.connections) < before)


@pytest_asyncio.fixture
async def bus() -> AsyncIterator[MemoryBus]:
    """Between two processes."""
    bus = MemoryBus()
    yield bus
    await bus.close()


@pytest_asyncio.fixture
async def processes(
    store: Store, app_scope: AppScope, bus: MemoryBus
) -> AsyncIterator[tuple[Realtime, Realtime]]:
    """Two server processes on one store and one bus."""
    async with app_scope.change() as change:
        await write(change, "plan", PlanSettings(plan="enterprise"))
    async with contextlib.AsyncExitStack() as stack:
        first, second = [
            await stack.enter_async_context(serving_realtime(store, app_scope, bus=bus, node_id=name))
            for name in ("first", "second")
        ]
        yield first, second


async def test_a_newcomer_hears_who_is_there_and_they_hear_of_the_newcomer(realtime: Realtime):
    room = await make(realtime)
    alice = await realtime.connect("alice")
    bob = await realtime.connect("bob", name="Bob")
    first = await join(alice, room, audio=True, video=False)
    assert first["participants"] == []
    assert first["room"]["id"] == room.id
    assert first["topology"] == "mesh"
    assert "sfu" not in first
    second = await join(bob, room, user_data={"hat": "red"})
    assert [other["id"] for other in second["participants"]] == [first["participant"]["id"]]
    told = await alice.until(type="webrtc.participant")
    assert told == {
        "type": "webrtc.participant",
        "room_id": room.id,
        "action": "joined",
        "participant": second["participant"],
    }
    assert second["participant"] == {
        "id": second["participant"]["id"],
        "user_id": "bob",
        "name": "Bob",
        "role": "participant",
        "audio": True,
        "video": True,
        "screen": False,
        "joined_at": "2026-01-01T00:00:00.000Z",
        "user_data": {"hat": "red"},
    }
    assert await bob.nothing_more() == []


async def test_two_connections_of_a_user_are_two_participants(realtime: Realtime):
    room = await make(realtime)
    joined = [await join(await realtime.connect("alice"), room) for _ in range(2)]
    assert len({each["participant"]["id"] for each in joined}) == 2


async def test_joining_twice_is_joining_once(realtime: Realtime):
    room = await make(realtime)
    alice, bob = await realtime.connect("alice"), await realtime.connect("bob")
    await join(bob, room)
    first = await join(alice, room)
    assert await join(alice, room) == first
    await bob.until(type="webrtc.participant", action="joined")
    assert await bob.nothing_more() == []


async def test_signals_reach_their_participant_alone(realtime: Realtime):
    room = await make(realtime)
    alice, bob, carol = [await realtime.connect(name) for name in ("alice", "bob", "carol")]
    ids = [(await join(client, room))["participant"]["id"] for client in (alice, bob, carol)]
    offer = {"room_id": room.id, "to": ids[0], "kind": "offer", "sdp": "v=0"}
    assert await bob.ask("webrtc.signal", **offer) == {}
    assert await alice.until(type="webrtc.signal") == {
        "type": "webrtc.signal",
        "room_id": room.id,
        "from": ids[1],
        "kind": "offer",
        "sdp": "v=0",
    }
    candidate = {"candidate": "candidate:1 1 udp 1 10.0.0.1 9 typ host", "sdpMid": "0"}
    for sent in (candidate, None):
        await alice.ask("webrtc.signal", room_id=room.id, to=ids[1], kind="candidate", candidate=sent)
        assert (await bob.until(type="webrtc.signal"))["candidate"] == sent
    left = [frame for frame in await carol.nothing_more() if frame["type"] == "webrtc.signal"]
    assert left == []


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"kind": "offer", "sdp": "v=0", "to": "p_nobody"}, "not_found"),
        ({"kind": "offer", "sdp": "v=0", "to": "sfu"}, "not_found"),
        ({"kind": "offer"}, "validation_error"),
        ({"kind": "candidate"}, "validation_error"),
        ({"kind": "hello", "sdp": "v=0"}, "validation_error"),
    ],
    ids=["to nobody", "to the server", "an offer of nothing", "no candidate", "of no kind"],
)
async def test_a_wrong_signal_is_refused(realtime: Realtime, members: dict[str, Any], code: str):
    room = await make(realtime)
    alice, bob = await realtime.connect("alice"), await realtime.connect("bob")
    to = (await join(alice, room))["participant"]["id"]
    await join(bob, room)
    with pytest.raises(Refused) as refused:
        await bob.ask("webrtc.signal", **{"room_id": room.id, "to": to, **members})
    assert refused.value.code == code
    assert [frame for frame in await alice.nothing_more() if frame["type"] == "webrtc.signal"] == []


async def test_who_is_not_in_the_room_signals_nobody(realtime: Realtime):
    room = await make(realtime)
    alice, mallory = await realtime.connect("alice"), await realtime.connect("mallory")
    to = (await join(alice, room))["participant"]["id"]
    for type_, members in (
        ("webrtc.signal", {"to": to, "kind": "offer", "sdp": "v=0"}),
        ("webrtc.media", {"audio": True}),
    ):
        with pytest.raises(Refused) as refused:
            await mallory.ask(type_, room_id=room.id, **members)
        assert refused.value.code == "not_found"
    assert await alice.nothing_more() == []


async def test_what_somebody_sends_is_told_to_all_others(realtime: Realtime):
    room = await make(realtime)
    alice, bob = await realtime.connect("alice"), await realtime.connect("bob")
    await join(alice, room)
    await join(bob, room, audio=False)
    await alice.until(action="joined")
    said = await bob.ask("webrtc.media", room_id=room.id, audio=True, screen=True, video=True)
    told = await alice.until(type="webrtc.participant")
    assert (told["action"], told["changed"]) == ("media", ["audio", "screen"])
    assert told["participant"] == said["participant"]
    await bob.ask("webrtc.media", room_id=room.id, audio=True)
    assert await alice.nothing_more() == []
    assert await bob.nothing_more() == []


async def test_a_medium_that_the_room_does_not_have_cannot_be_switched_on(realtime: Realtime):
    settings = {"topology": "mesh", "video": {"enabled": False}, "screen_sharing": {"enabled": False}}
    room = await make(realtime, settings=settings)
    alice = await realtime.connect("alice")
    mine = (await join(alice, room, audio=True, video=True))["participant"]
    assert (mine["audio"], mine["video"]) == (True, False)
    for medium in ("video", "screen"):
        with pytest.raises(Refused) as refused:
            await alice.ask("webrtc.media", room_id=room.id, **{medium: True})
        assert refused.value.code == "forbidden"
    await alice.ask("webrtc.media", room_id=room.id, video=False)


async def test_a_full_room_takes_nobody_until_somebody_leaves(realtime: Realtime):
    room = await make(realtime, max_participants=2)
    alice, bob, carol = [await realtime.connect(name) for name in ("alice", "bob", "carol")]
    await join(alice, room)
    bobs = await join(bob, room)
    with pytest.raises(Refused) as refused:
        await join(carol, room)
    assert refused.value.code == "room_full"
    assert await bob.ask("webrtc.leave", room_id=room.id) == {"room_id": room.id}
    left = await alice.until(action="left")
    assert left["participant"] == bobs["participant"]
    assert len((await join(carol, room))["participants"]) == 1
    assert [frame["type"] for frame in await bob.nothing_more()] == []


async def test_a_room_that_asks_for_a_token_wants_the_right_one(realtime: Realtime, clock: ManualClock):
    room, other = await make(realtime, access="token"), await make(realtime)
    tokens = realtime.block.context.areas[LiveRooms].tokens
    alice = await realtime.connect("alice")
    wrong = [
        None,
        "nonsense",
        tokens.issue(other.id, "alice", Role.HOST),
        tokens.issue(room.id, "bob", Role.HOST),
    ]
    for token in wrong:
        with pytest.raises(Refused) as refused:
            await join(alice, room, **({"token": token} if token else {}))
        assert refused.value.code == "invalid_token"
    right = tokens.issue(room.id, "alice", Role.HOST, participant_id="p_promised")
    mine = (await join(alice, room, token=right))["participant"]
    assert (mine["role"], mine["id"]) == ("host", "p_promised")
    again = (await join(await realtime.connect("alice"), room, token=right))["participant"]
    assert again["id"] != "p_promised"
    clock.advance(2 * 3600)
    with pytest.raises(Refused) as refused:
        await join(await realtime.connect("alice"), room, token=right)
    assert refused.value.code == "invalid_token"


async def test_rooms_of_others_are_not_found(realtime: Realtime, other_app_scope: AppScope):
    theirs = await service.create_room(other_app_scope, NewRoom(name="Theirs"), None)
    alice = await realtime.connect("alice")
    for room_id in (theirs.id, "room_none", "", "room_\x00", "x" * 10_000):
        with pytest.raises(Refused) as refused:
            await alice.ask("webrtc.join", room_id=room_id)
        assert refused.value.code == "not_found"


async def test_the_end_of_a_room_is_told_to_all_and_nobody_comes_in_any_more(realtime: Realtime):
    room = await make(realtime)
    alice, bob = await realtime.connect("alice"), await realtime.connect("bob")
    for client in (alice, bob):
        await join(client, room)
    await alice.until(action="joined")
    await end(realtime, room)
    for client in (alice, bob):
        told = await client.until(type="webrtc.room")
        assert told == {"type": "webrtc.room", "room_id": room.id, "action": "ended"}
        assert await client.nothing_more() == []
    with pytest.raises(Refused) as refused:
        await join(alice, room)
    assert (refused.value.code, refused.value.frame["error"]["status"]) == ("expired", "410")
    assert await realtime.block.rooms.live.snapshot(realtime.scope.app_id, room.id) == []


async def test_a_short_absence_keeps_the_participant(realtime: Realtime, clock: ManualClock):
    room = await make(realtime)
    alice, bob = await realtime.connect("alice"), await realtime.connect("bob")
    mine = (await join(alice, room))["participant"]
    bobs = (await join(bob, room))["participant"]
    await lose(realtime, alice)
    clock.advance(14)
    pass_time(realtime)
    await bob.ask("webrtc.media", room_id=room.id, audio=False)
    back = await realtime.connect("alice", resume=realtime.resume_of(alice))
    told = await back.until(type="webrtc.room")
    assert (told["action"], told["rejoined"]) == ("sync", False)
    assert told["participant"] == mine
    assert told["participants"] == [{**bobs, "audio": False}]
    assert await bob.nothing_more() == []
    await bob.ask("webrtc.signal", room_id=room.id, to=mine["id"], kind="offer", sdp="v=0")
    await back.until(type="webrtc.signal")


async def test_a_long_absence_is_a_leave_and_coming_back_is_a_join(realtime: Realtime, clock: ManualClock):
    room = await make(realtime)
    alice, bob = await realtime.connect("alice"), await realtime.connect("bob")
    mine = (await join(alice, room))["participant"]
    await join(bob, room)
    await lose(realtime, alice)
    clock.advance(16)
    pass_time(realtime)
    assert (await bob.until(action="left"))["participant"] == mine
    back = await realtime.connect("alice", resume=realtime.resume_of(alice))
    assert (await back.until(type="webrtc.room"))["rejoined"] is True
    assert (await bob.until(action="joined"))["participant"] == mine


async def test_a_place_that_was_taken_meanwhile_is_lost(realtime: Realtime, clock: ManualClock):
    room = await make(realtime, max_participants=2)
    alice, bob, carol = [await realtime.connect(name) for name in ("alice", "bob", "carol")]
    for client in (alice, bob):
        await join(client, room)
    await lose(realtime, alice)
    clock.advance(16)
    pass_time(realtime)
    await join(carol, room)
    back = await realtime.connect("alice", resume=realtime.resume_of(alice))
    told = await back.until(type="webrtc.room")
    assert (told["action"], told["reason"]) == ("left", "room_full")
    with pytest.raises(Refused):
        await back.ask("webrtc.media", room_id=room.id, audio=False)


async def test_who_comes_back_hears_that_the_room_has_ended(realtime: Realtime):
    room = await make(realtime)
    alice = await realtime.connect("alice")
    await join(alice, room)
    await lose(realtime, alice)
    await service.end_room(realtime.scope, room.id)  # and the news of it got lost
    back = await realtime.connect("alice", resume=realtime.resume_of(alice))
    assert (await back.until(type="webrtc.room"))["action"] == "ended"


async def test_a_goodbye_leaves_at_once(realtime: Realtime):
    room = await make(realtime)
    alice, bob = await realtime.connect("alice"), await realtime.connect("bob")
    await join(alice, room)
    await join(bob, room)
    await alice.tell("disconnect")
    await bob.until(action="left")


async def test_ice_servers_have_credentials_of_the_user(realtime: Realtime, monkeypatch):
    options = IceOptions(("stun:192.0.2.1", "turn:192.0.2.1"), "secret")
    monkeypatch.setattr(realtime.block.rooms.sockets, "_ice", options)
    room = await make(realtime)
    stun, turn = (await join(await realtime.connect("alice"), room))["ice_servers"]
    assert stun == {"urls": ["stun:192.0.2.1"]}
    expires, _, user = turn["username"].partition(":")
    assert (int(expires) > 0, user) == (True, "alice")
    strange = (await join(await realtime.connect("al ice"), room))["ice_servers"][1]
    assert strange["username"].partition(":")[2].startswith("p_")


async def test_webhooks_hear_who_came_and_went(realtime: Realtime, clock: ManualClock):
    heard: list[Event] = []
    realtime.block.rooms.sockets.announce = lambda app_id, event: heard.append(event)
    room = await make(realtime)
    alice = await realtime.connect("alice")
    mine = (await join(alice, room))["participant"]
    clock.advance(90)
    await alice.ask("webrtc.leave", room_id=room.id)
    joined, left = heard
    assert (joined.participant_id, left.participant_id) == (mine["id"], mine["id"])
    assert left.duration_seconds == 90


async def test_large_user_data_is_refused(realtime: Realtime):
    room = await make(realtime)
    alice = await realtime.connect("alice")
    with pytest.raises(Refused) as refused:
        await join(alice, room, user_data={"x": "y" * 5_000})
    assert refused.value.code == "payload_too_large"
    assert (await join(alice, room))["participants"] == []


async def test_participants_of_two_processes_see_and_signal_each_other(processes):
    first, second = processes
    room = await make(first)
    alice, bob = await first.connect("alice"), await second.connect("bob")
    mine = (await join(alice, room))["participant"]
    joined = await join(bob, room)
    assert joined["participants"] == [mine]
    bobs = joined["participant"]
    await alice.until(action="joined")
    await alice.ask("webrtc.signal", room_id=room.id, to=bobs["id"], kind="offer", sdp="v=0")
    assert (await bob.until(type="webrtc.signal"))["from"] == mine["id"]
    await bob.ask("webrtc.media", room_id=room.id, video=False)
    assert (await alice.until(action="media"))["changed"] == ["video"]
    await bob.ask("webrtc.leave", room_id=room.id)
    await alice.until(action="left")


async def test_the_end_of_a_room_reaches_every_process(processes, store: Store):
    first, second = processes
    room = await make(first)
    alice, bob = await first.connect("alice"), await second.connect("bob")
    for client in (alice, bob):
        await join(client, room)
    for realtime in processes:
        store.outbox.listen(lambda item, realtime=realtime: realtime.block.heard(item.event))
    await service.end_room(first.scope, room.id)
    await store.outbox.drain()
    for client in (alice, bob):
        assert (await client.until(type="webrtc.room"))["action"] == "ended"


async def test_a_token_for_one_room_opens_nothing_else(realtime: Realtime):
    room, other = await make(realtime, access="token"), await make(realtime)
    token, _ = realtime.block.sockets.tokens.issue(
        realtime.scope.app_id,
        "live",
        "guest-1",
        [],
        info={"name": "Ada"},
        room=OneRoom(room.id, "host", "p_7"),
    )
    visitor = await realtime.open()
    await visitor.tell("connect", token=token)
    await visitor.until(type="welcome")
    mine = (await join(visitor, room))["participant"]
    assert (mine["id"], mine["name"], mine["role"]) == ("p_7", "Ada", "host")
    with pytest.raises(Refused) as refused:
        await join(visitor, other)
    assert refused.value.code == "not_found"
    for type_, members in (
        ("subscribe", {"channel": "public:news"}),
        ("publish", {"channel": "public:news", "data": 1}),
        ("trigger", {"channel": "public:news", "event": "x", "data": 1}),
        ("presence.enter", {"channel": "presence:x"}),
    ):
        with pytest.raises(Refused) as refused:
            await visitor.ask(type_, **members)
        assert refused.value.code == "forbidden"
    assert await join(visitor, room, token="nonsense")  # its connection says it all
