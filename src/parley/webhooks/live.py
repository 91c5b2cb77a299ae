"""From what happens on channels to events: only where an app has a webhook that wants them.

Publications: `PublicationEvents` writes their events in the transaction that stores them. What is not stored
itself (subscriptions, presence, rooms) goes through `LiveEvents`, which writes many together and never makes
anybody wait.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby

import structlog

from parley.base.events import Event
from parley.base.ids import AppId
from parley.base.tasks import cancel_and_wait, wait_event
from parley.channels.realtime.events import PublicationSent
from parley.channels.realtime.model import MESSAGE, Publication
from parley.channels.realtime.names import Kind, kind_of
from parley.store.core import Store
from parley.store.errors import DatabaseUnavailable
from parley.store.ports import Transaction
from parley.webhooks.interest import Interest

log = structlog.get_logger(__name__)
WAITING_LIMIT = 20_000
"""Events that wait for the database; of more than that the oldest are lost, and it is logged how many."""
BATCH = 500
IDLE_S = 5.0
STOP_S = 5.0
_SERVER_SPEAKS = frozenset({Kind.CONVERSATION, Kind.INBOX})
PublicName = Callable[[Event], str | None]
"""`EventCodec.public_name` of the dialect."""


class PublicationEvents:
    """`channels.realtime.log.InSameChange`: tells webhooks of new messages.

    Those are publications that are kept in a history; on the channels of conversations and inboxes, where the
    server speaks of many things, those that are called a message.
    """

    def __init__(self, base: Store, interest: Interest, public_name: PublicName) -> None:
        self._store = base
        self._interest = interest
        self._public_name = public_name

    async def __call__(self, tx: Transaction, publications: Sequence[Publication]) -> None:
        """Write the events of publications where they are wanted."""
        by_app: dict[AppId, list[Publication]] = {}  # in order, as the log brings them
        for one in publications:
            by_app.setdefault(one.app_id, []).append(one)
        for app_id, group in by_app.items():
            wanted = await self._interest.of(tx, app_id)
            if wanted is None:  # as of most apps: no message is looked at
                continue
            events = [_sent(one) for one in group if _is_message(one)]
            if not events:
                continue
            name = self._public_name(events[0])
            if name is not None and wanted.has(name):
                written = await self._store.outbox.write(tx, wanted.organization_id, app_id, events)
                tx.on_commit(partial(self._store.outbox.committed, written))


class LiveEvents:
    """Writes events that no transaction of their own announces."""

    def __init__(self, base: Store, interest: Interest, public_name: PublicName) -> None:
        self._store = base
        self._interest = interest
        self._public_name = public_name
        self._waiting: deque[tuple[AppId, str, Event]] = deque()
        self._lost = 0
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def tell(self, app_id: AppId, happened: Event) -> None:
        """Something happened; costs next to nothing where nobody wants to hear of it."""
        name = self._public_name(happened)
        if name is None:
            return
        known = self._interest.known(app_id)
        if known is not None and (known[0] is None or not known[0].has(name)):
            return
        if len(self._waiting) >= WAITING_LIMIT:
            self._waiting.popleft()
            self._lost += 1
        self._waiting.append((app_id, name, happened))
        self._wake.set()

    async def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._write_forever(), name="live events")

    async def stop(self) -> None:
        """Write what waits, as far as the database allows, then stop."""
        await cancel_and_wait([self._task])
        try:
            async with asyncio.timeout(STOP_S):
                await self.flush()
        except (DatabaseUnavailable, TimeoutError):
            log.warning("live_events_lost", events=len(self._waiting))

    async def flush(self) -> None:
        """Write what waits now."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            try:
                await self._write(batch)
            except DatabaseUnavailable:
                self._waiting.extendleft(reversed(batch[: WAITING_LIMIT - len(self._waiting)]))
                raise

    async def _write(self, batch: Sequence[tuple[AppId, str, Event]]) -> None:
        async with self._store.database.transaction() as tx:
            # Sorted: transactions that lock the same streams in opposite orders would wait for each other.
            for app_id, group in groupby(sorted(batch, key=lambda one: one[0]), key=lambda one: one[0]):
                wanted = await self._interest.of(tx, app_id)
                events = [event for _, name, event in group if wanted is not None and wanted.has(name)]
                if wanted is not None and events:
                    written = await self._store.outbox.write(tx, wanted.organization_id, app_id, events)
                    tx.on_commit(partial(self._store.outbox.committed, written))

    async def _write_forever(self) -> None:
        while True:
            await wait_event(self._wake, IDLE_S)
            self._wake.clear()
            try:
                await self.flush()
            except DatabaseUnavailable as away:
                log.warning("live_events_wait_for_database", reason=away.message)
                await asyncio.sleep(1.0)
                self._wake.set()
            except Exception:
                log.exception("live_events_failed")
            if self._lost:
                log.warning("live_events_lost", events=self._lost)
                self._lost = 0


def _is_message(one: Publication) -> bool:
    return one.in_history and (one.event == MESSAGE or kind_of(one.channel) not in _SERVER_SPEAKS)


def _sent(one: Publication) -> PublicationSent:
    return PublicationSent(
        channel=one.channel,
        user_id=one.user_id,
        id=one.id,
        event=one.event,
        data=one.data.decode(),
        created_ms=one.created_ms,
    )
