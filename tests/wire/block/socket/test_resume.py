"""Coming back (`realtime-block.md` 9)."""

from __future__ import annotations

import pytest

from parley.base.clock import ManualClock
from parley.base.errors import Unavailable
from tests.wire.block.socket.serving import Realtime, Refused, pass_time, until_turned


async def lose(realtime: Realtime, client) -> None:
    """The client's connection is gone, and the server knows."""
    before = len(realtime.block.sockets.connections)
    await client.cut()
    await until_turned(lambda: len(realtime.block.sockets.connections) < before)


async def test_a_session_goes_on_where_it_was(realtime: Realtime):
    alice, bob = await realtime.connect("alice"), await realtime.connect("bob")
    place = await alice.ask("subscribe", channel="chat:room")
    await bob.ask("subscribe", channel="chat:room")
    await bob.ask("publish", channel="chat:room", data=1)
    await alice.until(type="message")
    await lose(realtime, alice)
    await bob.ask("publish", channel="chat:room", data=2)
    await bob.ask("trigger", channel="chat:room", event="cursor", data=3)
    seen = {"epoch": place["epoch"], "offset": 1}
    back = await realtime.connect("alice", resume=realtime.resume_of(alice, **{"chat:room": seen}))
    assert back.welcome["resumed"] is True
    assert back.welcome["session_id"] == alice.welcome["session_id"]
    assert back.welcome["resume_token"] != alice.welcome["resume_token"]
    assert back.welcome["socket_id"] != alice.welcome["socket_id"]
    assert back.welcome["channels"] == {
        "chat:room": {"recovered": True, "epoch": place["epoch"], "offset": 3}
    }
    await bob.ask("publish", channel="chat:room", data=4)
    await back.until(type="message", offset=4)
    kinds = [(frame["type"], frame.get("offset"), frame.get("replayed")) for frame in back.all]
    assert kinds == [
        ("welcome", None, None),
        ("message", 2, True),
        ("event", 3, True),
        ("presence", None, None),
        ("message", 4, None),
    ]


async def test_what_is_lost_is_said_and_the_subscription_stays(realtime: Realtime):
    alice = await realtime.connect("alice")
    await alice.ask("subscribe", channel="chat:room")
    await lose(realtime, alice)
    seen = {"epoch": "another", "offset": 1}
    back = await realtime.connect("alice", resume=realtime.resume_of(alice, **{"chat:room": seen}))
    told = back.welcome["channels"]["chat:room"]
    assert (told["recovered"], told["reason"], told["offset"]) == (False, "epoch_changed", 0)
    await back.ask("publish", channel="chat:room", data=1)
    await back.until(type="message")


async def test_what_to_resume_may_follow_a_token_in_the_address(realtime: Realtime):
    alice = await realtime.connect("alice")
    place = await alice.ask("subscribe", channel="chat:room")
    await lose(realtime, alice)
    query = f"?v=1&token={realtime.token('alice')}"
    back = await realtime.open(query)
    await back.until(type="welcome", resumed=False)
    seen = {"epoch": place["epoch"], "offset": 0}
    resume = realtime.resume_of(alice, **{"chat:room": seen})
    await back.tell("connect", token=realtime.token("alice"), resume=resume)
    welcome = await back.until(type="welcome", resumed=True)
    assert welcome["session_id"] == alice.welcome["session_id"]
    assert welcome["channels"]["chat:room"]["recovered"] is True
    await back.ask("publish", channel="chat:room", data=1)
    await back.until(type="message")
    assert len(realtime.block.sockets.sessions) == 1
    await back.tell("connect", id="late", token=realtime.token("alice"), resume=resume)
    assert (await back.until(type="error", id="late"))["error"]["code"] == "bad_request"
    unknown = await realtime.open(query)
    await unknown.until(type="welcome", resumed=False)
    await unknown.tell("connect", token=realtime.token("alice"), resume=resume)
    await unknown.until(type="welcome", resumed=False)
    await unknown.ask("subscribe", channel="chat:room")


async def test_a_resume_that_fails_is_told_and_may_be_tried_again(
    realtime: Realtime, monkeypatch: pytest.MonkeyPatch
):
    alice = await realtime.connect("alice")
    await alice.ask("subscribe", channel="chat:room")

    async def away(*_: object) -> None:
        raise Unavailable("The database is away.")

    with monkeypatch.context() as patched:
        patched.setattr(realtime.block.feeds, "prepare", away)
        back = await realtime.open()
        await back.tell("connect", token=realtime.token("alice"), resume=realtime.resume_of(alice))
        error = await back.until(type="error")
        assert (error["error"]["code"], error["error"]["status"], error["fatal"]) == (
            *("connection_failed", "500", True),
        )
        assert await back.close_code() == 4500
    realtime.block.sockets.turn()
    assert (await realtime.connect("alice", resume=realtime.resume_of(alice))).welcome["resumed"] is True


