"""Work done later: rows with leases in the same database (`design.md` D12).

A job is enqueued in the transaction of the change that needs it and runs at least once, so handlers are
written to be safe to run twice. While it runs its lease is renewed; when its process dies another one takes
it after `LEASE`. Jobs of one `lane` of this process start in order, one at a time.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import structlog
from sqlalchemy import bindparam, delete, or_, select, update

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
CLAIM = 100
"""Jobs taken in one statement."""
IDLE_POLL_S = 1.0
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


_ENQUEUE = Query(
    upsert(
        t.jobs,
        ["queue", "key"],
        values={c.name: bindparam(c.name, type_=c.type) for c in t.jobs.columns if c.name != "id"},
    )
)
_due = (
    select(t.jobs.c.id)
    .where(
        in_list(t.jobs.c.queue, "queues"),
        t.jobs.c.run_at <= bindparam("now"),
        or_(t.jobs.c.lease_until.is_(None), t.jobs.c.lease_until < bindparam("now")),
    )
    .order_by(t.jobs.c.run_at, t.jobs.c.id)
    .limit(bindparam("count"))
    .with_for_update(skip_locked=True)
)
_CLAIM = SystemQuery(
    update(t.jobs)
    .where(t.jobs.c.id.in_(_due.scalar_subquery()))
    .values(leased_by=bindparam("me"), lease_until=bindparam("until"))
    .returning(t.jobs.c.id, t.jobs.c.queue, t.jobs.c.key, t.jobs.c.app_id, t.jobs.c.body, t.jobs.c.attempts)
)
_RENEW = SystemQuery(
    update(t.jobs)
    .where(in_list(t.jobs.c.id, "ids"), t.jobs.c.leased_by == bindparam("me"))
    .values(lease_until=bindparam("until"))
)
_DONE = SystemQuery(
    delete(t.jobs).where(t.jobs.c.id == bindparam("job"), t.jobs.c.leased_by == bindparam("me"))
)
_AGAIN = SystemQuery(
    update(t.jobs)
    .where(t.jobs.c.id == bindparam("job"), t.jobs.c.leased_by == bindparam("me"))
    .values(
        attempts=t.jobs.c.attempts + 1,
        run_at=bindparam("at"),
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
        self._lanes: dict[str, asyncio.Lock] = {}
        self._running: dict[int, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    def handle(
        self,
        queue: str,
        handler: Handler,
        *,
        at_once: int = 16,
        lane: Callable[[Any], str | None] = lambda body: None,
    ) -> None:
        """Run that queue in this process; register before `start`.

        Args:
            queue: its name.
            handler: returns when the job is done or given up; raises `RetryAt`, or anything else to be
                run again after a growing delay.
            at_once: most jobs of the queue running together.
            lane: the job's lane by its body; None runs freely.
        """
        self._queues[queue] = _Queue(handler, lane, asyncio.Semaphore(at_once))

    async def enqueue(
        self, tx: Transaction, app_id: AppId, queue: str, key: str, body: Any, *, at: datetime | None = None
    ) -> None:
        """Add a job to the transaction; one with the same key that still waits is kept instead."""
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
        self._wake.set()

    async def start(self) -> None:
        """Begin to run jobs."""
        self._loop = asyncio.create_task(self._run_forever(), name="jobs")

    async def stop(self) -> None:
        """Stop claiming and cancel what runs; another process, or the next start, takes it up again."""
        await cancel_and_wait([self._loop])
        await cancel_and_wait(self._running.values())

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
        room = CLAIM - len(self._running)
        if room <= 0:
            await asyncio.wait(self._running.values(), return_when=asyncio.FIRST_COMPLETED, timeout=1)
            return 1
        now = self._clock.now()
        async with self._database.transaction() as tx:
            rows = await tx.all(
                _CLAIM,
                queues=json_list(self._queues),
                now=to_ms(now),
                count=room,
                me=self._me,
                until=to_ms(now + LEASE),
            )
        for row in sorted(rows, key=lambda r: int(r[0])):
            job = Job(row[0], row[1], row[2], row[3], msgspec.json.decode(row[4]), row[5])
            task = asyncio.create_task(self._run(job), name=f"job {job.queue} {job.key}")
            self._running[job.id] = task
            task.add_done_callback(partial(self._forget, job.id))
        return len(rows)

    def _forget(self, job_id: int, _: asyncio.Task[None]) -> None:
        self._running.pop(job_id, None)

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
        lock = self._lanes.setdefault(lane, asyncio.Lock())
        async with lock, queue.slots:
            await self._attempt(queue, job)
        if not lock.locked():
            self._lanes.pop(lane, None)

    async def _attempt(self, queue: _Queue, job: Job) -> None:
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
                await tx.run(_DONE, job=job.id, me=self._me)

    async def _again(self, job: Job, at: datetime, reason: str) -> None:
        async with self._database.transaction() as tx:
            await tx.run(_AGAIN, job=job.id, me=self._me, at=to_ms(at), error=reason[:1000])
