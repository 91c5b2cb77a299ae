"""Work done later: rows with leases in the same database (`design.md` D12).

A job is enqueued in the transaction of the change that needs it and runs at least once, so handlers are
written to be safe to run twice. While it runs its lease is renewed; when its process dies its successor takes
it at once (`start`), any other after `LEASE`. Jobs of one `lane` of this process start in order, one at a
time.

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
RENEW_AFTER_S = LEASE.total_seconds() / 3
FREE_EVERY_S = 5.0
"""How often to look for leases that have run out."""
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
    """Runs before this one that count."""


class RetryAt(Exception):
    """Raised by a handler: run again at that time."""

    def __init__(self, at: datetime, reason: str, *, is_attempt: bool = True) -> None:
        """Say when.

        Args:
            at: the time.
            reason: for whoever looks at the row.
            is_attempt: whether this run counts in `Job.attempts`.
        """
        super().__init__(reason)
        self.at = at
        self.is_attempt = is_attempt


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
    .cte("due")  # evaluated once; PostgreSQL may run a subquery again and lock more than it returns
)
_CLAIM = SystemQuery(
    update(t.jobs)
    .where(t.jobs.c.id.in_(select(_due.c.id)))
    .values(leased_by=bindparam("me"), lease_until=bindparam("until"), run_at=UNASKED)
    .returning(t.jobs.c.id, t.jobs.c.queue, t.jobs.c.key, t.jobs.c.app_id, t.jobs.c.body, t.jobs.c.attempts)
)
_abandoned = (
    select(t.jobs.c.id)
    .where(t.jobs.c.lease_until < bindparam("now"))
    .with_for_update(skip_locked=True)
    .cte("abandoned")
)
_FREE_ABANDONED = SystemQuery(
    update(t.jobs)
    .where(t.jobs.c.id.in_(select(_abandoned.c.id)))
    .values(leased_by=None, lease_until=None, run_at=bindparam("now"))
)
_FREE_ALL = SystemQuery(
    update(t.jobs)
    .where(t.jobs.c.lease_until.is_not(None))
    .values(leased_by=None, lease_until=None, run_at=bindparam("now"))
)
_GIVE_BACK = SystemQuery(
    update(t.jobs)
    .where(t.jobs.c.leased_by == bindparam("me"))
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
        attempts=t.jobs.c.attempts + bindparam("more"),
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
        self._running: dict[asyncio.Task[None], Job] = {}
        """By task: a finished job's id can be another job's before its task is forgotten."""
        self._taken: Counter[str] = Counter()
        """Jobs of each queue in `_running` that have not made room."""
        self._aside: set[asyncio.Task[None]] = set()
        """Those that have made room for others."""
        self._renewed = self._freed = float("-inf")
        """When leases were last renewed, and abandoned ones looked for; monotonic."""
        self._wake = asyncio.Event()
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
        tx.on_commit(self.wake)

    def wake(self) -> None:
        """Look for due jobs now instead of at the next poll."""
        self._wake.set()

    def make_room(self, job: Job) -> None:
        """Let another job of the queue begin, while the handler of this one goes on.

        For the part of a job that only waits, such as an upload; the handler limits that part itself. Not for
        queues with lanes. A second call does nothing, as with a job that does not run here.
        """
        task = next((task for task, running in self._running.items() if running is job), None)
        if task is not None and task not in self._aside:
            self._aside.add(task)
            self._taken[job.queue] -= 1
            self._queues[job.queue].slots.release()
            self._wake.set()

    async def start(self, *, alone: bool = False, successor_of: str = "") -> None:
        """Begin to run jobs.

        Args:
            alone: no other process runs jobs of this database, so that leases found are those of a dead one.
            successor_of: a name that one process at a time may bear. Leases under it are those of a dead
                one; ours are taken under it from now on. Empty: leases of the dead have to run out.
        """
        if successor_of:
            self._me = successor_of
        if alone or successor_of:
            async with self._database.transaction() as tx:
                now = to_ms(self._clock.now())
                await (tx.run(_FREE_ALL, now=now) if alone else tx.run(_GIVE_BACK, me=self._me, now=now))
        self._loop = asyncio.create_task(self._run_forever(), name="jobs")

    async def stop(self) -> None:
        """Stop claiming and cancel what runs; another process, or the next start, takes it up again."""
        await cancel_and_wait([self._loop])
        await cancel_and_wait(list(self._running))
        try:
            async with self._database.transaction() as tx:
                await tx.run(_GIVE_BACK, me=self._me, now=to_ms(self._clock.now()))
        except DatabaseUnavailable as away:
            log.warning("jobs_left_to_their_leases", reason=away.message)

    async def _run_forever(self) -> None:
        while True:
            self._wake.clear()
            claimed = 0
            try:
                claimed = await self._claim()
            except DatabaseUnavailable as away:
                log.warning("jobs_wait_for_database", reason=away.message)
            except Exception:
                log.exception("jobs_claim_failed")
            if not claimed:
                await wait_event(self._wake, IDLE_POLL_S)

    async def _claim(self) -> int:
        rows: list[Any] = []
        async with self._database.transaction() as tx:
            now = self._clock.now()
            await self._keep_leases(tx, now)
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
            self._running[task] = job
            self._taken[job.queue] += 1
            task.add_done_callback(self._forget)
        return len(rows)

    def _forget(self, task: asyncio.Task[None]) -> None:
        job = self._running.pop(task)
        if task in self._aside:
            self._aside.remove(task)
        else:
            self._taken[job.queue] -= 1
        self._wake.set()

    async def _keep_leases(self, tx: Transaction, now: datetime) -> None:
        """Renew our leases, then free those that have run out: never one of a job that runs here."""
        at = self._clock.monotonic()
        if at - self._renewed >= RENEW_AFTER_S:
            ids = json_list(job.id for job in self._running.values())
            await tx.run(_RENEW, ids=ids, me=self._me, until=to_ms(now + LEASE))
            tx.on_commit(partial(setattr, self, "_renewed", at))
        if at - self._freed >= FREE_EVERY_S:
            await tx.run(_FREE_ABANDONED, now=to_ms(now))
            tx.on_commit(partial(setattr, self, "_freed", at))

    async def _run(self, job: Job) -> None:
        queue = self._queues[job.queue]
        lane = self._lane(queue, job)
        if lane is None or job.attempts:  # a retry does not hold up what comes after it
            await self._in_slot(queue, job)
            return
        me = asyncio.current_task()
        assert me is not None
        before, self._lanes[lane] = self._lanes.get(lane), me
        try:
            if before is not None:
                await asyncio.wait([before])
            await self._in_slot(queue, job)
        finally:
            if self._lanes.get(lane) is me:
                del self._lanes[lane]

    async def _in_slot(self, queue: _Queue, job: Job) -> None:
        await queue.slots.acquire()
        try:
            await self._attempt(queue, job)
        finally:
            if asyncio.current_task() not in self._aside:
                queue.slots.release()

    def _lane(self, queue: _Queue, job: Job) -> str | None:
        try:
            return queue.lane(job.body)
        except Exception:  # the handler is the one to say what is wrong with the body
            log.exception("job_lane_failed", queue=job.queue, key=job.key)
            return None

    async def _attempt(self, queue: _Queue, job: Job) -> None:
        try:
            await self._handle(queue, job)
        except DatabaseUnavailable as away:
            # The outcome is not written: when the lease is over the job runs again.
            log.warning("job_outcome_lost", queue=job.queue, key=job.key, reason=away.message)
        except Exception:
            log.exception("job_outcome_lost", queue=job.queue, key=job.key)

    async def _handle(self, queue: _Queue, job: Job) -> None:
        try:
            await queue.handler(job)
        except RetryAt as later:
            await self._again(job, later.at, str(later), int(later.is_attempt))
        except Exception as failure:
            log.exception("job_failed", queue=job.queue, key=job.key, attempts=job.attempts + 1)
            delay = min(FIRST_RETRY_S * 2**job.attempts, LONGEST_RETRY_S) * random.uniform(0.8, 1.2)  # noqa: S311
            await self._again(job, self._clock.now() + timedelta(seconds=delay), repr(failure))
        else:
            async with self._database.transaction() as tx:
                if not await tx.run(_DONE, job=job.id, me=self._me):
                    await tx.run(_ASKED_AGAIN, job=job.id, me=self._me)

    async def _again(self, job: Job, at: datetime, reason: str, attempts: int = 1) -> None:
        async with self._database.transaction() as tx:
            await tx.run(
                _AGAIN, job=job.id, me=self._me, run_at=to_ms(at), error=reason[:1000], more=attempts
            )
