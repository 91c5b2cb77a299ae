"""The client when connections break."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from parley_realtime import (
    Client,
    ConnectionEnded,
    ConnectionLost,
    Message,
    Realtime,
    RequestTimeout,
    State,
    Unauthorized,
)

from bench.kill_servers import Balancer
from tests.clients.python.conftest import QUICK, Open, Served
from tests.clients.python.test_realtime import heard, take
from tests.waiting import until


async def cut(balancer: Balancer, *clients: Client) -> None:
    """Break the connections, and wait until the clients know."""
    lost = 0

    def count(_: object) -> None:
        nonlocal lost
        lost += 1

    removes = [client.realtime.on("disconnected", count) for client in clients]
    balancer.cut()
    await until(lambda: "" if lost >= len(clients) else "nobody noticed")
    for remove in removes:
        remove()


def connected(realtime: Realtime) -> str:
    return "" if realtime.is_connected else f"the client is {realtime.state}"


def away(balancer: Balancer) -> set[int]:
    """Let nobody reach the server; returns what to put back."""
    ports, balancer.ports = balancer.ports, set()
    return ports


async def test_a_session_goes_on_and_what_was_missed_is_replayed(
    client_of: Open, balancer: Balancer, served: Served, name: str
) -> None:
    ann = await client_of("ann")
    channel = await ann.realtime.subscribe(f"chat:{name}")
    stream = channel.listen()
    ports = away(balancer)
    async with Client(served.url, secret_key=served.secret) as customer, heard(channel, "reload") as reloads:
        await customer.publish(f"chat:{name}", 0)
        await take(stream, 1)
        await cut(balancer, ann)
        for number in range(1, 4):
            await customer.publish(f"chat:{name}", number)
        balancer.ports = ports
        replayed = await take(stream, 3)
        await customer.publish(f"chat:{name}", 4)
        (live,) = await take(stream, 1)
    assert [(one.data, one.replayed) for one in replayed] == [(1, True), (2, True), (3, True)]
    assert (live.data, live.replayed) == (4, False)
    assert ann.realtime.welcome.resumed
    assert reloads == []


async def test_what_is_sent_while_away_is_sent_later_in_order(
    client_of: Open, balancer: Balancer, name: str
) -> None:
    ann = await client_of("ann")
    channel = await ann.realtime.subscribe(f"chat:{name}")
    ports = away(balancer)
    await cut(balancer, ann)
    assert ann.realtime.state is State.CONNECTING
    sending = asyncio.gather(*(channel.send(number) for number in range(20)))
    await asyncio.sleep(0)
    balancer.ports = ports
    assert [one.offset for one in await sending] == list(range(1, 21))


async def test_messages_without_an_answer_are_sent_again_and_stored_once(
    client_of: Open, balancer: Balancer, name: str
) -> None:
    ann = await client_of("ann")
    channel = await ann.realtime.subscribe(f"chat:{name}")
    stream = channel.listen()
    sending = [asyncio.create_task(channel.send(number)) for number in range(60)]
    for _ in range(3):  # wherever that meets them: on their way there, stored, or on their way back
        await until(lambda: connected(ann.realtime))
        await cut(balancer, ann)
    made = [await one for one in sending]
    assert [one.offset for one in made] == list(range(1, 61))
    found = await take(stream, 60)
    assert [(one.id, one.data) for one in found] == [(one.id, n) for n, one in enumerate(made)]
    kept = await channel.history.fetch(limit=100, order="asc")
    assert [one.data for one in kept] == list(range(60))


async def test_a_trigger_without_an_answer_is_not_sent_again(
    client_of: Open, balancer: Balancer, name: str
) -> None:
    ann = await client_of("ann")
    channel = await ann.realtime.subscribe(f"chat:{name}")
    ann.realtime._session.link.write = lambda text: None  # lost on the way, whatever the server does
    triggering = asyncio.create_task(channel.trigger("shake"))
    await asyncio.sleep(0)
    await cut(balancer, ann)
    with pytest.raises(ConnectionLost):
        await triggering


async def test_members_stay_or_come_back(client_of: Open, balancer: Balancer, name: str) -> None:
    ann, bob = await client_of("ann"), await client_of("bob")
    mine, theirs = [await each.realtime.subscribe(f"chat:{name}") for each in (ann, bob)]
    await mine.presence.enter({"name": "Ann"})
    await cut(balancer, ann, bob)
    await until(lambda: connected(ann.realtime) or connected(bob.realtime))
    await until(
        lambda: "" if [one.user_id for one in theirs.presence.members] == ["ann"] else "Ann is not there"
    )
    # A session that the server does not know any more: the client enters again by itself.
    await mine.presence.update({"status": "busy"})
    ann.realtime._session._resume = {"session_id": "s_unknown", "resume_token": "rt_unknown"}
    async with heard(theirs, "presence:update", "presence:join") as found:
        await cut(balancer, ann, bob)
        await until(lambda: connected(ann.realtime) or connected(bob.realtime))
        (member,) = await theirs.presence.get_members()
        await until(lambda: "" if mine.presence.members else "Ann does not see herself")
    assert not ann.realtime.welcome.resumed
    assert (member.status, member.data["name"]) == ("busy", "Ann")
    assert all(one.status == "busy" for _, one in found)


async def test_channels_come_back_although_the_session_does_not(
    client_of: Open, balancer: Balancer, served: Served, name: str
) -> None:
    ann = await client_of("ann")
    channel = await ann.realtime.subscribe(f"chat:{name}")
    stream = channel.listen()
    ann.realtime._session._resume = None
    ports = away(balancer)
    await cut(balancer, ann)
    async with Client(served.url, secret_key=served.secret) as customer:
        await customer.publish(f"chat:{name}", "missed")
    balancer.ports = ports
    (message,) = await take(stream, 1)
    assert isinstance(message, Message)
    assert message.data == "missed"


async def test_a_channel_that_was_left_while_away_stays_left(
    client_of: Open, balancer: Balancer, name: str
) -> None:
    ann, bob = await client_of("ann"), await client_of("bob")
    mine = await ann.realtime.subscribe(f"chat:{name}")
    await (await bob.realtime.subscribe(f"chat:{name}")).presence.enter()
    ports = away(balancer)
    await cut(balancer, ann)
    await mine.unsubscribe()
    balancer.ports = ports
    await until(lambda: connected(ann.realtime))
    await ann.realtime.subscribe(f"chat:{name}")
    stream = mine.listen()
    await mine.send("back")
    assert [item.data for item in await take(stream, 1)] == ["back"]


async def test_the_client_gives_up_and_everything_that_waits_fails(
    client_of: Open, balancer: Balancer, name: str
) -> None:
    ann = await client_of("ann", options=replace(QUICK, max_reconnect_attempts=2))
    channel = await ann.realtime.subscribe(f"chat:{name}")
    stream = channel.listen()
    ports = away(balancer)
    await cut(balancer, ann)
    with pytest.raises(ConnectionEnded):
        await channel.send("never")
    with pytest.raises(ConnectionEnded):
        await anext(stream)
    assert ann.realtime.state is State.DISCONNECTED
    balancer.ports = ports
    stream = channel.listen()
    await ann.realtime.reconnect()
    assert ann.realtime.welcome.resumed
    await channel.send("on it goes")
    assert [item.data for item in await take(stream, 1)] == ["on it goes"]


async def test_without_reconnecting_one_loss_is_the_end(client_of: Open, balancer: Balancer) -> None:
    ann = await client_of("ann", options=replace(QUICK, auto_reconnect=False))
    async with heard(ann.realtime, "disconnected") as found:
        balancer.cut()
        await until(lambda: "" if found else "nobody noticed")
    assert found[0][1].will_reconnect is False
    assert ann.realtime.state is State.DISCONNECTED


async def test_connecting_ends_in_time(served: Served) -> None:
    options = replace(QUICK, max_reconnect_attempts=None)
    async with Client("http://127.0.0.1:1", options=options) as client:
        with pytest.raises(RequestTimeout):
            await client.realtime.connect("token", timeout_s=0.3)
        assert client.realtime.state is State.DISCONNECTED


async def test_a_token_that_has_expired_is_replaced(served: Served) -> None:
    tokens = [served.user_token("ann", -10), served.user_token("ann")]

    async def source() -> str:
        return tokens.pop(0)

    async with Client(served.url, api_key=served.publishable, options=QUICK) as client:
        await client.realtime.connect(source=source)
        assert client.realtime.is_connected
    assert tokens == []


async def test_a_source_that_has_only_bad_tokens_is_not_asked_for_ever(served: Served) -> None:
    asked = 0

    def source() -> str:
        nonlocal asked
        asked += 1
        return "bad"

    async with Client(served.url, api_key=served.publishable, options=QUICK) as client:
        with pytest.raises(Exception, match="token"):
            await client.realtime.connect(source=source)
    assert asked == 2


async def test_without_any_token_connecting_is_refused(served: Served) -> None:
    async with Client(served.url, options=QUICK) as client:
        with pytest.raises(Unauthorized):
            await client.realtime.connect()


async def test_another_token_is_handed_in_while_connected(client_of: Open, served: Served) -> None:
    ann = await client_of("ann")
    async with heard(ann.realtime, "disconnected") as found:
        await ann.realtime.reconnect(served.user_token("ann"))
        with pytest.raises(Exception, match="another user"):
            await ann.realtime.reconnect(served.user_token("bob"))
        assert ann.realtime.is_connected
    assert found == []
