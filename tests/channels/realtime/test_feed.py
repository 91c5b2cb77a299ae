"""Subscribers get every publication once and in order, whoever committed it, and what they missed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from parley.accounts.scope import AppScope
from parley.bus import MemoryBus
from parley.channels.realtime.feed import Feeds, Lost
from parley.channels.realtime.log import PublicationLog
from parley.channels.realtime.model import REPLAY_LIMIT, Position
from parley.store.core import Store
from parley.stream.hub import Hub
from tests.accounts.tenants import add_app
from tests.channels.realtime.readers import Listener, draft, encode_place, until


class Node:
    """One server process."""

    def __init__(self, store: Store, bus: MemoryBus | None) -> None:
        self.hub = Hub()
        self.feeds = Feeds(store, self.hub, encode_place, bus)
        self.log = PublicationLog(store, self.feeds.announced)

    async def publish(self, app: AppScope, count: int = 1, **changes: object) -> None:
        await asyncio.gather(*(self.log.append(draft(app.app_id, **changes)) for _ in range(count)))


@asynccontextmanager
async def nodes(store: Store, count: int) -> AsyncIterator[list[Node]]:
    bus = MemoryBus() if count > 1 else None
    made = [Node(store, bus) for _ in range(count)]
    for node in made:
        await node.feeds.start()
    try:
        yield made
    finally:
        for node in made:
            await node.log.stop()
            await node.feeds.stop()


@pytest.mark.parametrize("count", [1, 2])
async def test_everything_after_joining_arrives_in_order(store, app_scope, count):
    async with nodes(store, count) as made:
        await made[0].publish(app_scope, 3)
        listeners = [Listener() for _ in made]
        for node, listener in zip(made, listeners, strict=True):
            joined = await node.feeds.join(app_scope.app_id, "chat:room", listener)
            assert joined.position.offset == 3
        await asyncio.gather(*(node.publish(app_scope, 20) for node in made))
        expected = list(range(4, 4 + 20 * count))
        for listener in listeners:
            await until(lambda mine=listener: len(mine.places) >= len(expected))
            assert listener.places == expected


@pytest.mark.parametrize("since", [0, 2, 5])
@pytest.mark.parametrize("is_fresh", [True, False], ids=["from the store", "from memory"])
async def test_what_was_missed_is_had(store, app_scope, since, is_fresh):
    async with nodes(store, 1) as (node,):
        if not is_fresh:
            await node.feeds.join(app_scope.app_id, "chat:room", Listener())
        await node.publish(app_scope, 5)
        place = await node.feeds.position(app_scope.app_id, "chat:room")
        listener = Listener()
        joined = await node.feeds.join(app_scope.app_id, "chat:room", listener, Position(place.epoch, since))
        assert [one.offset for one in joined.missed] == list(range(since + 1, 6))
        assert joined.position == place
        await node.publish(app_scope)
        await until(lambda: listener.places == [6])


async def test_another_epoch_is_said(store, app_scope):
    async with nodes(store, 1) as (node,):
        await node.publish(app_scope, 2)
        joined = await node.feeds.join(app_scope.app_id, "chat:room", Listener(), Position("other", 1))
        assert (joined.missed, joined.lost) == (None, Lost.EPOCH_CHANGED)


async def test_a_place_that_was_never_reached_is_not_believed(store, app_scope):
    async with nodes(store, 1) as (node,):
        await node.publish(app_scope, 2)
        place = await node.feeds.position(app_scope.app_id, "chat:room")
        joined = await node.feeds.join(app_scope.app_id, "chat:room", Listener(), Position(place.epoch, 9))
        assert (joined.missed, joined.lost) == (None, Lost.EPOCH_CHANGED)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_too_much_is_said(store, app_scope):
    async with nodes(store, 1) as (node,):
        await node.publish(app_scope, REPLAY_LIMIT + 1)
        place = await node.feeds.position(app_scope.app_id, "chat:room")
        for since, expected in ((0, Lost.TOO_MANY), (1, None)):
            joined = await node.feeds.join(
                app_scope.app_id, "chat:room", Listener(), Position(place.epoch, since)
            )
            assert joined.lost is expected


async def test_what_a_dead_process_did_not_tell_is_found(store, app_scope):
    """Committed, and killed before the bus heard of it."""
    async with nodes(store, 2) as (node, _):
        listener = Listener()
        await node.feeds.join(app_scope.app_id, "chat:room", listener)
        dying = PublicationLog(store, lambda _: None)
        await dying.append(draft(app_scope.app_id))
        await until(lambda: listener.places == [1])


async def test_a_gap_is_filled_before_what_follows(store, app_scope):
    async with nodes(store, 2) as (node, _):
        listener = Listener()
        await node.feeds.join(app_scope.app_id, "chat:room", listener)
        dying = PublicationLog(store, lambda _: None)
        await dying.append(draft(app_scope.app_id))
        await node.publish(app_scope, 2)
        await until(lambda: len(listener.places) == 3)
        assert listener.places == [1, 2, 3]


@pytest.mark.parametrize("count", [1, 2])
async def test_a_sender_may_be_left_out(store, app_scope, count):
    async with nodes(store, count) as made:
        sender, other = Listener(), Listener()
        made[0].feeds.named["socket_1"] = sender
        await made[0].feeds.join(app_scope.app_id, "chat:room", sender)
        await made[-1].feeds.join(app_scope.app_id, "chat:room", other)
        await made[0].publish(app_scope)
        await made[-1].publish(app_scope, but="socket_1")
        await made[0].publish(app_scope)
        await until(lambda: other.places == [1, 2, 3])
        await until(lambda: sender.places == [1, 3])


async def test_whoever_left_hears_nothing(store, app_scope):
    async with nodes(store, 1) as (node,):
        gone, here = Listener(), Listener()
        for listener in (gone, here):
            await node.feeds.join(app_scope.app_id, "chat:room", listener)
        node.feeds.leave(app_scope.app_id, "chat:room", gone)
        await node.publish(app_scope)
        await until(lambda: here.places == [1])
        assert not gone.places


async def test_other_apps_have_channels_of_the_same_name(store, app_scope, scope):

    other = await add_app(scope, "Other")
    async with nodes(store, 1) as (node,):
        listener = Listener()
        await node.feeds.join(other.app_id, "chat:room", listener)
        await node.publish(app_scope, 2)
        await node.publish(other, 1)
        await until(lambda: listener.places == [1])


async def test_joining_while_much_is_published_misses_nothing(store, app_scope):
    async with nodes(store, 1) as (node,):
        await node.publish(app_scope)
        place = await node.feeds.position(app_scope.app_id, "chat:room")
        publishing = asyncio.create_task(node.publish(app_scope, 300))
        outcomes = []
        for _ in range(10):
            listener = Listener()
            joined = await node.feeds.join(app_scope.app_id, "chat:room", listener, Position(place.epoch, 1))
            assert joined.missed is not None
            outcomes.append((listener, [one.offset for one in joined.missed]))
            await asyncio.sleep(0.002)
        await publishing
        for listener, missed in outcomes:
            await until(lambda mine=listener, before=missed: len(mine.places) + len(before) == 300)
            assert missed + listener.places == list(range(2, 302))
