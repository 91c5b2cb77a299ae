"""Connecting, tokens, limits and close codes (`realtime-block.md` 6.4, 6.5)."""

from __future__ import annotations

import json

import jwt
import pytest

from parley.accounts.app_settings import write
from parley.accounts.plans import PlanSettings
from parley.accounts.scope import AppScope
from parley.base.clock import ManualClock
from parley.base.ids import AppId
from parley.bus import MemoryBus
from parley.wire.block.socket import open_sockets
from parley.wire.block.socket.open_sockets import OpenSockets
from parley.wire.block.socket.session import Sessions
from tests.wire.block.socket.serving import Realtime, Refused, until_turned


async def limit(realtime: Realtime, app_scope: AppScope, **numbers: int) -> None:
    async with app_scope.change() as change:
        await write(change, "plan", PlanSettings(plan="free", **numbers))
    realtime.block.settings.forget(app_scope.app_id)


async def test_the_welcome_says_what_holds(realtime: Realtime, app_scope):
    await limit(realtime, app_scope)
    alice = await realtime.connect("alice")
    welcome = alice.welcome
    assert welcome["v"] == 1
    assert welcome["socket_id"].startswith("socket_")
    assert (welcome["user_id"], welcome["app_id"]) == ("alice", app_scope.app_id)
    assert (welcome["environment"], welcome["resumed"]) == ("production", False)
    assert (welcome["heartbeat_interval_ms"], welcome["idle_timeout_ms"]) == (30_000, 75_000)
    assert welcome["limits"] == {
        "plan": "free",
        "channels": 10,
        "messages_per_second": 50,
        "max_frame_bytes": 65_536,
    }
    assert {
        "session_id",
        "resume_token",
        "resume_ttl_ms",
        "token_expires_at",
        "server_time",
    } <= welcome.keys()


async def test_the_token_may_be_in_the_address(realtime: Realtime):
    client = await realtime.open(f"?v=1&token={realtime.token('alice')}")
    assert (await client.until(type="welcome"))["user_id"] == "alice"


async def test_a_user_token_opens_the_default_grants(realtime: Realtime, clock: ManualClock):
    claims = {"sub": "alice", "exp": clock.now().timestamp() + 60, "name": "Alice"}
    token = jwt.encode(claims, realtime.keys.secret, "HS256")
    client = await realtime.open()
    await client.tell("connect", token=token, api_key=realtime.keys.publishable)
    assert (await client.until(type="welcome"))["user_id"] == "alice"
    await client.ask("subscribe", channel="inbox:alice")
    with pytest.raises(Refused):
        await client.ask("subscribe", channel="private:x")


async def test_a_client_that_can_set_headers_needs_no_query(realtime: Realtime, clock: ManualClock):
    claims = {"sub": "alice", "exp": clock.now().timestamp() + 60}
    for headers in (
        {"Authorization": f"Bearer {realtime.token('alice')}"},
        {
            "Authorization": f"Bearer {jwt.encode(claims, realtime.keys.secret, 'HS256')}",
            "X-Api-Key": realtime.keys.publishable,
        },
    ):
        client = await realtime.open(headers=headers)
        assert (await client.until(type="welcome"))["user_id"] == "alice"


@pytest.mark.parametrize("kind", ["garbage", "empty", "forged", "expired", "no app", "none"])
async def test_a_bad_token_is_told_and_closed(realtime: Realtime, clock: ManualClock, kind: str):
    token = realtime.token("alice", ttl_s=60)
    if kind == "forged":
        claims = jwt.decode(token, options={"verify_signature": False})
        token = jwt.encode(claims | {"sub": "bob"}, "x" * 32, "HS256")
    elif kind == "none":
        claims = jwt.decode(token, options={"verify_signature": False})
        token = jwt.encode(claims, None, "none")
    elif kind == "expired":
        clock.advance(60)
    elif kind == "no app":
        token = jwt.encode({"sub": "alice", "exp": clock.now().timestamp() + 60}, "x" * 32, "HS256")
    else:
        token = {"garbage": "a.b.c", "empty": ""}[kind]
    client = await realtime.open()
    await client.tell("connect", token=token)
    error = await client.until(type="error")
    assert (error["error"]["code"], error["error"]["status"], error["fatal"]) == (
        "invalid_token",
        "401",
        True,
    )
    assert await client.close_code() == 4401


async def test_nothing_but_pings_before_the_welcome(realtime: Realtime):
    client = await realtime.open()
    await client.tell("ping", ts=5)
    assert (await client.until(type="pong"))["ts"] == 5
    await client.tell("subscribe", channel="chat:room", id=1)
    assert (await client.until(type="error"))["error"]["code"] == "bad_request"
    await client.tell("connect", token=realtime.token("alice"))
    await client.until(type="welcome")


