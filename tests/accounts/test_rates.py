"""Messages per second, in one process and in several, on both buses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager

import pytest

from parley.accounts import rates as module
from parley.accounts.rates import MessageRates
from parley.base.clock import ManualClock
from parley.base.errors import TooMany, Unavailable
from parley.base.ids import AppId
from parley.bus import Bus, MemoryBus
from parley.bus.ports import Draw
from parley.bus.redis import RedisBus
from tests.services import RedisServer, redis_server

APP = AppId("app")


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture(params=["memory", "redis"])
async def bus(request: pytest.FixtureRequest, clock: ManualClock) -> AsyncIterator[Bus]:
    if request.param == "memory":
        made: Bus = MemoryBus(clock)
    else:
        server: RedisServer = request.getfixturevalue("redis")
        made = await RedisBus.open(server.url, prefix=request.node.name)
    yield made
    await made.close()


@asynccontextmanager
async def process(bus: Bus, clock: ManualClock) -> AsyncIterator[MessageRates]:
    rates = MessageRates(clock, bus)
    yield rates
    await rates.stop()


async def settled(rates: MessageRates) -> None:
    """Wait until the bus has heard of everything."""
    async with asyncio.timeout(30):
        while rates._settler is not None and not rates._settler.done():
            await asyncio.wait([rates._settler])


def test_a_bucket_holds_the_messages_of_a_second(clock: ManualClock) -> None:
    rates = MessageRates(clock)
    for left in (2, 1, 0):
        allowance = rates.take(APP, 3)
        assert allowance is not None
        assert (allowance.limit, allowance.remaining) == (3, left)
    with pytest.raises(TooMany) as refused:
        rates.take(APP, 3)
    assert refused.value.retry_after_s == pytest.approx(1 / 3)
    clock.advance(0.5)
    assert rates.take(APP, 3) is not None
    assert rates.take(AppId("other"), 3, 3) is not None
    assert rates.take(APP, None) is None


async def test_processes_draw_from_one_bucket(bus: Bus, clock: ManualClock) -> None:
    """Time stands still in the processes, so only what the bus refills can come back."""
    rate = 1_000
    async with process(bus, clock) as one, process(bus, clock) as two:
        one.take(APP, rate, 900)
        await settled(one)
        two.take(APP, rate, 900)  # it has not heard of the other's
        await settled(two)
        with pytest.raises(TooMany):
            two.take(APP, rate, 900)
        assert two._buckets[APP][0] < rate - 900


async def test_a_debt_is_paid_off_before_more_is_let_through(clock: ManualClock) -> None:
    bus = MemoryBus(clock)
    async with process(bus, clock) as one, process(bus, clock) as two:
        for rates in (one, two):
            rates.take(APP, 10, 10)
        await settled(one)
        await settled(two)
        with pytest.raises(TooMany) as refused:
            two.take(APP, 10)
        assert refused.value.retry_after_s == pytest.approx(1.1)
        clock.advance(1.1)
        assert two.take(APP, 10) is not None


async def test_what_is_used_while_settling_is_taken_off_as_well(clock: ManualClock) -> None:
    bus = MemoryBus(clock)
    async with process(bus, clock) as rates:
        rates.take(APP, 10, 4)
        await asyncio.sleep(0)  # the settling has begun
        rates.take(APP, 10, 3)
        await settled(rates)
        allowance = rates.take(APP, 10)
        assert allowance is not None
        assert allowance.remaining == 2
        assert await bus.draw({f"messages:{APP}": Draw(0, 10)}) == {f"messages:{APP}": 3.0}


async def test_messages_of_one_moment_are_settled_together(clock: ManualClock) -> None:
    calls: list[Mapping[str, Draw]] = []

    class Watched(MemoryBus):
        async def draw(self, draws: Mapping[str, Draw]) -> dict[str, float]:
            calls.append(draws)
            return await super().draw(draws)

    async with process(Watched(clock), clock) as rates:
        for _ in range(100):
            rates.take(APP, 1_000)
            rates.take(AppId("other"), 1_000)
        await settled(rates)
        assert calls == [{f"messages:{APP}": Draw(100, 1_000), "messages:other": Draw(100, 1_000)}]


async def test_without_the_bus_a_process_counts_for_itself(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAUSE_S", 0.01)

    class Away(MemoryBus):
        async def draw(self, draws: Mapping[str, Draw]) -> dict[str, float]:
            raise Unavailable("away")

    async with process(Away(clock), clock) as rates:
        for _ in range(3):
            assert rates.take(APP, 3) is not None
            await settled(rates)
        with pytest.raises(TooMany):
            rates.take(APP, 3)
