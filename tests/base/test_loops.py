from __future__ import annotations

import asyncio

from parley.base.errors import Unavailable
from parley.base.loops import OnChange, Periodic
from tests.waiting import until


async def test_periodic_work_goes_on_after_failures_and_can_be_had_sooner():
    rounds = 0

    async def work() -> None:
        nonlocal rounds
        rounds += 1
        if rounds < 3:
            raise Unavailable("The database is away.") if rounds == 1 else ValueError("a mistake")

    loop = Periodic(work, 3_600, "test")
    await loop.start()
    for wanted in (1, 2, 3):
        await until(lambda wanted=wanted: "" if rounds == wanted else f"{rounds} rounds")
        loop.soon()
    await loop.stop()


async def test_changes_of_one_moment_are_one_round_and_those_meanwhile_another():
    rounds, rests = 0, 0
    goes_on = asyncio.Event()

    async def work() -> None:
        nonlocal rounds
        rounds += 1
        await goes_on.wait()

    def rested() -> None:
        nonlocal rests
        rests += 1

    loop = OnChange(work, "test", of="one", rested=rested)
    for _ in range(5):
        loop.wake()
    await until(lambda: "" if rounds == 1 else f"{rounds} rounds")
    for _ in range(5):
        loop.wake()
    goes_on.set()
    await until(lambda: "" if rests else "it never rests")
    assert (rounds, rests) == (2, 1)
    await loop.stop()
