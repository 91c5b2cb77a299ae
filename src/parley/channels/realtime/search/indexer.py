"""Keeps the index of words a little behind the publications."""

from __future__ import annotations

import asyncio
import time

import structlog

from parley.base.tasks import cancel_and_wait
from parley.channels.realtime.search import store
from parley.channels.realtime.search.words import app_mark, channel_mark, words_of
from parley.store.core import Store
from parley.store.errors import DatabaseUnavailable

log = structlog.get_logger(__name__)
LOOK_EVERY_S = 2.0
BATCH = 200
"""Publications of one transaction: on SQLite all writers wait for it, for about 10 ms."""
REST = 3
"""Times as long as a batch took, somebody else has the turn."""


class Indexer:
    """Indexes what all server processes publish; any number of them may run, one at a time works."""

    def __init__(self, base: Store) -> None:
        self._store = base
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to follow."""
        self._task = asyncio.create_task(self._follow_forever(), name="search index")

    async def stop(self) -> None:
        """Stop between two batches; the next start goes on there."""
        await cancel_and_wait([self._task])

    async def catch_up(self) -> None:
        """Index everything that is settled now."""
        while await self._batch():
            pass

    async def _follow_forever(self) -> None:
        while True:
            pause_s = LOOK_EVERY_S
            try:
                began = time.perf_counter()
                if await self._batch():
                    pause_s = REST * (time.perf_counter() - began)
            except DatabaseUnavailable as away:
                log.warning("search_index_waits_for_database", reason=away.message)
            except Exception:
                log.exception("search_index_failed")
            await asyncio.sleep(pause_s)

    async def _batch(self) -> bool:
        """Index some publications; whether there is more to do at once."""
        database = self._store.database
        seen = await store.horizon(database)
        if (await store.progress(database)).indexed >= seen.newest:
            return False
        async with database.transaction() as tx:
            before = await store.lock(tx)
            is_settled = before.reached_at <= seen.oldest_running
            if seen.oldest_running >= seen.next_one:  # nobody is writing
                upto = seen.newest
            else:
                upto = before.reached if is_settled else 0
            upto = max(upto, before.indexed)
            found = await store.following(tx, before.indexed, upto, BATCH)
            entries = [
                (one.number, [app_mark(one.app_id), channel_mark(one.channel), *words_of(one.data.encode())])
                for one in found
                if one.in_history
            ]
            if entries:
                await store.add(tx, entries)
            is_full = len(found) == BATCH
            made = before._replace(indexed=found[-1].number if is_full else upto)
            if is_settled:
                made = made._replace(reached=seen.newest, reached_at=seen.next_one)
            if made != before:
                await store.save(tx, made)
        return is_full
