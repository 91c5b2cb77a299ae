"""Members and typing over sockets (`realtime-block.md` 7, 8.1), and channels opened by signatures (13)."""

from __future__ import annotations

from typing import Any

import pytest

from parley.base.clock import ManualClock
from parley.channels.realtime.signatures import canonical, sign
from tests.wire.block.socket.serving import Realtime, Refused, pass_time, until_turned


async def two(realtime: Realtime, channel: str = "presence:room"):
    alice, bob = await realtime.connect("alice", name="Alice"), await realtime.connect("bob")
    for client in (alice, bob):
        await client.ask("subscribe", channel=channel)
        assert (await client.until(type="presence"))["action"] == "sync"
    return alice, bob


async def test_entering_changing_leaving(realtime: Realtime):
    alice, bob = await two(realtime)
    entered = await alice.ask("presence.enter", channel="presence:room", data={"name": "Alice"})
    for client in (alice, bob):
        join = await client.until(type="presence", action="join")
        assert join["member"] == entered["member"]
    member = entered["member"]
    assert (member["user_id"], member["status"], member["connections"]) == ("alice", "online", 1)
    assert member["data"] == {"name": "Alice", "user_id": "alice", "status": "online"}
    await alice.ask("presence.update", channel="presence:room", data={"status": "away"})
    update = await bob.until(type="presence", action="update")
    assert update["member"]["data"] == {"name": "Alice", "user_id": "alice", "status": "away"}
    await alice.ask("presence.leave", channel="presence:room")
    await bob.until(type="presence", action="leave")
    left = [frame for frame in await alice.nothing_more() if frame.get("action") == "leave"]
    assert not left  # the leaver does not get its own
    assert (await bob.ask("presence.get", channel="presence:room"))["members"] == []


async def test_nobody_is_somebody_else(realtime: Realtime):
    alice, _ = await two(realtime)
    with pytest.raises(Refused) as refused:
        await alice.ask("presence.enter", channel="presence:room", data={"user_id": "bob"})
    assert refused.value.code == "forbidden"


async def test_leaving_a_channel_leaves_its_members(realtime: Realtime):
    alice, bob = await two(realtime)
    await alice.ask("presence.enter", channel="presence:room")
    await alice.ask("unsubscribe", channel="presence:room")
    await bob.until(type="presence", action="leave")


async def test_a_clean_end_is_seen_at_once_and_a_broken_one_after_the_grace(
    realtime: Realtime, clock: ManualClock
):
    alice, bob = await two(realtime)
    carol = await realtime.connect("carol")
    await carol.ask("subscribe", channel="presence:room")
    for client in (alice, carol):
        await client.ask("presence.enter", channel="presence:room")
    await alice.close()
    assert (await bob.until(type="presence", action="leave"))["member"]["user_id"] == "alice"
    await carol.cut()
    await until_turned(lambda: len(realtime.block.sockets.connections) == 1)
    pass_time(realtime)
    assert not [frame for frame in await bob.nothing_more() if frame.get("action") == "leave"]
    clock.advance(16)
    pass_time(realtime)
    assert (await bob.until(type="presence", action="leave"))["member"]["user_id"] == "carol"


async def test_typing(realtime: Realtime, clock: ManualClock):
    alice, bob = await two(realtime, "chat:room")
    await alice.ask("typing.start", channel="chat:room")
    start = await bob.until(type="typing")
    assert start == {
        "type": "typing",
        "channel": "chat:room",
        "action": "start",
        "user": {"user_id": "alice", "user_name": "Alice"},
    }
    await alice.ask("typing.stop", channel="chat:room")
    stop = await bob.until(type="typing")
    assert (stop["action"], stop["user"]["user_name"], "reason" in stop) == ("stop", "Alice", False)
    await alice.ask("typing.start", channel="chat:room")
    await bob.until(type="typing", action="start")
    await alice.ask("publish", channel="chat:room", data={})
    assert (await bob.until(type="typing", action="stop"))["reason"] == "message"
    await alice.ask("typing.start", channel="chat:room")
    await bob.until(type="typing", action="start")
    clock.advance(7)
    realtime.block.typing.turn()
    assert (await bob.until(type="typing", action="stop"))["reason"] == "timeout"
    await alice.ask("typing.start", channel="chat:room")
    await bob.until(type="typing", action="start")
    await alice.cut()
    assert (await bob.until(type="typing", action="stop"))["reason"] == "disconnect"
    assert not [frame for frame in alice.all if frame["type"] == "typing"]


