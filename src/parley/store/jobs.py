"""Work done later: rows with leases in the same database (`design.md` D12).

A job is enqueued in the transaction of the change that needs it and runs at least once, so handlers are
written to be safe to run twice. While it runs its lease is renewed; when its process dies another one takes
it after `LEASE`. Jobs of one `lane` of this process start in order, one at a time.

One queue never holds up another: each claims only what it can run. A key names work, not a request for it:
asking for a key that waits already runs it once, at the earlier of both times; asking while it runs makes it
run once more afterwards, so nothing that was written before a request can be missed by the run it asks for.

    run_at:  time due        waiting
             UNASKED         running (`lease_until` is set)
             time asked for  running, and to be run again
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import structlog
from sqlalchemy import bindparam, case, delete, select, update

from parley.base.clock import Clock
from parley.base.ids import AppId, new_uuid
from parley.base.tasks import cancel_and_wait, wait_event
from parley.base.times import to_ms
from parley.store.errors import DatabaseUnavailable
from parley.store.ports import Database, Transaction
from parley.store.query import Query, SystemQuery, in_list, json_list, upsert
from parley.store.schema import tables as t

log = structlog.get_logger(__name__)
LEASE = timedelta(seconds=60)
LANE_BACKLOG = 100
"""Jobs that a queue with lanes takes beyond what it runs, so that a full lane leaves the others something."""
IDLE_POLL_S = 1.0
COMMIT_S = 0.05
"""The transaction that enqueues commits a moment after its call; look once more after that time."""
UNASKED = 2**62
"""`run_at` of a running job that nobody has asked for again: later than any time."""
FIRST_RETRY_S, LONGEST_RETRY_S = 1.0, 600.0


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work."""

    id: int
    queue: str
    key: str
    app_id: AppId
    body: Any
    attempts: int
    """Runs before this one."""


class RetryAt(Exception):
    """Raised by a handler: run again at that time."""

    def __init__(self, at: datetime, reason: str) -> None:
        super().__init__(reason)
        self.at = at


