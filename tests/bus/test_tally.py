"""Numbers that processes count together, on both buses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from parley.base.errors import Unavailable
from parley.bus import tally as module
from parley.bus.memory import MemoryBus
from parley.bus.ports import Bus, Parts, Wanted
from parley.bus.redis import RedisBus
from parley.bus.tally import TERM, Tally
from tests.bus.conftest import PREFIX, PassTime
from tests.services import RedisServer
from tests.waiting import until

LONG_AGO = timedelta(minutes=1)


@asynccontextmanager
async def running(bus: Bus | None, holder: str) -> AsyncIterator[Tally]:
    tally = Tally(bus, holder)
    await tally.start()
    try:
        yield tally
    finally:
        await tally.stop()


async def becomes(tally: Tally, name: str, number: int) -> None:
    """Wait until a process sees that number."""
    async with asyncio.timeout(30):
        while await tally.total(name) != number:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)


async def gets(tally: Tally, name: str, limit: int) -> None:
    """Wait until a process gets a place."""
    async with asyncio.timeout(30):
        while not await tally.claim(name, limit):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)


async def test_alone_it_counts_without_a_bus() -> None:
    async with running(None, "a") as a:
        assert [await a.claim("n", 2) for _ in range(3)] == [True, True, False]
        a.release("n")
        assert await a.claim("n", 2)
        a.set("m", 7)
        assert (await a.total("n"), await a.total("m"), a.own("x")) == (2, 7, 0)


async def test_processes_see_each_others_parts(bus: Bus) -> None:
    async with running(bus, "a") as a, running(bus, "b") as b:
        a.set("n", 3)
        b.set("n", 4)
        await becomes(a, "n", 7)
        await becomes(b, "n", 7)
        a.set("n", 0)
        await becomes(b, "n", 4)


async def test_claims_of_all_processes_stop_exactly_at_the_limit(bus: Bus) -> None:
    async with running(bus, "a") as a, running(bus, "b") as b, running(bus, "c") as c:
        answers = await asyncio.gather(*(tally.claim("n", 50) for tally in (a, b, c) for _ in range(30)))
        assert sum(answers) == 50
        assert a.own("n") + b.own("n") + c.own("n") == 50
        assert not await b.claim("n", 50)
        next(tally for tally in (a, b, c) if tally.own("n")).release("n")
        await gets(b, "n", 50)
        assert not await c.claim("n", 50)


async def test_claims_that_come_together_share_a_round_trip(bus: Bus) -> None:
    calls = 0

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(bus, name)

        async def share(self, holder: str, wanted: Mapping[str, Wanted], ttl: timedelta) -> Parts:
            nonlocal calls
            calls += 1
            return await bus.share(holder, wanted, ttl)

    async with running(Counting(), "a") as a:
        assert all(await asyncio.gather(*(a.claim(f"n{n % 5}", 1_000) for n in range(2_000))))
        assert calls <= 5
        assert a.own("n0") == 400


async def test_whoever_stops_waiting_takes_no_place(bus: Bus) -> None:
    async with running(bus, "a") as a, running(bus, "b") as b:
        claims = [asyncio.create_task(a.claim("n", 3)) for _ in range(3)]
        await asyncio.sleep(0)
        for claim in claims:
            claim.cancel()
        await asyncio.gather(*claims, return_exceptions=True)
        for _ in range(3):
            await gets(b, "n", 3)
        assert a.own("n") == 0


async def test_parts_of_a_killed_process_end(bus: Bus, pass_time: PassTime) -> None:
    killed = Tally(bus, "killed")
    assert all([await killed.claim("n", 5) for _ in range(5)])
    async with running(bus, "b") as b:
        assert not await b.claim("n", 5)
        await pass_time(TERM + timedelta(seconds=1))
        assert await b.claim("n", 5)
        await becomes(b, "n", 1)


async def test_a_process_that_stops_takes_its_parts_with_it(bus: Bus) -> None:
    async with running(bus, "a") as a, running(bus, "b") as b:
        assert await a.claim("n", 1)
        assert not await b.claim("n", 1)
        await a.stop()
        assert await b.claim("n", 1)


async def test_a_bus_that_lost_its_memory_is_told_again(
    bus: Bus, pass_time: PassTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BEAT_S", 0.02)
    async with running(bus, "a") as a, running(bus, "b") as b:
        a.set("n", 3)
        await becomes(b, "n", 3)
        await pass_time(LONG_AGO)
        await becomes(b, "n", 3)


class Away(MemoryBus):
    """A bus that can be switched off."""

    is_away = False

    async def share(self, holder: str, wanted: Mapping[str, Wanted], ttl: timedelta) -> Parts:
        if self.is_away:
            raise Unavailable("away")
        return await super().share(holder, wanted, ttl)


async def test_without_the_bus_what_was_last_heard_of_others_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_S", 0.05)
    bus = Away()
    async with running(bus, "a") as a, running(bus, "b") as b:
        for _ in range(3):
            assert await a.claim("n", 5)
        assert await b.claim("n", 5)
        bus.is_away = True
        assert await b.claim("n", 5)
        assert not await b.claim("n", 5)
        assert await b.total("n") == 5
        bus.is_away = False
        await becomes(a, "n", 5)


async def test_redis_comes_back_and_hears_everything(own_redis: RedisServer) -> None:
    one = await RedisBus.open(own_redis.url, prefix=PREFIX)
    two = await RedisBus.open(own_redis.url, prefix=PREFIX)
    try:
        async with running(one, "a") as a, running(two, "b") as b:
            a.set("n", 2)
            await becomes(b, "n", 2)
            own_redis.stop()
            await until(lambda: "" if not one.is_up else "the bus is still up")
            a.set("n", 6)
            assert await a.claim("m", 1)
            own_redis.start()
            await becomes(b, "n", 6)
            await becomes(b, "m", 1)
    finally:
        await one.close()
        await two.close()
