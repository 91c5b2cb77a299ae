"""Subscribing and publishing over sockets (`realtime-block.md` 6)."""

from __future__ import annotations

import asyncio
import json

import pytest

from parley.conversations.groups.model import NewGroup
from parley.conversations.groups.service import Groups
from parley.conversations.threads.model import NewConversation
from parley.conversations.threads.service import Threads
from parley.people.model import Caller
from tests.accounts.tenants import add_app
from tests.wire.block.socket.serving import Realtime, Refused


async def test_a_message_reaches_every_subscriber_and_its_sender(realtime: Realtime):
    alice, bob = await realtime.connect("alice"), await realtime.connect("bob")
    for client in (alice, bob):
        subscribed = await client.ask("subscribe", channel="chat:room")
        assert subscribed == {
            "channel": "chat:room",
            "kind": "chat",
            "epoch": subscribed["epoch"],
            "offset": 0,
            "recovered": None,
            "history_available": True,
        }
        await client.until(type="presence", action="sync")
    stored = await alice.ask("publish", channel="chat:room", data={"text": "hello"}, client_id="c1")
    assert stored.keys() == {"id", "channel", "offset", "epoch", "created_at"}
    for client in (alice, bob):
        message = await client.until(type="message")
        assert message == {
            "type": "message",
            "channel": "chat:room",
            "id": stored["id"],
            "event": "message",
            "user_id": "alice",
            "data": {"text": "hello"},
            "created_at": stored["created_at"],
            "offset": 1,
            "epoch": stored["epoch"],
            "client_id": "c1",
        }


async def test_the_sender_need_not_hear_itself(realtime: Realtime):
    alice, bob = await realtime.connect("alice"), await realtime.connect("bob")
    for client in (alice, bob):
        await client.ask("subscribe", channel="chat:room")
    await alice.ask("publish", channel="chat:room", data=1, echo=False)
    assert (await bob.until(type="message"))["data"] == 1
    assert not [frame for frame in await alice.nothing_more() if frame["type"] == "message"]


async def test_an_event_goes_to_the_others_and_takes_a_place(realtime: Realtime):
    alice, bob = await realtime.connect("alice"), await realtime.connect("bob")
    for client in (alice, bob):
        await client.ask("subscribe", channel="chat:room")
    stored = await alice.ask("trigger", channel="chat:room", event="cursor", data={"x": 1})
    assert (stored.keys(), stored["offset"]) == ({"channel", "offset", "epoch"}, 1)
    event = await bob.until(type="event")
    assert event == {
        "type": "event",
        "channel": "chat:room",
        "event": "cursor",
        "data": {"x": 1},
        "user_id": "alice",
        "offset": 1,
        "epoch": stored["epoch"],
    }
    assert not [frame for frame in await alice.nothing_more() if frame["type"] == "event"]


async def test_a_message_sent_again_is_stored_once(realtime: Realtime):
    alice = await realtime.connect("alice")
    await alice.ask("subscribe", channel="chat:room")
    first = await alice.ask("publish", channel="chat:room", data=1, client_id="c1")
    again = await alice.ask("publish", channel="chat:room", data=1, client_id="c1")
    assert again["id"] == first["id"]
    messages = [frame for frame in await alice.nothing_more() if frame["type"] == "message"]
    assert len(messages) == 1


async def test_answers_come_in_order(realtime: Realtime):
    alice = await realtime.connect("alice")
    texts = [alice.asking("subscribe", channel="chat:room")[0]]
    for number in range(40):
        texts.append(alice.asking("publish", channel="chat:room", data=number)[0])
        if number % 7 == 0:
            texts.append(alice.asking("presence.get", channel="chat:room")[0])
    last, answer = alice.asking("unsubscribe", channel="chat:room")
    for text in [*texts, last]:
        await alice.raw(text)
    async with asyncio.timeout(30):
        await answer
    ids = [frame["id"] for frame in alice.all if frame["type"] == "ack"]
    assert ids == list(range(1, len(texts) + 2))


async def test_whoever_comes_later_may_ask_for_what_was_before(realtime: Realtime):
    alice, bob = await realtime.connect("alice"), await realtime.connect("bob")
    place = await alice.ask("subscribe", channel="chat:room")
    for number in range(5):
        await alice.ask("publish", channel="chat:room", data=number)
    subscribed = await bob.ask("subscribe", channel="chat:room", since={"epoch": place["epoch"], "offset": 2})
    assert (subscribed["recovered"], subscribed["offset"]) == (True, 5)
    replayed = [frame for frame in await bob.nothing_more() if frame["type"] == "message"]
    assert [(frame["offset"], frame["replayed"]) for frame in replayed] == [(3, True), (4, True), (5, True)]


async def test_what_cannot_be_had_is_said(realtime: Realtime):
    alice = await realtime.connect("alice")
    subscribed = await alice.ask("subscribe", channel="chat:room", since={"epoch": "gone", "offset": 2})
    assert subscribed["recovered"] is False


