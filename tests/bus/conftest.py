"""Buses for one contract: in memory with a clock moved by hand, and on a private Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from parley.base.clock import ManualClock
from parley.bus.memory import MemoryBus
from parley.bus.ports import Bus
from parley.bus.redis import RedisBus
from tests.services import RedisServer, redis_server

PassTime = Callable[[timedelta], Awaitable[None]]


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A server that the test may stop and start."""
    with redis_server() as server:
        yield server


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["memory", "redis"])
def carrier(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


PREFIX = "contract"


@pytest.fixture
async def bus(carrier: str, request: pytest.FixtureRequest, clock: ManualClock) -> AsyncIterator[Bus]:
    if carrier == "memory":
        memory = MemoryBus(clock)
        yield memory
        await memory.close()
    else:
        server: RedisServer = request.getfixturevalue("redis")
        async with Redis.from_url(server.url) as plain:
            await plain.flushall()
        connected = await RedisBus.open(server.url, prefix=PREFIX)
        yield connected
        await connected.close()


AGE = """
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. ':*')) do
    local left = redis.call('PTTL', key)
    if left > 0 then redis.call('PEXPIRE', key, left - ARGV[2]) end
end
"""


@pytest.fixture
async def pass_time(carrier: str, request: pytest.FixtureRequest, clock: ManualClock) -> PassTime:
    """Let time pass for the bus without waiting: in Redis by bringing every end of life nearer.

    Redis removes a key whose time to live becomes zero or less.
    """

    async def move(time: timedelta) -> None:
        clock.advance(time.total_seconds())
        if carrier == "redis":
            server: RedisServer = request.getfixturevalue("redis")
            async with Redis.from_url(server.url) as plain:
                await plain.eval(AGE, 0, PREFIX, str(round(time.total_seconds() * 1000)))

    return move
