"""Whatever clients send or leave unread: it is answered, it harms nobody (`realtime-block.md` 2, 3.3)."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest
from websockets.asyncio.client import connect

from parley.wire.block.socket.server import OUTBOUND
from tests.wire.block.socket.serving import Realtime, until_turned

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
LONG_S = 120.0
"""For what takes a second on an idle machine."""
TYPES = (
    *("connect", "ping", "subscribe", "unsubscribe", "publish", "trigger", "read", "delivered"),
    *("presence.enter", "presence.update", "presence.leave", "presence.get", "typing.start", "typing.stop"),
    *("webrtc.join", "webrtc.leave", "webrtc.signal", "webrtc.media", "unheard of", 7, None),
)
CHANNELS = (
    *("public:f", "chat:f", "presence:f", "private:f", "notifications:f", "team:f", "inbox:mallory"),
    *("conversation:0d4c1c52-2f7d-4b53-9a0f-1f6a2d3e4c55", "", "a b", "chat:" + "x" * 300, 7, None, []),
)
MEMBERS = (
    *("data", "event", "client_id", "echo", "auth", "channel_data", "since", "message_id", "up_to"),
    *("offset", "user_name", "token", "resume", "room_id", "to", "kind", "sdp", "candidate", "audio", "ts"),
)
DEEP: Any = 1
for _ in range(300):
    DEEP = {"a": DEEP}
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1 << 62, 1 << 80, 1.5, "", "x", "a\x00b", "\U0001f600" * 40, "x" * 5_000),
    *([], [1], {}, {"user_id": "bob"}, {"status": "busy"}, {"": "\x00"}, DEEP, "msg_" + "z" * 22),
    *({"epoch": "x", "offset": 1 << 62}, {"session_id": "s", "resume_token": "r"}, {"user_info": DEEP}),
)


def accident(chance: random.Random, number: int) -> dict[str, Any]:
    frame = {"type": chance.choice(TYPES), "channel": chance.choice(CHANNELS), "id": number}
    for _ in range(chance.randint(0, 4)):
        frame[chance.choice(MEMBERS)] = chance.choice(VALUES)
    if chance.random() < 0.5:
        frame["event"] = "e"
    return frame


@pytest.mark.parametrize("seed", range(3))
async def test_random_frames_are_answered_and_harm_nobody(realtime: Realtime, seed: int) -> None:
    chance = random.Random(seed)
    mallory = await realtime.connect("mallory", "*", "private:*", "presence:*")
    bob = await realtime.connect("bob")
    await bob.ask("subscribe", channel="chat:other")
    for channel in CHANNELS[:6]:
        await mallory.ask("subscribe", channel=channel)
    sent = [accident(chance, 1_000 + number) for number in range(400)]
    for frame in sent:
        await mallory.raw(json.dumps(frame))
    await mallory.tell("ping", ts="end")
    async with asyncio.timeout(LONG_S):
        while not any(frame.get("ts") == "end" for frame in mallory.frames):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    answers: dict[int, list[Any]] = {frame["id"]: [] for frame in sent}
    for frame in mallory.all:
        if frame["type"] in ("ack", "error") and frame["id"] in answers:
            answers[frame["id"]].append(frame)
            assert frame["type"] == "ack" or int(frame["error"]["status"]) < 500
    for frame in sent:
        is_silent = frame["type"] in ("ping", "delivered")
        assert len(answers[frame["id"]]) == 1 or (is_silent and not answers[frame["id"]]), frame
    await bob.ask("publish", channel="chat:other", data="still here")
    await bob.until(type="message", data="still here")


async def test_ten_thousand_subscriptions_are_had_and_resumed(realtime: Realtime) -> None:
    count = 10_000
    alice, bob = await realtime.connect("alice"), await realtime.connect("bob")
    last: asyncio.Future[Any]
    for number in range(count):
        text, last = alice.asking("subscribe", channel=f"public:{number}")
        await alice.raw(text)
    async with asyncio.timeout(LONG_S):
        await last
    await bob.ask("publish", channel=f"public:{count // 2}", data=1)
    await alice.until(type="message", data=1)
    await alice.cut()
    await until_turned(lambda: len(realtime.block.sockets.connections) == 1)
    back = await realtime.connect("alice", resume=realtime.resume_of(alice))
    assert len(back.welcome["channels"]) == count
    await bob.ask("publish", channel=f"public:{count - 1}", data=2)
    await back.until(type="message", data=2)
    await back.tell("disconnect")
    await back.close_code()


async def test_a_client_that_never_reads_is_closed_and_may_resume(realtime: Realtime) -> None:
    bob = await realtime.connect("bob")
    place = await bob.ask("subscribe", channel="chat:flood")
    address = realtime.served.url("/v1/realtime/ws")
    async with connect(address, max_queue=1, ping_interval=None, proxy=None) as silent:
        await silent.send(json.dumps({"type": "connect", "token": realtime.token("alice")}))
        welcome = json.loads(await silent.recv())
        await silent.send(json.dumps({"type": "subscribe", "id": 1, "channel": "chat:flood"}))
        sessions, app_id = realtime.block.sockets.sessions, realtime.scope.app_id
        await until_turned(lambda: len(sessions.listening(app_id, "chat:flood")) == 2)
        sent = 0
        async with asyncio.timeout(LONG_S):
            while not realtime.block.sockets.slow_closed:
                await bob.ask("publish", channel="chat:flood", data="x" * 30_000)
                sent += 1
        silent.transport.abort()
    assert sent * 30_000 > OUTBOUND.bytes
    heard = [frame["offset"] for frame in await bob.nothing_more() if frame["type"] == "message"]
    assert heard == list(range(1, sent + 1))
    seen = {"epoch": place["epoch"], "offset": 0}
    resume = {"session_id": welcome["session_id"], "resume_token": welcome["resume_token"]}
    await until_turned(lambda: len(realtime.block.sockets.connections) == 1)
    back = await realtime.connect("alice", resume={**resume, "channels": {"chat:flood": seen}})
    assert back.welcome["resumed"] is True
    assert back.welcome["channels"]["chat:flood"]["offset"] == sent


@pytest.mark.parametrize("size", [66_000, 1_000_000])
async def test_a_frame_that_is_too_big_ends_its_connection_alone(realtime: Realtime, size: int) -> None:
    mallory, bob = await realtime.connect("mallory"), await realtime.connect("bob")
    await mallory.raw(json.dumps({"type": "publish", "channel": "public:a", "data": "x" * size}))
    assert await mallory.close_code() == 1009
    await bob.ask("publish", channel="public:a", data=1)
