"""Which process forwards a room's media."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from parley.bus import MemoryBus
from parley.rooms.homes import LEASE, Homes


@pytest_asyncio.fixture
async def bus() -> AsyncIterator[MemoryBus]:
    """Between the processes."""
    bus = MemoryBus()
    yield bus
    await bus.close()


class Process(Homes):
    """One that remembers what has moved."""

    def __init__(self, bus: MemoryBus | None, name: str) -> None:
        self.moved: list[str] = []
        super().__init__(bus, name, self.moved.append)


async def test_the_first_that_asks_is_the_home_of_all(bus: MemoryBus) -> None:
    one, two = Process(bus, "one"), Process(bus, "two")
    assert await one.home("room") == await two.home("room") == await one.home("room") == "one"
    assert (one.is_here("room"), two.is_here("room")) == (True, False)
    assert await two.home("another") == "two"


async def test_asking_twice_at_once_takes_one_lease(bus: MemoryBus) -> None:
    one = Process(bus, "one")
    assert await asyncio.gather(one.home("room"), one.home("room")) == ["one", "one"]
    await one.renew()
    assert one.moved == []


async def test_alone_everything_is_here() -> None:
    alone = Process(None, "alone")
    assert await alone.home("room") == "alone"
    assert alone.is_here("room")


async def test_a_home_that_gives_up_is_followed_by_another(bus: MemoryBus) -> None:
    one, two = Process(bus, "one"), Process(bus, "two")
    await one.home("room")
    await two.home("room")
    await two.renew()
    assert two.moved == []
    await one.stop()
    await two.renew()
    assert two.moved == ["room"]
    assert await two.home("room") == "two"


async def test_a_home_that_lost_its_lease_hears_of_it(bus: MemoryBus) -> None:
    one, two = Process(bus, "one"), Process(bus, "two")
    await one.home("room")
    taken = await bus.lease("room-media:room", LEASE, "one")  # as after a restart under the same name
    assert taken is not None
    await taken.release()
    assert await two.home("room") == "two"
    await one.renew()
    assert one.moved == ["room"]
    assert not one.is_here("room")
    assert await one.home("room") == "two"


async def test_what_nobody_here_needs_is_forgotten(bus: MemoryBus) -> None:
    one, two = Process(bus, "one"), Process(bus, "two")
    await one.home("room")
    await two.home("room")
    two.forget("room")
    await one.release("room")
    await two.renew()
    assert two.moved == []


@pytest.mark.parametrize("is_late", [False, True])
async def test_a_released_room_is_free(bus: MemoryBus, is_late: bool) -> None:
    one, two = Process(bus, "one"), Process(bus, "two")
    await one.home("room")
    await one.release("room")
    await one.release("room")
    assert await (two if is_late else one).home("room") == ("two" if is_late else "one")
