"""Limits and counts that hold for all server processes together, on both buses (`realtime-block.md` 3.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from parley.accounts.app_settings import write
from parley.accounts.plans import PlanSettings
from parley.accounts.scope import AppScope
from parley.base.clock import ManualClock
from parley.bus import Bus, MemoryBus
from parley.bus.redis import RedisBus
from parley.store.core import Store
from tests.services import RedisServer, redis_server
from tests.wire.block.socket.serving import Client, Realtime, Refused, serving_realtime

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
Pair = tuple[Realtime, Realtime]
WAIT_S = 30.0


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest_asyncio.fixture(params=["memory", "redis"])
async def pair(
    request: pytest.FixtureRequest, store: Store, app_scope: AppScope, clock: ManualClock
) -> AsyncIterator[Pair]:
    """Two server processes of an app that may open three connections and send five messages a second."""
    async with app_scope.change() as change:
        await write(change, "plan", PlanSettings(plan="starter", connections=3, messages_per_second=5))
    async with AsyncExitStack() as stack:
        buses: list[Bus] = []
        for _ in range(2):
            if request.param == "redis":
                server: RedisServer = request.getfixturevalue("redis")
                bus: Bus = await RedisBus.open(server.url, prefix=request.node.name)
                stack.push_async_callback(bus.close)
            else:
                bus = buses[0] if buses else MemoryBus(clock)
            buses.append(bus)
        one = await stack.enter_async_context(
            serving_realtime(store, app_scope, bus=buses[0], node_id="node-1")
        )
        two = await stack.enter_async_context(
            serving_realtime(store, app_scope, bus=buses[1], node_id="node-2", keys=one.keys)
        )
        yield one, two


async def is_full(realtime: Realtime) -> None:
    late = await realtime.open()
    await late.tell("connect", token=realtime.token("late"))
    assert (await late.until(type="error"))["error"]["code"] == "connection_limit_exceeded"
    assert await late.close_code() == 4429


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not await holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)


async def test_connections_are_counted_over_all_servers(pair: Pair) -> None:
    one, two = pair
    first = await one.connect("a")
    await one.connect("b")
    await two.connect("c")
    await is_full(one)
    await is_full(two)
    await first.close()

    async def has_place() -> bool:
        client: Client = await two.open()
        await client.tell("connect", token=two.token("d"))
        while not client.frames:
            client._news.clear()
            await client._news.wait()
        return bool(client.frames[0]["type"] == "welcome")

    await eventually(has_place)
    await is_full(one)


async def test_subscribers_are_counted_over_all_servers(pair: Pair) -> None:
    one, two = pair
    alice, bob = await one.connect("alice"), await two.connect("bob")
    for client in (alice, bob):
        await client.ask("subscribe", channel="chat:room")
    app_id = one.scope.app_id

    async def both() -> bool:
        return [await each.block.feeds.subscribers(app_id, "chat:room") for each in pair] == [2, 2]

    async def bob_alone() -> bool:
        return [await each.block.feeds.subscribers(app_id, "chat:room") for each in pair] == [1, 1]

    await eventually(both)
    await alice.ask("unsubscribe", channel="chat:room")
    await eventually(bob_alone)


@pytest.mark.parametrize("pair", ["memory"], indirect=True)
async def test_messages_are_counted_over_all_servers(pair: Pair) -> None:
    """Time stands still, so that nothing comes back."""
    codes: set[str] = set()
    clients = [await each.connect(f"user-{number}") for number, each in enumerate(pair)]

    async def is_let_through(client: Client) -> bool:
        try:
            await client.ask("publish", channel="public:room", data=1)
        except Refused as refused:
            codes.add(refused.code)
            return False
        for each in pair:
            settling = each.block.rates._settler
            if settling is not None:
                await asyncio.wait([settling])
        return True

    sent = sum([await is_let_through(client) for client in clients * 8])
    # Alone each would have let its five through. Each knows what the other sent only when it sends itself.
    assert 5 <= sent <= 6
    assert codes == {"rate_limit_exceeded"}
