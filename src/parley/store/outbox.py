"""Events, written with the change they announce (`design.md` D8).

    change ──┬─ rows of the change
             └─ outbox row: (topic, epoch, offset), name, body      one transaction
    commit ──┬─ live listeners of this process, at once
             └─ consumers (webhooks, analytics …): in one more transaction each batch is handed to every
                consumer and removed, so a consumer that writes with that transaction sees each event
                exactly once, also after kill -9

Positions. `offset` counts the events of one topic from 1 in commit order: the counter row of the topic is
locked until the commit. `epoch` names the counter's life; it changes only if the store is lost, so that an
old cursor is refused instead of silently skipping.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
import structlog
from sqlalchemy import bindparam, delete, select, update

from parley.base.clock import Clock
from parley.base.events import Event, decode, encode, name_of
from parley.base.ids import AppId, OrganizationId
from parley.base.tasks import cancel_and_wait, wait_event
from parley.base.times import from_ms, to_ms, truncate_ms
from parley.store.errors import DatabaseUnavailable
from parley.store.ports import Database, Transaction
from parley.store.query import Query, SystemQuery, in_list, json_list, upsert
from parley.store.schema import tables as t

log = structlog.get_logger(__name__)
BATCH = 200
"""Events handed to the consumers in one transaction."""
PARK_AFTER = 5
"""Times that a consumer may refuse an event before it is left out (and kept, with the reason)."""
FAILURE_PAUSE_S = 0.5
IDLE_POLL_S = 5.0
"""A net for events whose process died before it could wake the dispatcher."""


class Announced(msgspec.Struct, frozen=True):
    """One committed event and where it stands in its topic."""

    organization_id: OrganizationId
    app_id: AppId
    topic: str
    epoch: str
    offset: int
    event: Event
    at: datetime


Listener = Callable[[Announced], None]
Consumer = Callable[[Transaction, Announced], Awaitable[None]]

_NEXT_OFFSETS = Query(
    upsert(
        t.streams,
        ["app_id", "topic"],
        {"last_offset": t.streams.c.last_offset + bindparam("last_offset")},
        returning=[t.streams.c.epoch, t.streams.c.last_offset],
    )
)
_INSERT = Query(
    t.outbox.insert().values({c.name: bindparam(c.name) for c in t.outbox.columns if c.name != "id"})
)
_waiting = t.outbox.c.failures < bindparam("parked_at")
_OLDEST = SystemQuery(
    select(t.outbox).where(_waiting).order_by(t.outbox.c.id).limit(bindparam("count")).with_for_update()
)
_REMOVE = SystemQuery(delete(t.outbox).where(in_list(t.outbox.c.id, "ids")))
_FAILED = SystemQuery(
    update(t.outbox)
    .where(t.outbox.c.id == bindparam("event"))
    .values(failures=t.outbox.c.failures + 1, last_error=bindparam("error"))
)


class Outbox:
    """Writes events, then tells those who wait for them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._listeners: list[Listener] = []
        self._consumers: list[Consumer] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def listen(self, listener: Listener) -> None:
        """Call back after each commit of this process; must be quick.

        In commit order on SQLite. On PostgreSQL the server's answers to two commits may cross on their way,
        so whoever depends on the order of a topic compares `offset`.
        """
        self._listeners.append(listener)

    def consume(self, consumer: Consumer) -> None:
        """Hand over every event once, inside a transaction of the dispatcher; register before `start`."""
        self._consumers.append(consumer)

    async def write(
        self, tx: Transaction, organization_id: OrganizationId, app_id: AppId, events: Sequence[Event]
    ) -> list[Announced]:
        """Add the events to the transaction; call `committed` with the result after it (`tx.on_commit`)."""
        now = truncate_ms(self._clock.now())
        positions: dict[str, tuple[str, Iterator[int]]] = {}
        # Sorted: two changes that lock the same counters in opposite orders would wait for each other.
        for topic, count in sorted(Counter(happened.topic for happened in events).items()):
            row = await tx.one(
                _NEXT_OFFSETS, app_id=app_id, topic=topic, epoch=secrets.token_hex(4), last_offset=count
            )
            assert row is not None
            epoch, last = row[0], row[1]
            positions[topic] = epoch, iter(range(last - count + 1, last + 1))
        written = []
        for happened in events:
            epoch, offsets = positions[happened.topic]
            written.append(
                Announced(organization_id, app_id, happened.topic, epoch, next(offsets), happened, now)
            )
        await tx.run_many(_INSERT, [_row(item) for item in written])
        return written

    def committed(self, written: Sequence[Announced]) -> None:
        """Tell the listeners of this process and wake the dispatcher."""
        for item in written:
            for listener in self._listeners:
                try:
                    listener(item)
                except Exception:
                    log.exception("outbox_listener_failed", topic=item.topic, offset=item.offset)
        if written:
            self._wake.set()

    async def start(self) -> None:
        """Begin handing events to consumers, with those left over from the last run."""
        self._task = asyncio.create_task(self._dispatch_forever(), name="outbox")

    async def stop(self) -> None:
        """Hand over what is committed, as far as consumers and database allow, then stop."""
        await cancel_and_wait([self._task])
        try:
            await self.drain()
        except Exception:
            log.exception("outbox_left_for_next_start")

    async def drain(self) -> None:
        """Hand over everything that is committed now; what consumers refuse stays for later."""
        while await self._dispatch_batch(BATCH):
            pass

    async def _dispatch_forever(self) -> None:
        while True:
            self._wake.clear()
            try:
                while await self._dispatch_batch(BATCH):
                    pass
            except DatabaseUnavailable as away:
                log.warning("outbox_waits_for_database", reason=away.message)
            except Exception:
                log.exception("outbox_consumer_failed")
                await asyncio.sleep(FAILURE_PAUSE_S)
                await self._find_the_cause()
                continue
            await wait_event(self._wake, IDLE_POLL_S)

    async def _dispatch_batch(self, count: int) -> bool:
        async with self._database.transaction() as tx:
            rows = await tx.all(_OLDEST, count=count, parked_at=PARK_AFTER)
            if not rows:
                return False
            for row in rows:
                item = _announced(row)
                if item is not None:
                    for consumer in self._consumers:
                        await consumer(tx, item)
            await tx.run(_REMOVE, ids=json_list(row[0] for row in rows))
        return len(rows) == count

    async def _find_the_cause(self) -> None:
        """Hand over one by one; the event that a consumer refuses is marked, and parked in the end.

        So one event that cannot be consumed does not hold up all others for ever.
        """
        try:
            while await self._dispatch_batch(1):
                pass
        except DatabaseUnavailable as away:
            log.warning("outbox_waits_for_database", reason=away.message)
        except Exception as failure:
            async with self._database.transaction() as tx:
                rows = await tx.all(_OLDEST, count=1, parked_at=PARK_AFTER)
                if rows:
                    await tx.run(_FAILED, event=rows[0][0], error=repr(failure)[:1000])


def _row(item: Announced) -> dict[str, Any]:
    return {
        "organization_id": item.organization_id,
        "app_id": item.app_id,
        "topic": item.topic,
        "epoch": item.epoch,
        "offset": item.offset,
        "name": name_of(item.event),
        "body": encode(item.event),
        "failures": 0,
        "last_error": None,
        "created_at": to_ms(item.at),
    }


def _announced(row: Any) -> Announced | None:
    _, organization_id, app_id, topic, epoch, offset, name, body, _, _, created_at = row
    try:
        happened = decode(name, body)
    except (KeyError, msgspec.ValidationError):
        log.exception("outbox_event_unreadable", event_name=name)
        return None
    return Announced(organization_id, app_id, topic, epoch, offset, happened, from_ms(created_at))
