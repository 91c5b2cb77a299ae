"""Buses for one contract: in memory with a clock moved by hand, and on a private Redis with real time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta

import pytest

from parley.base.clock import ManualClock
from parley.bus.memory import MemoryBus
from parley.bus.ports import Bus
from parley.bus.redis import RedisBus
from tests.services import RedisServer, redis_server
from tests.waiting import until

Sleep = Callable[[timedelta], Awaitable[None]]


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


@pytest.fixture
async def bus(carrier: str, request: pytest.FixtureRequest, clock: ManualClock) -> AsyncIterator[Bus]:
    if carrier == "memory":
        memory = MemoryBus(clock)
        yield memory
        await memory.close()
    else:
        server: RedisServer = request.getfixturevalue("redis")
        connected = await RedisBus.open(
            server.url, prefix=f"test-{id(request)}-{asyncio.get_running_loop().time()}"
        )
        yield connected
        await connected.close()


@pytest.fixture
async def pass_time(carrier: str, clock: ManualClock) -> Sleep:
    """Let a short time to live run out: at once where we own the clock, truly where Redis does."""

    async def move(time: timedelta) -> None:
        if carrier == "memory":
            clock.advance(time.total_seconds())
        else:
            end = asyncio.get_running_loop().time() + time.total_seconds()
            await until(lambda: "" if asyncio.get_running_loop().time() >= end else "it is not yet time")

    return move