async def test_subscribing_twice_is_once(realtime: Realtime):
    alice = await realtime.connect("alice")
    for _ in range(2):
        await alice.ask("subscribe", channel="chat:room")
    await alice.ask("publish", channel="chat:room", data=1)
    assert len([frame for frame in await alice.nothing_more() if frame["type"] == "message"]) == 1
    await alice.ask("unsubscribe", channel="chat:room")
    await alice.ask("unsubscribe", channel="chat:room")
    with pytest.raises(Refused) as refused:
        await alice.ask("publish", channel="chat:room", data=1)
    assert refused.value.code == "unauthorized_channel"


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"type": "subscribe", "channel": "no spaces"}, "invalid_channel"),
        ({"type": "subscribe", "channel": "chat:"}, "invalid_channel"),
        ({"type": "subscribe", "channel": ""}, "invalid_channel"),
        ({"type": "subscribe", "channel": 7}, "validation_error"),
        ({"type": "subscribe", "channel": "x" * 201}, "invalid_channel"),
        ({"type": "subscribe", "channel": "team:1"}, "unauthorized_channel"),
        ({"type": "subscribe", "channel": "inbox:bob"}, "unauthorized_channel"),
        ({"type": "subscribe", "channel": "private:x", "auth": "nonsense"}, "unauthorized_channel"),
        ({"type": "publish", "channel": "chat:other", "data": 1}, "unauthorized_channel"),
        ({"type": "publish", "channel": "notifications:alice", "data": 1}, "forbidden"),
        ({"type": "publish", "channel": "public:a", "event": "presence:join", "data": 1}, "invalid_event"),
        ({"type": "publish", "channel": "public:a", "event": "with space", "data": 1}, "invalid_event"),
        ({"type": "publish", "channel": "public:a", "data": "x" * 33_000}, "payload_too_large"),
        ({"type": "presence.enter", "channel": "public:a"}, "unauthorized_channel"),
        ({"type": "unheard of"}, "bad_request"),
        ({"type": 7}, "bad_request"),
        ({}, "bad_request"),
    ],
)
async def test_wrong_frames_are_refused_and_harm_nothing(realtime: Realtime, frame, code):
    alice = await realtime.connect("alice", "chat:*", "public:*", "notifications:alice")
    await alice.raw(json.dumps({"id": "mine", **frame}))
    error = await alice.until(type="error")
    assert (error["error"]["code"], error["id"], error.get("fatal", False)) == (
        code,
        "mine",
        False,
    )
    assert error["error"].keys() == {"status", "code", "title", "detail"}
    await alice.ask("subscribe", channel="chat:room")


@pytest.mark.parametrize("how", ["removed", "deleted"])
async def test_who_is_in_a_conversation_no_more_hears_no_more_of_it(realtime: Realtime, how: str):
    scope, areas = realtime.scope, realtime.block.context.areas
    scope.store.outbox.listen(lambda item: realtime.block.heard(item.event))
    groups, threads = areas[Groups], areas[Threads]
    ada = Caller("ada", is_server=False)
    group = (await groups.create(scope, ada, NewGroup(name="Team", members=["ben"]))).group
    made = await threads.create(scope, ada, NewConversation(group_id=group.id))
    channel = f"conversation:{made.id}"
    clients = [await realtime.connect(name) for name in ("ada", "ben")]
    for client in clients:
        await client.ask("subscribe", channel=channel)
        await client.ask("presence.enter", channel=channel)
    if how == "removed":
        await groups.remove_member(scope, ada, group.id, "ben")
    else:
        await threads.delete(scope, ada, made.id)
    for client in clients[1:] if how == "removed" else clients:
        ended = await client.until(type="unsubscribed")
        assert (ended["channel"], ended["code"]) == (channel, "unauthorized_channel")
        with pytest.raises(Refused):
            await client.ask("subscribe", channel=channel)
    if how == "removed":
        left = await clients[0].until(type="presence", action="leave")
        assert left["member"]["user_id"] == "ben"
        assert len((await clients[0].ask("presence.get", channel=channel))["members"]) == 1


async def test_texts_that_a_database_does_not_hold_are_told(realtime: Realtime):
    alice = await realtime.connect("alice")
    await alice.ask("subscribe", channel="chat:room")
    await alice.ask("presence.enter", channel="chat:room", data={"\x00": "a\x00b"})
    await alice.ask("typing.start", channel="chat:room", user_name="a\x00b")
    await alice.ask("publish", channel="chat:room", data={"\x00": "a\x00b"})
    assert (await alice.until(type="message"))["data"] == {"\x00": "a\x00b"}
    for members in ({"client_id": "a\x00b"}, {"event": "a\x00b"}):
        with pytest.raises(Refused) as refused:
            await alice.ask("publish", channel="chat:room", data=1, **members)
        assert refused.value.code in ("validation_error", "invalid_event")
    with pytest.raises(Refused) as refused:
        await alice.ask("read", channel="chat:room", message_id="msg_\x00")
    assert refused.value.code == "not_found"


async def test_public_channels_take_messages_without_a_subscription(realtime: Realtime):
    alice, bob = await realtime.connect("alice"), await realtime.connect("bob", "nothing")
    await alice.ask("subscribe", channel="public:news")
    await bob.ask("publish", channel="public:news", data={"text": "hi"})
    assert (await alice.until(type="message"))["user_id"] == "bob"


async def test_other_apps_do_not_hear(realtime: Realtime, scope):

    other = Realtime(realtime.block, realtime.served, await add_app(scope, "Other"), realtime.keys)
    alice, mallory = await realtime.connect("alice"), await other.connect("alice")
    for client in (alice, mallory):
        await client.ask("subscribe", channel="public:news")
    await alice.ask("publish", channel="public:news", data=1)
    assert not [frame for frame in await mallory.nothing_more() if frame["type"] == "message"]
    await mallory.close()
