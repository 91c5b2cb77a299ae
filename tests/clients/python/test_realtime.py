"""The client on a real server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from parley_realtime import (
    Client,
    ConnectionEnded,
    Event,
    Forbidden,
    InvalidRequest,
    InvalidToken,
    Item,
    Message,
    NotFound,
    QueueFull,
    RealtimeError,
    State,
    Stream,
    TooLarge,
    UnauthorizedChannel,
)
from parley_realtime.errors import ServerRefused, refusal

from tests.clients.python.conftest import QUICK, Open, Served
from tests.waiting import until

WAIT_S = 30.0


async def take(stream: Stream, count: int) -> list[Item]:
    """The next items."""
    async with asyncio.timeout(WAIT_S):
        return [await anext(stream) for _ in range(count)]


@contextlib.asynccontextmanager
async def heard(target: Any, *events: str) -> AsyncIterator[list[tuple[str, Any]]]:
    """What handlers are called with."""
    found: list[tuple[str, Any]] = []
    removes = [target.on(event, lambda value, event=event: found.append((event, value))) for event in events]
    yield found
    for remove in removes:
        remove()


async def test_a_message_is_stored_and_delivered_to_everybody(client_of: Open, name: str) -> None:
    ann, bob = await client_of("ann"), await client_of("bob")
    streams = [(await each.realtime.subscribe(f"chat:{name}")).listen() for each in (ann, bob)]
    made = await ann.realtime.channel(f"chat:{name}").send({"text": "Hello"}, client_id="c1")
    for stream in streams:
        (message,) = await take(stream, 1)
        assert isinstance(message, Message)
        assert (message.id, message.data, message.user_id) == (made.id, {"text": "Hello"}, "ann")
        assert (message.offset, message.epoch, message.client_id) == (made.offset, made.epoch, "c1")


async def test_messages_keep_the_order_of_the_calls(client_of: Open, name: str) -> None:
    ann = await client_of("ann")
    channel = await ann.realtime.subscribe(f"chat:{name}")
    stream = channel.listen()
    made = await asyncio.gather(*(channel.send(number) for number in range(100)))
    assert [one.offset for one in made] == list(range(1, 101))
    assert [item.data for item in await take(stream, 100)] == list(range(100))  # type: ignore[union-attr]


async def test_what_is_sent_without_an_echo_does_not_come_back_and_leaves_no_gap(
    client_of: Open, name: str
) -> None:
    ann, bob = await client_of("ann"), await client_of("bob")
    mine, theirs = [await each.realtime.subscribe(f"chat:{name}") for each in (ann, bob)]
    async with heard(mine, "reload") as reloads:
        stream = mine.listen()
        sending = []
        for number in range(50):
            sending.append(mine.send(["mine", number], echo=False))
            sending.append(mine.trigger("shake", number))
            sending.append(theirs.send(["theirs", number]))
        await asyncio.gather(*sending)
        assert [item.data for item in await take(stream, 50)] == [["theirs", n] for n in range(50)]
        assert reloads == []


async def test_a_trigger_reaches_the_others_and_is_not_in_the_history(client_of: Open, name: str) -> None:
    ann, bob = await client_of("ann"), await client_of("bob")
    mine, theirs = [await each.realtime.subscribe(f"chat:{name}") for each in (ann, bob)]
    async with heard(theirs, "shake") as found:
        await mine.trigger("shake", {"strength": 3})
        await until(lambda: "" if found else "nothing was heard")
    ((_, event),) = found
    assert isinstance(event, Event)
    assert event.data == {"strength": 3}
    assert await theirs.history.fetch() == ()


async def test_handlers_hear_custom_events_and_may_send_themselves(client_of: Open, name: str) -> None:
    ann, bob = await client_of("ann"), await client_of("bob")
    mine, theirs = [await each.realtime.subscribe(f"chat:{name}") for each in (ann, bob)]

    async def answer(message: Message) -> None:
        await theirs.send({"answer": message.data}, event="pong")

    theirs.on("ping", answer)
    async with heard(mine, "pong") as found:
        await mine.send(7, event="ping")
        await until(lambda: "" if found else "no answer")
    assert found[0][1].data == {"answer": 7}


async def test_a_handler_that_fails_stops_nobody(
    client_of: Open, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    ann = await client_of("ann")
    channel = await ann.realtime.subscribe(f"chat:{name}")

    def fail(_: Message) -> None:
        raise ValueError("a bug of the application")

    channel.on("message", fail)
    async with heard(channel, "message") as found:
        await channel.send(1)
        await until(lambda: "" if found else "nothing was heard")
    assert "a bug of the application" in caplog.text


async def test_members_are_known(client_of: Open, name: str) -> None:
    ann, bob = await client_of("ann"), await client_of("bob")
    mine, theirs = [await each.realtime.subscribe(f"chat:{name}") for each in (ann, bob)]
    events = ("presence:join", "presence:update", "presence:leave")
    async with heard(theirs, *events) as found:
        entered = await mine.presence.enter({"name": "Ann"})
        await mine.presence.update({"status": "away"})
        assert [member.user_id for member in await theirs.presence.get_members()] == ["ann"]
        await until(lambda: "" if len(found) == 2 else f"only {found}")
        assert [(one.user_id, one.status) for one in theirs.presence.members] == [("ann", "away")]
        await mine.presence.leave()
        await until(lambda: "" if len(found) == 3 else f"only {found}")
    assert entered.data["name"] == "Ann"
    assert [event for event, _ in found] == list(events)
    assert theirs.presence.members == ()


async def test_typing_is_told_to_the_others(client_of: Open, name: str) -> None:
    ann, bob = await client_of("ann"), await client_of("bob")
    mine, theirs = [await each.realtime.subscribe(f"chat:{name}") for each in (ann, bob)]
    async with heard(theirs, "typing:start", "typing:stop") as found:
        for _ in range(20):  # one for every key
            mine.typing.start("Ann")
        mine.typing.stop()
        await until(lambda: "" if len(found) == 2 else f"only {found}")
    assert [(event, one.user_id, one.user_name) for event, one in found] == [
        ("typing:start", "ann", "Ann"),
        ("typing:stop", "ann", "Ann"),
    ]


async def test_reading_is_told_and_kept(client_of: Open, name: str) -> None:
    ann, bob = await client_of("ann"), await client_of("bob")
    mine, theirs = [await each.realtime.subscribe(f"chat:{name}") for each in (ann, bob)]
    made = await mine.send("read me")
    async with heard(mine, "message:read") as found:
        receipt = await theirs.messages.mark_as_read(made.id)
        await until(lambda: "" if found else "nothing was heard")
    assert found[0][1] == receipt
    status = await mine.messages.get_read_status(made.id)
    assert (status.read_by, status.read_count) == (("bob",), 1)


async def test_what_has_arrived_is_reported(client_of: Open, name: str) -> None:
    ann, bob = await client_of("ann"), await client_of("bob")
    mine, _ = [await each.realtime.subscribe(f"chat:{name}") for each in (ann, bob)]
    made = await mine.send("for bob")
    async with asyncio.timeout(WAIT_S):
        while "bob" not in (await mine.messages.get_read_status(made.id)).delivered_to:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_reading_an_unknown_message_is_refused(client_of: Open, name: str) -> None:
    channel = await (await client_of("ann")).realtime.subscribe(f"chat:{name}")
    with pytest.raises(NotFound) as refused:
        await channel.messages.mark_as_read("msg_0000000000001aaaaaaaaa")
    assert (refused.value.code, refused.value.status) == ("not_found", 404)


@pytest.mark.parametrize(
    ("channel", "kind"),
    [("private:secret", UnauthorizedChannel), ("chat:", InvalidRequest), ("no such form", InvalidRequest)],
)
async def test_a_subscription_that_is_refused_raises(
    client_of: Open, channel: str, kind: type[RealtimeError]
) -> None:
    client = await client_of("ann")
    with pytest.raises(kind):
        await client.realtime.subscribe(channel)
    assert not client.realtime.channel(channel).is_subscribed
    with pytest.raises(kind):  # asked again, refused again
        await client.realtime.subscribe(channel)


async def test_publishing_where_only_servers_may_is_refused(client_of: Open) -> None:
    client = await client_of("ann")
    channel = await client.realtime.subscribe("notifications:ann")
    with pytest.raises(Forbidden):
        await channel.send("me too")


async def test_what_is_too_large_for_a_frame_is_not_sent(client_of: Open, name: str) -> None:
    client = await client_of("ann")
    channel = await client.realtime.subscribe(f"chat:{name}")
    with pytest.raises(TooLarge):
        await channel.send("x" * (64 << 10))
    assert (await channel.send("and on it goes")).offset == 1


async def test_after_unsubscribing_nothing_is_delivered_and_streams_end(client_of: Open, name: str) -> None:
    ann, bob = await client_of("ann"), await client_of("bob")
    mine, theirs = [await each.realtime.subscribe(f"chat:{name}") for each in (ann, bob)]
    stream = mine.listen()
    await mine.unsubscribe()
    await theirs.send("missed")
    async with asyncio.timeout(WAIT_S):
        assert [item async for item in stream] == []
    await ann.realtime.subscribe(f"chat:{name}")
    stream = mine.listen()
    await theirs.send("heard")
    assert [item.data for item in await take(stream, 1)] == ["heard"]  # type: ignore[union-attr]


async def test_a_slow_reader_of_a_stream_is_told_what_it_missed(client_of: Open, name: str) -> None:
    client = await client_of("ann", options=replace(QUICK, buffer_limit=10))
    channel = await client.realtime.subscribe(f"chat:{name}")
    stream = channel.listen()
    async with heard(channel, "message") as found:
        for number in range(25):
            await channel.send(number)
        await until(lambda: "" if len(found) == 25 else f"only {len(found)}")
    (reload, *rest) = await take(stream, 5)
    assert (type(reload).__name__, reload.offset) == ("Reload", 21)
    assert [item.offset for item in rest] == [22, 23, 24, 25]


async def test_a_wrong_token_is_refused_and_not_tried_again(served: Served) -> None:
    async with Client(served.url, options=QUICK) as client:
        with pytest.raises(InvalidToken):
            await client.realtime.connect("not a token")
        assert client.realtime.state is State.DISCONNECTED


async def test_a_user_token_connects_with_the_key(served: Served, name: str) -> None:
    token = served.user_token("ann")
    async with Client(served.url, api_key=served.publishable, options=QUICK) as client:
        welcome = await client.realtime.connect(token)
        assert (welcome.user_id, welcome.app_id) == ("ann", served.app_id)


async def test_without_connection_nothing_is_asked(served: Served, name: str) -> None:
    async with Client(served.url, options=QUICK) as client:
        with pytest.raises(ConnectionEnded):
            await client.realtime.subscribe(f"chat:{name}")


async def test_states_and_events_of_a_connection(client_of: Open) -> None:
    client = await client_of("ann", connect=False)
    async with heard(client.realtime, "connected", "disconnected", "error") as found:
        assert client.realtime.state is State.DISCONNECTED
        welcome = await client.realtime.connect()
        assert client.realtime.is_connected
        assert await client.realtime.connect() == welcome
        await client.realtime.disconnect()
        assert client.realtime.state is State.DISCONNECTED
    assert [event for event, _ in found] == ["connected", "disconnected"]
    assert found[1][1].will_reconnect is False


async def test_the_queue_is_bounded(client_of: Open, name: str) -> None:
    client = await client_of("ann", options=replace(QUICK, queue_limit=5))
    channel = await client.realtime.subscribe(f"chat:{name}")
    outcomes = await asyncio.gather(*(channel.send(n) for n in range(9)), return_exceptions=True)
    assert sum(isinstance(one, QueueFull) for one in outcomes) == 4


def test_an_error_says_code_status_and_when_to_come_back() -> None:
    told = {"status": "429", "code": "rate_limit_exceeded", "detail": "Slower."}
    error = refusal([told], None, 1.5)
    assert isinstance(error, ServerRefused)
    assert (type(error).__name__, error.status, error.retry_after) == ("RateLimited", 429, 1.5)
    assert (error.code, str(error)) == ("rate_limit_exceeded", "Slower.")
