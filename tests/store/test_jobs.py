"""One job's life: run, retry, stop, take over. How queues share a process: `test_jobs_sharing.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from sqlalchemy import select

from parley.base.ids import AppId
from parley.base.tasks import cancel_and_wait
from parley.base.times import to_ms
from parley.store.jobs import LEASE, Job, Jobs, RetryAt
from parley.store.query import SystemQuery
from parley.store.schema import tables as t
from tests.store.databases import connected, running
from tests.waiting import DEADLINE_S, until

APP = AppId("an app")
_ROWS = SystemQuery(select(t.jobs.c.key, t.jobs.c.attempts, t.jobs.c.last_error, t.jobs.c.leased_by))


async def ask(jobs: Jobs, database, *keys: str, **options) -> None:
    async with database.transaction() as tx:
        for key in keys:
            await jobs.enqueue(tx, APP, "work", key, {"key": key}, **options)


async def rows(database) -> list[tuple]:
    return [tuple(row) for row in await database.all(_ROWS)]


async def eventually(ready: Callable[[], Awaitable[bool]]) -> None:
    """Poll the database until it is so."""
    async with asyncio.timeout(DEADLINE_S):
        while not await ready():  # noqa: ASYNC110 - another connection's rows ring no bell
            await asyncio.sleep(0.005)


async def settled(database, count: int = 0) -> None:
    """Wait until so many jobs are left and none of them runs."""

    async def is_settled() -> bool:
        left = await rows(database)
        return len(left) == count and not any(row[3] for row in left)

    await eventually(is_settled)


async def test_a_job_runs_once_and_is_gone(store):
    ran: list[Job] = []

    async def handler(job: Job) -> None:
        ran.append(job)

    store.jobs.handle("work", handler)
    async with running(store):
        await ask(store.jobs, store.database, "a")
        await settled(store.database)
    assert [(job.key, job.app_id, job.body, job.attempts) for job in ran] == [("a", APP, {"key": "a"}, 0)]


async def test_a_job_of_an_undone_change_never_runs(store):
    ran: list[str] = []

    async def handler(job: Job) -> None:
        ran.append(job.key)

    async def undone() -> None:
        async with store.database.transaction() as tx:
            await store.jobs.enqueue(tx, APP, "work", "undone", None)
            raise LookupError

    store.jobs.handle("work", handler)
    async with running(store):
        with pytest.raises(LookupError):
            await undone()
        await ask(store.jobs, store.database, "kept")
        await until(lambda: "" if ran else "nothing ran")
        await settled(store.database)
    assert ran == ["kept"]


async def test_many_jobs_each_run_once(store):
    ran: list[str] = []

    async def handler(job: Job) -> None:
        await asyncio.sleep(0)
        ran.append(job.key)

    store.jobs.handle("work", handler)
    keys = [f"{n:03}" for n in range(250)]
    async with running(store):
        for part in range(5):
            await ask(store.jobs, store.database, *keys[part::5])
        await settled(store.database)
    assert sorted(ran) == keys


async def test_a_failed_job_runs_again_after_growing_delays(store, clock):
    attempts: list[int] = []
    others: list[str] = []

    async def handler(job: Job) -> None:
        if job.key == "other":
            others.append(job.key)
            return
        attempts.append(job.attempts)
        if job.attempts < 3:
            raise RuntimeError("not yet")

    store.jobs.handle("work", handler)
    async with running(store):
        await ask(store.jobs, store.database, "a")
        # 1, 2, 4 seconds, each 20 % shorter or longer
        for number, (too_early_s, rest_s) in enumerate([(0.7, 0.6), (1.5, 1), (3.1, 1.8)], start=1):
            await until(lambda number=number: "" if len(attempts) == number else f"ran {len(attempts)} times")
            await settled(store.database, 1)
            clock.advance(too_early_s)
            await ask(store.jobs, store.database, "other")  # what is due when this one runs has begun too
            await until(lambda number=number: "" if len(others) == number else "the other has not run")
            await settled(store.database, 1)
            assert len(attempts) == number
            clock.advance(rest_s)
            store.jobs.wake()
        await settled(store.database)
    assert attempts == [0, 1, 2, 3]


async def test_the_last_error_is_kept_with_the_job(store):
    failed: list[str] = []

    async def handler(job: Job) -> None:
        failed.append(job.key)
        raise RuntimeError("no such host")

    store.jobs.handle("work", handler)
    async with running(store):
        await ask(store.jobs, store.database, "a")
        await until(lambda: "" if failed else "not run")
        await settled(store.database, 1)
    assert await rows(store.database) == [("a", 1, "RuntimeError('no such host')", None)]


@pytest.mark.parametrize("counts", [True, False])
async def test_a_handler_may_say_when_to_run_again(store, clock, counts):
    ran: list[str] = []
    attempts: list[int] = []

    async def handler(job: Job) -> None:
        ran.append(clock.now().isoformat())
        if len(ran) == 1:
            raise RetryAt(clock.now() + timedelta(hours=1), "busy", is_attempt=counts)
        attempts.append(job.attempts)

    store.jobs.handle("work", handler)
    async with running(store):
        await ask(store.jobs, store.database, "a")
        await until(lambda: "" if ran else "did not run")
        await settled(store.database, 1)
        clock.advance(3599)
        store.jobs.wake()
        await ask(store.jobs, store.database, "other")  # claimed after the wake, and "a" is not
        await settled(store.database, 1)
        clock.advance(1)
        store.jobs.wake()
        await settled(store.database)
    assert len(ran) == 3
    assert attempts == [0, int(counts)]


async def test_a_job_waits_for_its_time(store, clock):
    ran: list[str] = []

    async def handler(job: Job) -> None:
        ran.append(job.key)

    store.jobs.handle("work", handler)
    async with running(store):
        await ask(store.jobs, store.database, "tomorrow", at=clock.now() + timedelta(days=1))
        await ask(store.jobs, store.database, "now")
        await settled(store.database, 1)
        assert ran == ["now"]
        clock.advance(86_400)
        store.jobs.wake()
        await settled(store.database)
    assert ran == ["now", "tomorrow"]


@pytest.mark.parametrize("is_same_process", [True, False])
async def test_stopping_cancels_and_a_later_start_runs_at_once(store, is_same_process):
    """Leases were kept: the same process never took its own jobs up again, another one a minute later."""
    begun: list[str] = []
    gate = asyncio.Event()

    async def handler(job: Job) -> None:
        begun.append(job.key)
        await gate.wait()

    store.jobs.handle("work", handler, at_once=2)
    async with running(store):
        await ask(store.jobs, store.database, "a", "b", "c")
        await until(lambda: "" if len(begun) == 2 else "not begun")
    gate.set()
    next_one = store.jobs if is_same_process else Jobs(store.database, store.clock)
    next_one.handle("work", handler, at_once=2)
    await next_one.start()
    await settled(store.database)
    await next_one.stop()
    assert sorted(begun) == ["a", "a", "b", "b", "c"]


async def test_a_running_job_s_lease_is_renewed(store, clock):
    begun: list[str] = []
    gate = asyncio.Event()

    async def handler(job: Job) -> None:
        begun.append(job.key)
        await gate.wait()

    for jobs in (store.jobs, other := Jobs(store.database, clock)):
        jobs.handle("work", handler)
    await store.jobs.start()
    await ask(store.jobs, store.database, "a")
    await until(lambda: "" if begun else "not begun")
    await other.start()
    lease = SystemQuery(select(t.jobs.c.lease_until))

    async def is_renewed() -> bool:
        return (await store.database.one(lease))[0] == to_ms(clock.now() + LEASE)

    for _ in range(6):
        clock.advance(LEASE.total_seconds() / 2)
        store.jobs.wake()
        await eventually(is_renewed)
        other.wake()
    assert begun == ["a"]
    gate.set()
    await settled(store.database)
    await store.jobs.stop()
    await other.stop()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.faults
async def test_a_job_whose_outcome_was_lost_runs_again_in_the_same_process(
    store, clock, database_url, postgres
):
    """Leases of its own process were never looked at: after an outage the job waited for a restart."""
    ran: list[str] = []
    name = database_url.split("/")[3].split("?")[0]

    async def handler(job: Job) -> None:
        ran.append(job.key)
        if len(ran) == 1:
            postgres.run_sql(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS false')
            postgres.run_sql(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            )

    store.jobs.handle("work", handler)
    async with running(store):
        await ask(store.jobs, store.database, "a")
        await until(lambda: "" if ran and not store.jobs._running else "still running")
        postgres.run_sql(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS true')
        assert (await rows(store.database))[0][3] is not None
        clock.advance(LEASE.total_seconds() + 1)
        store.jobs.wake()
        await settled(store.database)
    assert ran == ["a", "a"]


async def test_a_lane_that_raises_does_not_lose_the_job(store):
    ran: list[str] = []

    async def handler(job: Job) -> None:
        ran.append(job.key)

    store.jobs.handle("work", handler, lane=lambda body: body["no such field"])
    async with running(store):
        await ask(store.jobs, store.database, "a")
        await settled(store.database)
    assert ran == ["a"]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_two_processes_share_the_jobs_and_none_runs_twice(store, database_url, clock):
    ran: list[tuple[int, str]] = []

    def worker(number: int):
        async def handler(job: Job) -> None:
            await asyncio.sleep(0.001)
            ran.append((number, job.key))

        return handler

    keys = [f"{n:03}" for n in range(300)]
    await ask(store.jobs, store.database, *keys)
    async with connected(database_url) as one, connected(database_url) as two:
        workers = [Jobs(one, clock), Jobs(two, clock)]
        for number, jobs in enumerate(workers):
            jobs.handle("work", worker(number), at_once=8)
        for jobs in workers:
            await jobs.start()
        await settled(store.database)
        for jobs in workers:
            await jobs.stop()
    assert sorted(key for _, key in ran) == keys
    assert {number for number, _ in ran} == {0, 1}


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("successor", [True, False])
async def test_only_who_is_alone_or_the_successor_takes_over_leases_at_once(
    store, clock, database_url, alone, successor
):
    """A server that was killed finds its own leases when it starts again."""
    ran: list[str] = []
    begun: list[str] = []
    forever = asyncio.Event()

    async def never_ends(job: Job) -> None:
        begun.append(job.key)
        await forever.wait()

    async def handler(job: Job) -> None:
        ran.append(job.key)

    async with connected(database_url) as of_the_dead:
        dead = Jobs(of_the_dead, clock)
        dead.handle("work", never_ends)
        await dead.start(successor_of="here" if successor else "")
        await ask(store.jobs, store.database, "a", "b")
        dead.wake()
        await until(lambda: "" if len(begun) == 2 else "not begun")
        # Killed: nothing is given back, and nothing is renewed any more.
        assert dead._loop is not None
        await cancel_and_wait([dead._loop, *dead._running])
    assert {row[3] for row in await rows(store.database)} == {dead._me}

    store.jobs.handle("work", handler)
    await store.jobs.start(alone=alone, successor_of="here" if successor else "there")
    try:
        await ask(store.jobs, store.database, "asked for after the start")
        if alone or successor:
            await settled(store.database)
            assert sorted(ran) == ["a", "asked for after the start", "b"]
            return
        await until(lambda: "" if ran else "nothing ran")
        await eventually(lambda: _left(store.database, 2))
        assert ran == ["asked for after the start"]  # the others may be running in the process that has them
        clock.advance(LEASE.total_seconds() + 1)
        store.jobs.wake()
        await settled(store.database)
        assert sorted(ran) == ["a", "asked for after the start", "b"]
    finally:
        await store.jobs.stop()


async def _left(database, count: int) -> bool:
    return len(await rows(database)) == count