async def test_a_resume_token_works_once(realtime: Realtime):
    alice = await realtime.connect("alice")
    await lose(realtime, alice)
    resume = realtime.resume_of(alice)
    assert (await realtime.connect("alice", resume=resume)).welcome["resumed"] is True
    assert (await realtime.connect("alice", resume=resume)).welcome["resumed"] is False


async def test_a_session_is_kept_for_two_minutes(realtime: Realtime, clock: ManualClock):
    alice = await realtime.connect("alice")
    await lose(realtime, alice)
    clock.advance(121)
    realtime.block.sockets.turn()
    back = await realtime.connect("alice", resume=realtime.resume_of(alice))
    assert back.welcome["resumed"] is False


async def test_a_goodbye_is_for_good(realtime: Realtime):
    alice = await realtime.connect("alice")
    await alice.tell("disconnect")
    await alice.close_code()
    back = await realtime.connect("alice", resume=realtime.resume_of(alice))
    assert back.welcome["resumed"] is False


async def test_somebody_elses_session_is_refused_and_stays_resumable(realtime: Realtime):
    alice = await realtime.connect("alice")
    await lose(realtime, alice)
    mallory = await realtime.open()
    await mallory.tell("connect", token=realtime.token("mallory"), resume=realtime.resume_of(alice))
    assert (await mallory.until(type="error"))["error"]["code"] == "invalid_token"
    assert await mallory.close_code() == 4401
    assert (await realtime.connect("alice", resume=realtime.resume_of(alice))).welcome["resumed"] is True


async def test_the_newer_connection_takes_over(realtime: Realtime):
    alice = await realtime.connect("alice")
    await alice.ask("subscribe", channel="chat:room")
    back = await realtime.connect("alice", resume=realtime.resume_of(alice))
    assert back.welcome["resumed"] is True
    assert await alice.close_code() == 4409
    await back.ask("publish", channel="chat:room", data=1)
    await back.until(type="message")
    assert len(realtime.block.sockets.sessions) == 1


async def test_a_channel_that_the_new_token_does_not_open_is_lost(realtime: Realtime):
    alice = await realtime.connect("alice", "team:1", "chat:*")
    for channel in ("team:1", "chat:room"):
        await alice.ask("subscribe", channel=channel)
    await lose(realtime, alice)
    back = await realtime.connect("alice", "chat:*", resume=realtime.resume_of(alice))
    assert back.welcome["channels"]["team:1"] == {"recovered": False, "reason": "unauthorized"}
    assert "reason" not in back.welcome["channels"]["chat:room"]


async def test_a_member_leaves_a_channel_that_the_new_token_does_not_open(realtime: Realtime):
    alice, bob = await realtime.connect("alice"), await realtime.connect("bob")
    for channel in ("presence:a", "presence:b"):
        for client in (alice, bob):
            await client.ask("subscribe", channel=channel)
        await alice.ask("presence.enter", channel=channel)
    await lose(realtime, alice)
    await realtime.connect("alice", "presence:a", resume=realtime.resume_of(alice))
    left = await bob.until(type="presence", action="leave")
    assert (left["channel"], left["member"]["user_id"]) == ("presence:b", "alice")
    assert len((await bob.ask("presence.get", channel="presence:a"))["members"]) == 1


async def test_a_new_token_that_opens_less_ends_subscriptions(realtime: Realtime):
    alice = await realtime.connect("alice", "team:1", "chat:*")
    for channel in ("team:1", "chat:room", "public:a"):
        await alice.ask("subscribe", channel=channel)
    await alice.ask("auth", token=realtime.token("alice", "chat:*"))
    ended = await alice.until(type="unsubscribed")
    assert (ended["channel"], ended["code"]) == ("team:1", "unauthorized_channel")
    with pytest.raises(Refused):
        await alice.ask("publish", channel="team:1", data=1)
    for channel in ("chat:room", "public:a"):
        await alice.ask("publish", channel=channel, data=1)


@pytest.mark.parametrize("is_late", [False, True], ids=["within the grace", "after it"])
async def test_members_do_not_see_a_short_absence(realtime: Realtime, clock: ManualClock, is_late: bool):
    alice, bob = await realtime.connect("alice"), await realtime.connect("bob")
    for client in (alice, bob):
        await client.ask("subscribe", channel="presence:room")
    await alice.ask("presence.enter", channel="presence:room", data={"name": "Alice"})
    await bob.until(type="presence", action="join")
    await lose(realtime, alice)
    clock.advance(16 if is_late else 14)
    pass_time(realtime)
    back = await realtime.connect("alice", resume=realtime.resume_of(alice))
    clock.advance(20)
    pass_time(realtime)
    seen = [frame["action"] for frame in await bob.nothing_more() if frame["type"] == "presence"]
    assert seen == (["sync", "leave", "join"] if is_late else ["sync"])
    (member,) = (await back.ask("presence.get", channel="presence:room"))["members"]
    assert (member["user_id"], member["data"]["name"], member["connections"]) == ("alice", "Alice", 1)
