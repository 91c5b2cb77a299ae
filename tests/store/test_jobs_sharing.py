"""Queues that do not hold each other up, and keys asked for while their job runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from parley.base.clock import ManualClock
from parley.base.ids import AppId
from parley.base.tasks import cancel_and_wait
from parley.store.core import Store
from parley.store.jobs import LEASE, Job, Jobs, RetryAt
from tests.store.databases import running
from tests.waiting import until

APP = AppId("3f1d2c7a-54d0-4a7e-9a55-0d8f6f2f9b01")


class Recorder:
    """A handler that notes what it was given, and waits where it is told to."""

    def __init__(self) -> None:
        self.begun: list[object] = []
        self.ended: list[object] = []
        self.gates: dict[object, asyncio.Event] = {}

    def hold(self, body: object) -> asyncio.Event:
        """Let that job wait until the event is set."""
        return self.gates.setdefault(body, asyncio.Event())

    async def __call__(self, job: Job) -> None:
        self.begun.append(job.body)
        gate = self.gates.get(job.body)
        if gate is not None:
            await gate.wait()
        self.ended.append(job.body)


async def ask(store: Store, queue: str, key: str, body: object, *, in_s: float = 0) -> None:
    async with store.database.transaction() as tx:
        at = store.clock.now() + timedelta(seconds=in_s)
        await store.jobs.enqueue(tx, APP, queue, key, body, at=at)


def waits_for(ready: Callable[[], bool], what: str) -> Awaitable[None]:
    return until(lambda: "" if ready() else what)


async def test_a_full_queue_does_not_hold_up_another(store: Store) -> None:
    slow, quick = Recorder(), Recorder()
    gates = [slow.hold(number) for number in range(150)]
    store.jobs.handle("slow", slow, at_once=2)
    store.jobs.handle("quick", quick)
    for number in range(150):
        await ask(store, "slow", str(number), number)
    async with running(store):
        await waits_for(lambda: len(slow.begun) == 2, "the slow queue is not full")
        await ask(store, "quick", "one", "one")
        await waits_for(lambda: quick.ended == ["one"], "the quick job waits behind the slow queue")
        assert len(slow.begun) == 2
        for gate in gates:
            gate.set()


async def test_a_queue_leaves_to_others_what_it_cannot_run(store: Store) -> None:
    """Two processes: the second one runs what the first has no slot for."""
    first, second = Recorder(), Recorder()
    gate = first.hold("a")
    store.jobs.handle("work", first, at_once=1)
    other = Jobs(store.database, store.clock)
    other.handle("work", second, at_once=1)
    await ask(store, "work", "a", "a")
    async with running(store):
        await waits_for(lambda: first.begun == ["a"], "the first job has not begun")
        await ask(store, "work", "b", "b")
        await other.start()
        try:
            await waits_for(lambda: second.ended == ["b"], "nobody runs the second job")
        finally:
            await other.stop()
        gate.set()


async def test_a_job_that_made_room_lets_one_other_begin(store: Store) -> None:
    begun: list[Job] = []
    gate = asyncio.Event()

    async def waits(job: Job) -> None:
        begun.append(job)
        await gate.wait()

    store.jobs.handle("work", waits, at_once=1)
    for key in ("a", "b", "c"):
        await ask(store, "work", key, key)
    async with running(store):
        await waits_for(lambda: len(begun) == 1, "the first job has not begun")
        store.jobs.make_room(begun[0])
        store.jobs.make_room(begun[0])
        await waits_for(lambda: len(begun) == 2, "the second job waits for the first one")
        await waits_for(lambda: not store.jobs._wake.is_set(), "nobody looked for more")
        assert [job.key for job in begun] == ["a", "b"]
        gate.set()
        await waits_for(lambda: len(begun) == 3, "the place of the others was not free again")
        await waits_for(lambda: not store.jobs._running, "a job does not end")
        assert store.jobs._taken["work"] == 0


async def test_a_key_asked_for_while_it_runs_runs_once_more(store: Store) -> None:
    work = Recorder()
    gate = work.hold("a")
    store.jobs.handle("work", work)
    await ask(store, "work", "a", "a")
    async with running(store):
        await waits_for(lambda: len(work.begun) == 1, "the job has not begun")
        await ask(store, "work", "a", "a")
        await ask(store, "work", "a", "a")
        gate.set()
        await waits_for(lambda: len(work.ended) == 2, "the second request was lost")
        await ask(store, "work", "b", "b")
        await waits_for(lambda: "b" in work.ended, "the next job did not run")
    assert work.ended == ["a", "a", "b"]


async def test_a_waiting_key_runs_once_at_the_earlier_of_two_times(store: Store) -> None:
    work = Recorder()
    store.jobs.handle("work", work)
    await ask(store, "work", "a", "first", in_s=3600)
    await ask(store, "work", "a", "second")
    await ask(store, "work", "a", "third", in_s=60)
    async with running(store):
        await waits_for(lambda: bool(work.ended), "the job did not move forward")
        await ask(store, "work", "b", "b")
        await waits_for(lambda: "b" in work.ended, "the next job did not run")
    assert work.ended == ["first", "b"]


async def test_a_request_during_a_run_is_earlier_than_its_retry(store: Store) -> None:
    begun: list[int] = []
    gate = asyncio.Event()

    async def handler(job: Job) -> None:
        begun.append(job.attempts)
        await gate.wait()
        if len(begun) == 1:
            raise RetryAt(store.clock.now() + timedelta(hours=1), "not yet")

    store.jobs.handle("work", handler)
    await ask(store, "work", "a", "a")
    async with running(store):
        await waits_for(lambda: len(begun) == 1, "the job has not begun")
        await ask(store, "work", "a", "a")
        gate.set()
        await waits_for(lambda: len(begun) == 2, "the job waits for its retry")


async def test_an_abandoned_job_is_taken_over_after_its_lease(store: Store, clock: ManualClock) -> None:
    first, second = Recorder(), Recorder()
    first.hold("a")
    store.jobs.handle("work", first)
    await ask(store, "work", "a", "a")
    await store.jobs.start()
    await waits_for(lambda: first.begun == ["a"], "the job has not begun")
    await cancel_and_wait([store.jobs._loop, *store.jobs._running])  # no `stop`: as after kill -9
    other = Jobs(store.database, store.clock)
    other.handle("work", second)
    await other.start()
    try:
        await ask(store, "work", "b", "b")
        other.wake()
        await waits_for(lambda: second.ended == ["b"], "the other process does not work")
        clock.advance(LEASE.total_seconds() + 1)
        other.wake()
        await waits_for(lambda: second.ended == ["b", "a"], "the abandoned job was not taken over")
    finally:
        await other.stop()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_jobs_of_one_lane_start_in_order_one_at_a_time(store: Store) -> None:
    at_work = 0
    most = 0
    seen: list[int] = []

    async def handler(job: Job) -> None:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        seen.append(job.body)
        for _ in range(3):
            await asyncio.sleep(0)
        at_work -= 1

    store.jobs.handle("work", handler, lane=lambda body: "one")
    for number in range(40):
        await ask(store, "work", str(number), number)
    async with running(store):
        await waits_for(lambda: len(seen) == 40, "not all have run")
    assert seen == list(range(40))
    assert most == 1
