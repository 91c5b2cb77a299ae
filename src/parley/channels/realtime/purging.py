"""Deleting what has expired (`realtime-block.md` 3.1, 9.1): a job that comes round, in one process of all."""

from __future__ import annotations

from datetime import timedelta

import structlog

from parley.accounts import service as accounts
from parley.base.errors import Unauthenticated
from parley.base.ids import AppId
from parley.base.times import to_ms
from parley.channels.realtime import store
from parley.channels.realtime.model import REPLAY_FOR, REPLAY_LIMIT
from parley.channels.realtime.receipts import store as receipts
from parley.channels.realtime.retention import KEPT_FOR_EVER, Retention
from parley.channels.realtime.search import store as words
from parley.store.core import Store
from parley.store.jobs import Job, RetryAt

log = structlog.get_logger(__name__)
QUEUE = "realtime.purge"
EVERY = timedelta(minutes=10)
"""Short, because what has expired and is still there must be skipped by whoever reads from the oldest."""
ROWS = 500
"""Deleted in one transaction: keeps the writer free for others."""


class Purge:
    """Deletes what has expired, of all apps."""

    def __init__(self, base: Store, retention: Retention) -> None:
        self._store = base
        self._retention = retention

    def register(self) -> None:
        """Handle the job in this process; before the store is started."""
        self._store.jobs.handle(QUEUE, self._run, at_once=1)

    async def schedule(self) -> None:
        """Have it run every `EVERY`, by one process of all; call at each start."""
        async with self._store.database.transaction() as tx:
            await self._store.jobs.enqueue(tx, AppId(""), QUEUE, "purge", None)

    async def run(self) -> int:
        """Purge all apps once; returns how many publications were deleted."""
        deleted = await self._passing()
        for app_id in await store.apps_with_publications(self._store.database):
            try:
                scope, _ = await accounts.app_and_scope(self._store, app_id, "system")
            except Unauthenticated:  # deleted meanwhile, and its publications with it
                continue
            expired_ms = await self._retention.expired_ms(scope)
            if expired_ms != KEPT_FOR_EVER:
                deleted += await self._expired(app_id, expired_ms)
        if deleted:
            log.info("publications_purged", deleted=deleted)
        return deleted

    async def _run(self, _: Job) -> None:
        began = self._store.clock.now()
        await self.run()
        raise RetryAt(began + EVERY, "next round")

    async def _passing(self) -> int:
        """What was only for those who listened, once nobody can come back for it."""
        before_ms = to_ms(self._store.clock.now() - REPLAY_FOR)
        deleted, count = 0, ROWS
        while count == ROWS:
            async with self._store.database.transaction() as tx:
                numbers = await store.purge_passing(tx, before_ms, REPLAY_LIMIT, ROWS)
                await words.forget(tx, numbers)
            count = len(numbers)
            deleted += count
        return deleted

    async def _expired(self, app_id: AppId, expired_ms: int) -> int:
        deleted, count = 0, ROWS
        while count == ROWS:
            async with self._store.database.transaction() as tx:
                numbers = await store.purge_expired(tx, app_id, expired_ms, ROWS)
                await words.forget(tx, numbers)
            count = len(numbers)
            deleted += count
        async with self._store.database.transaction() as tx:
            await receipts.purge_expired(tx, app_id, expired_ms)
        return deleted