Handler = Callable[[Job], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Queue:
    handler: Handler
    lane: Callable[[Any], str | None]
    slots: asyncio.Semaphore
    most: int
    """Jobs taken at one time."""


def _earlier() -> Any:
    asked = bindparam("run_at", type_=t.jobs.c.run_at.type)
    return case((t.jobs.c.run_at < asked, t.jobs.c.run_at), else_=asked)


_ENQUEUE = Query(
    upsert(
        t.jobs,
        ["queue", "key"],
        {"run_at": _earlier()},
        values={c.name: bindparam(c.name, type_=c.type) for c in t.jobs.columns if c.name != "id"},
    )
)
_due = (
    select(t.jobs.c.id)
    .where(
        t.jobs.c.queue == bindparam("queue"),
        t.jobs.c.run_at <= bindparam("now"),
        t.jobs.c.lease_until.is_(None),
    )
    .order_by(t.jobs.c.run_at, t.jobs.c.id)
    .limit(bindparam("count"))
    .with_for_update(skip_locked=True)
)
_CLAIM = SystemQuery(
    update(t.jobs)
    .where(t.jobs.c.id.in_(_due.scalar_subquery()))
    .values(leased_by=bindparam("me"), lease_until=bindparam("until"), run_at=UNASKED)
    .returning(t.jobs.c.id, t.jobs.c.queue, t.jobs.c.key, t.jobs.c.app_id, t.jobs.c.body, t.jobs.c.attempts)
)
_abandoned = (
    select(t.jobs.c.id)
    .where(t.jobs.c.lease_until < bindparam("now"), t.jobs.c.leased_by != bindparam("me"))
    .with_for_update(skip_locked=True)
)
_FREE_ABANDONED = SystemQuery(
    update(t.jobs)
    .where(t.jobs.c.id.in_(_abandoned.scalar_subquery()))
    .values(leased_by=None, lease_until=None, run_at=bindparam("now"))
)
_RENEW = SystemQuery(
    update(t.jobs)
    .where(in_list(t.jobs.c.id, "ids"), t.jobs.c.leased_by == bindparam("me"))
    .values(lease_until=bindparam("until"))
)
_DONE = SystemQuery(
    delete(t.jobs).where(
        t.jobs.c.id == bindparam("job"), t.jobs.c.leased_by == bindparam("me"), t.jobs.c.run_at == UNASKED
    )
)
_ASKED_AGAIN = SystemQuery(
    update(t.jobs)
    .where(t.jobs.c.id == bindparam("job"), t.jobs.c.leased_by == bindparam("me"))
    .values(attempts=0, lease_until=None, leased_by=None, last_error=None)
)
_AGAIN = SystemQuery(
    update(t.jobs)
    .where(t.jobs.c.id == bindparam("job"), t.jobs.c.leased_by == bindparam("me"))
    .values(
        attempts=t.jobs.c.attempts + 1,
        run_at=_earlier(),
        lease_until=None,
        leased_by=None,
        last_error=bindparam("error"),
    )
)


class Jobs:
    """Enqueues and runs jobs."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._me = new_uuid()
        self._queues: dict[str, _Queue] = {}
        self._lanes: dict[str, asyncio.Task[None]] = {}
        """The job that starts last in each lane."""
        self._running: dict[int, asyncio.Task[None]] = {}
        self._taken: Counter[str] = Counter()
        """Jobs of each queue in `_running`."""
        self._wake = asyncio.Event()
        self._look_again: asyncio.TimerHandle | None = None
        self._loop: asyncio.Task[None] | None = None

    def handle(
        self,
        queue: str,
        handler: Handler,
        *,
        at_once: int = 16,
        lane: Callable[[Any], str | None] | None = None,
    ) -> None:
        """Run that queue in this process; register before `start`.

        Args:
            queue: its name.
            handler: returns when the job is done or given up; raises `RetryAt`, or anything else to be
                run again after a growing delay.
            at_once: most jobs of the queue running together; without lanes no more than that are taken,
                so that other processes find the rest.
            lane: the job's lane by its body; None runs freely.
        """
        most = at_once + LANE_BACKLOG if lane else at_once
        self._queues[queue] = _Queue(handler, lane or (lambda body: None), asyncio.Semaphore(at_once), most)

    async def enqueue(
        self, tx: Transaction, app_id: AppId, queue: str, key: str, body: Any, *, at: datetime | None = None
    ) -> None:
        """Add a job to the transaction.

        One of the same key that waits keeps its body and runs at the earlier of both times; one that runs
        now will run once more.
        """
        now = self._clock.now()
        await tx.run(
            _ENQUEUE,
            queue=queue,
            key=key,
            app_id=app_id,
            body=msgspec.json.encode(body).decode(),
            attempts=0,
            run_at=to_ms(at or now),
            lease_until=None,
            leased_by=None,
            last_error=None,
            created_at=to_ms(now),
        )
        self.wake()
        if self._look_again is None:
            self._look_again = asyncio.get_running_loop().call_later(COMMIT_S, self._committed)

    def wake(self) -> None:
        """Look for due jobs now instead of at the next poll."""
        self._wake.set()

    def _committed(self) -> None:
        self._look_again = None
        self._wake.set()

    async def start(self) -> None:
        """Begin to run jobs."""
        self._loop = asyncio.create_task(self._run_forever(), name="jobs")

    async def stop(self) -> None:
        """Stop claiming and cancel what runs; another process, or the next start, takes it up again."""
        await cancel_and_wait([self._loop])
        await cancel_and_wait(self._running.values())
        if self._look_again is not None:
            self._look_again.cancel()
            self._look_again = None

    async def _run_forever(self) -> None:
        renewed = self._clock.monotonic()
        while True:
            self._wake.clear()
            try:
                claimed = await self._claim()
                if self._clock.monotonic() - renewed > LEASE.total_seconds() / 3:
                    renewed = self._clock.monotonic()
                    await self._renew()
            except DatabaseUnavailable as away:
                log.warning("jobs_wait_for_database", reason=away.message)
                claimed = 0
            if not claimed:
                await wait_event(self._wake, IDLE_POLL_S)

    async def _claim(self) -> int:
        now = self._clock.now()
        rows: list[Any] = []
        async with self._database.transaction() as tx:
            await tx.run(_FREE_ABANDONED, now=to_ms(now), me=self._me)
            for name, queue in self._queues.items():
                room = queue.most - self._taken[name]
                if room > 0:
                    rows += await tx.all(
                        _CLAIM,
                        queue=name,
                        now=to_ms(now),
                        count=room,
                        me=self._me,
                        until=to_ms(now + LEASE),
                    )
        for row in sorted(rows, key=lambda r: int(r[0])):
            job = Job(row[0], row[1], row[2], row[3], msgspec.json.decode(row[4]), row[5])
            task = asyncio.create_task(self._run(job), name=f"job {job.queue} {job.key}")
            self._running[job.id] = task
            self._taken[job.queue] += 1
            task.add_done_callback(partial(self._forget, job))
        return len(rows)

    def _forget(self, job: Job, _: asyncio.Task[None]) -> None:
        del self._running[job.id]
        self._taken[job.queue] -= 1
        self._wake.set()

    async def _renew(self) -> None:
        if self._running:
            async with self._database.transaction() as tx:
                until = to_ms(self._clock.now() + LEASE)
                await tx.run(_RENEW, ids=json_list(self._running), me=self._me, until=until)

    async def _run(self, job: Job) -> None:
        queue = self._queues[job.queue]
        lane = queue.lane(job.body)
        if lane is None or job.attempts:  # a retry does not hold up what comes after it
            async with queue.slots:
                await self._attempt(queue, job)
            return
        me = asyncio.current_task()
        assert me is not None
        before, self._lanes[lane] = self._lanes.get(lane), me
        try:
            if before is not None:
                await asyncio.wait([before])
            async with queue.slots:
                await self._attempt(queue, job)
        finally:
            if self._lanes[lane] is me:
                del self._lanes[lane]

    async def _attempt(self, queue: _Queue, job: Job) -> None:
        try:
            await self._handle(queue, job)
        except DatabaseUnavailable as away:
            # The outcome is not written: when the lease is over the job runs again.
            log.warning("job_outcome_lost", queue=job.queue, key=job.key, reason=away.message)

    async def _handle(self, queue: _Queue, job: Job) -> None:
        try:
            await queue.handler(job)
        except RetryAt as later:
            await self._again(job, later.at, str(later))
        except Exception as failure:
            log.exception("job_failed", queue=job.queue, key=job.key, attempts=job.attempts + 1)
            delay = min(FIRST_RETRY_S * 2**job.attempts, LONGEST_RETRY_S) * random.uniform(0.8, 1.2)  # noqa: S311
            await self._again(job, self._clock.now() + timedelta(seconds=delay), repr(failure))
        else:
            async with self._database.transaction() as tx:
                if not await tx.run(_DONE, job=job.id, me=self._me):
                    await tx.run(_ASKED_AGAIN, job=job.id, me=self._me)

    async def _again(self, job: Job, at: datetime, reason: str) -> None:
        async with self._database.transaction() as tx:
            await tx.run(_AGAIN, job=job.id, me=self._me, run_at=to_ms(at), error=reason[:1000])