async def signed(
    realtime: Realtime, client, channel: str, user_id: str, /, **info: object
) -> dict[str, object]:
    data = {"user_id": user_id, "user_info": info}
    signature = sign(realtime.keys.secret.encode(), client.welcome["socket_id"], channel, canonical(data))
    return {"auth": f"{realtime.scope.app_id}:{signature}", "channel_data": data}


async def test_a_signature_opens_a_channel_and_makes_a_member(realtime: Realtime):
    alice = await realtime.connect("alice", "nothing")
    with pytest.raises(Refused):
        await alice.ask("subscribe", channel="presence:room")
    shown = await signed(realtime, alice, "presence:room", "alice", name="Alice")
    await alice.ask("subscribe", channel="presence:room", **shown)
    join = await alice.until(type="presence", action="join")
    assert join["member"]["data"]["name"] == "Alice"


@pytest.mark.parametrize(
    ("info", "code"),
    [
        ({"name": "x" * 5_000}, "payload_too_large"),
        ({"user_id": "bob"}, "forbidden"),
        ({"status": 7}, "validation_error"),
    ],
)
async def test_a_signed_member_that_cannot_be_joins_nothing(realtime: Realtime, info: Any, code: str):
    alice = await realtime.connect("alice", "nothing")
    shown = await signed(realtime, alice, "presence:room", "alice", **info)
    with pytest.raises(Refused) as refused:
        await alice.ask("subscribe", channel="presence:room", **shown)
    assert refused.value.code == code
    assert await alice.nothing_more() == []  # no second answer, no snapshot
    with pytest.raises(Refused):
        await alice.ask("presence.get", channel="presence:room")


async def test_a_name_of_any_length_types(realtime: Realtime):
    alice, bob = await realtime.connect("alice", name="A" * 300), await realtime.connect("bob")
    for client in (alice, bob):
        await client.ask("subscribe", channel="chat:room")
    await alice.ask("typing.start", channel="chat:room")
    assert (await bob.until(type="typing"))["user"]["user_name"] == "A" * 256


@pytest.mark.parametrize("wrong", ["socket", "channel", "user", "data"])
async def test_a_signature_for_something_else_opens_nothing(realtime: Realtime, wrong: str):
    alice, bob = await realtime.connect("alice"), await realtime.connect("bob")
    client = bob if wrong == "socket" else alice
    shown = await signed(
        realtime,
        client,
        "presence:other" if wrong == "channel" else "presence:room",
        "bob" if wrong == "user" else "alice",
    )
    if wrong == "data":
        shown["channel_data"] = {"user_id": "alice", "user_info": {"admin": True}}
    with pytest.raises(Refused) as refused:
        await alice.ask("subscribe", channel="presence:room", **shown)
    assert refused.value.code == "unauthorized_channel"  # though a grant would have opened it


async def test_what_is_said_of_somebody_away_does_not_make_them_present(
    realtime: Realtime, clock: ManualClock
):
    """The news of a user's arrival came after the connection was lost, and ended the grace for ever."""
    alice, bob = await two(realtime)
    await alice.ask("presence.enter", channel="presence:room")
    await alice.cut()
    await until_turned(lambda: len(realtime.block.sockets.connections) == 1)
    realtime.block.sockets.show_status(realtime.scope.app_id, "alice", "busy")
    pass_time(realtime)
    clock.advance(16)
    pass_time(realtime)
    assert (await bob.until(type="presence", action="leave"))["member"]["user_id"] == "alice"