@pytest.mark.parametrize("text", ["[]", "7", "null", '"connect"', "{", "", "nonsense", b"{}"])
async def test_what_is_no_object_ends_the_connection(realtime: Realtime, text):
    client = await realtime.connect("alice")
    await client.raw(text)
    assert await client.close_code() == 4400


async def test_a_frame_that_is_too_big_ends_the_connection(realtime: Realtime):
    client = await realtime.connect("alice")
    await client.raw(json.dumps({"type": "publish", "channel": "public:a", "data": "x" * 66_000}))
    assert await client.close_code() == 1009


async def test_a_plan_limits_connections(realtime: Realtime, app_scope):
    await limit(realtime, app_scope, connections=1)
    first = await realtime.connect("alice")
    second = await realtime.open()
    await second.tell("connect", token=realtime.token("bob"))
    assert (await second.until(type="error"))["error"]["code"] == "connection_limit_exceeded"
    assert await second.close_code() == 4429
    await first.close()
    await until_turned(lambda: not realtime.block.sockets.connections)
    await realtime.connect("bob")


async def test_a_plan_limits_channels(realtime: Realtime, app_scope):
    await limit(realtime, app_scope, channels=2)
    alice = await realtime.connect("alice")
    for name in ("chat:a", "chat:b", "chat:b"):
        await alice.ask("subscribe", channel=name)
    with pytest.raises(Refused) as refused:
        await alice.ask("subscribe", channel="chat:c")
    assert (refused.value.code, refused.value.frame["error"]["status"]) == ("channel_limit_exceeded", "403")
    await alice.ask("unsubscribe", channel="chat:a")
    await alice.ask("subscribe", channel="chat:c")


async def test_a_plan_limits_messages(realtime: Realtime, app_scope, clock: ManualClock):
    await limit(realtime, app_scope, messages_per_second=3)
    alice = await realtime.connect("alice")
    await alice.ask("subscribe", channel="chat:room")
    for _ in range(3):
        await alice.ask("publish", channel="chat:room", data=1)
    with pytest.raises(Refused) as refused:
        await alice.ask("publish", channel="chat:room", data=1)
    assert refused.value.code == "rate_limit_exceeded"
    assert 0 < refused.value.frame["retry_after"] <= 1
    clock.advance(1)
    await alice.ask("publish", channel="chat:room", data=1)


async def test_a_token_is_renewed_without_a_new_socket(realtime: Realtime, clock: ManualClock):
    alice = await realtime.connect("alice", ttl_s=100)
    await alice.ask("auth", token=realtime.token("alice", ttl_s=300))
    clock.advance(101)
    realtime.block.sockets.turn()
    assert await alice.nothing_more() == []
    with pytest.raises(Refused) as refused:
        await alice.ask("auth", token=realtime.token("bob"))
    assert refused.value.code == "invalid_token"


async def test_an_ending_token_is_announced_and_closes(realtime: Realtime, clock: ManualClock):
    alice = await realtime.connect("alice", ttl_s=100)
    clock.advance(41)
    realtime.block.sockets.turn()
    assert "expires_at" in await alice.until(type="token_expiring")
    clock.advance(60)
    realtime.block.sockets.turn()
    assert (await alice.until(type="error"))["error"]["code"] == "invalid_token"
    assert await alice.close_code() == 4401


async def test_other_server_processes_know_whose_sockets_are_open(
    realtime: Realtime, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
):
    bus, app_id = MemoryBus(), realtime.scope.app_id
    there, here = OpenSockets(realtime.block.sockets.sessions, bus), OpenSockets(Sessions(clock), bus)
    alice = await realtime.connect("alice")
    socket_id = alice.welcome["socket_id"]
    for one in (there, here):
        await one.start()
    assert await there.is_open(app_id, "alice", socket_id)
    assert await here.is_open(app_id, "alice", socket_id)
    monkeypatch.setattr(open_sockets, "ANSWER_S", 0.05)
    assert not await here.is_open(app_id, "bob", socket_id)
    assert not await here.is_open(AppId("another"), "alice", socket_id)
    assert not await here.is_open(app_id, "alice", "socket_of_nobody")
    await alice.cut()
    await until_turned(lambda: not realtime.block.sockets.connections)
    assert not await here.is_open(app_id, "alice", socket_id)
    for one in (there, here):
        await one.stop()
    await bus.close()


async def test_goodbye(realtime: Realtime):
    alice = await realtime.connect("alice")
    await alice.tell("disconnect")
    assert await alice.close_code() == 1000
    assert not len(realtime.block.sockets.sessions)


async def test_draining_sends_everybody_away(realtime: Realtime):
    alice = await realtime.connect("alice")
    await realtime.block.sockets.drain()
    await alice.until(type="reconnect")
    assert await alice.close_code() == 4503
