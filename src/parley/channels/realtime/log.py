"""Publications, on disk and in order.

What arrives while a transaction is under way is written together in the next one. A caller hears of its
publication when it is on disk; so does everybody else, in the order of their places.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from operator import itemgetter
from typing import NamedTuple

import structlog

from parley.base.errors import Unavailable
from parley.base.ids import AppId
from parley.base.tasks import cancel_and_wait
from parley.base.times import to_ms
from parley.channels.realtime import store
from parley.channels.realtime.model import REMEMBERED, Draft, Publication, new_publication_id
from parley.store.core import Store
from parley.store.errors import DatabaseUnavailable
from parley.store.ports import Transaction

log = structlog.get_logger(__name__)
BATCH = 512
"""Publications written in one transaction."""
WAITING_LIMIT = 20_000
"""Publications that wait for the database; more are refused, which tells their clients to slow down."""

Announce = Callable[[Sequence[Publication]], None]
"""Told right after a commit, in the order of places; must be quick."""
InSameChange = Callable[[Transaction, Sequence[Publication]], Awaitable[None]]
"""Called inside the transaction that stores new publications, to write what must be stored with them."""


class Stored(NamedTuple):
    """What became of a draft."""

    publication: Publication
    is_new: bool
    """False when the client had sent it before; nothing was stored or announced then."""


class PublicationLog:
    """Appends to all channels of this server process."""

    def __init__(self, base: Store, announce: Announce) -> None:
        self._store = base
        self._announce = announce
        self._with_change: list[InSameChange] = []
        self._waiting: list[tuple[Draft, asyncio.Future[Stored]]] = []
        self._writer: asyncio.Task[None] | None = None

    def in_same_change(self, write: InSameChange) -> None:
        """Have something else written with new publications."""
        self._with_change.append(write)

    def append(self, draft: Draft) -> asyncio.Future[Stored]:
        """Store a publication; drafts of one caller get places in the order of the calls.

        The future fails with `Unavailable` when the database is away or too much waits for it.
        """
        done: asyncio.Future[Stored] = asyncio.get_running_loop().create_future()
        if len(self._waiting) >= WAITING_LIMIT:
            done.set_exception(Unavailable("Too many messages wait for the database."))
            return done
        self._waiting.append((draft, done))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all(), name="publications")
        return done

    async def stop(self) -> None:
        """Write what waits, then stop."""
        while self._writer is not None and not self._writer.done():
            await asyncio.wait([self._writer], timeout=5.0)
            if not self._writer.done():
                await cancel_and_wait([self._writer])

    async def _write_all(self) -> None:
        # One turn later: what the same turn of the loop reads from other sockets joins the first batch.
        await asyncio.sleep(0)
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
                await self._write(batch)
        finally:
            self._writer = None
            if self._waiting:  # the writer was cancelled or failed in itself; nobody may wait for ever
                left, self._waiting = self._waiting, []
                _fail(left, Unavailable("The server is stopping."))

    async def _write(self, batch: Sequence[tuple[Draft, asyncio.Future[Stored]]]) -> None:
        try:
            async with self._store.database.transaction() as tx:
                stored = await self.write(tx, [draft for draft, _ in batch])
        except DatabaseUnavailable as away:
            _fail(batch, away)
        except Exception as failure:
            if len(batch) == 1:
                log.exception("publication_failed", channel=batch[0][0].channel)
                _fail(batch, failure)
                return
            for one in batch:  # one that cannot be stored must not take the others with it
                await self._write([one])
        else:
            for (_, done), outcome in zip(batch, stored, strict=True):
                if not done.done():
                    done.set_result(outcome)

    async def write(self, tx: Transaction, drafts: Sequence[Draft]) -> list[Stored]:
        """Store publications as a part of somebody's change; announced after its commit, if it comes to that.

        Channels are locked until then, so let this be the last step of the change.
        """
        now_ms = to_ms(self._store.clock.now())
        outcomes: dict[int, Stored] = {}
        new: list[Publication] = []
        by_channel: dict[tuple[AppId, str], dict[int, Draft]] = {}
        for number, draft in enumerate(drafts):
            by_channel.setdefault((draft.app_id, draft.channel), {})[number] = draft
        # Sorted: transactions that lock the same channels in opposite orders would wait for each other.
        for (app_id, channel), mine in sorted(by_channel.items(), key=itemgetter(0)):
            new += await self._place(tx, app_id, channel, mine, now_ms, outcomes)
        if new:
            await store.insert(tx, new)
            for write in self._with_change:
                await write(tx, new)
            tx.on_commit(partial(self._announce, new))
        return [outcomes[number] for number in range(len(drafts))]

    async def _place(
        self,
        tx: Transaction,
        app_id: AppId,
        channel: str,
        drafts: dict[int, Draft],
        now_ms: int,
        outcomes: dict[int, Stored],
    ) -> list[Publication]:
        """Give drafts of one channel their places, except those that their clients sent before."""
        own_ids = [draft.client_id for draft in drafts.values() if draft.client_id is not None]
        before: dict[tuple[str | None, str], tuple[int, str, int]] = {}
        epoch = ""
        if own_ids:
            # Locks the channel first, so that the same draft in two transactions cannot miss the other.
            epoch = (await store.take_places(tx, app_id, channel, 0)).epoch
            since = now_ms - int(REMEMBERED.total_seconds() * 1000)
            before = await store.known(tx, app_id, channel, own_ids, since)
        first_of: dict[tuple[str | None, str], int] = {}
        repeated: dict[int, int] = {}
        fresh: list[int] = [] if own_ids else list(drafts)
        for number, draft in drafts.items() if own_ids else ():
            if draft.client_id is not None:
                key = (draft.user_id, draft.client_id)
                if key in before:
                    offset, id_, created_ms = before[key]
                    known = _publication(draft, epoch, offset, id_, created_ms)
                    outcomes[number] = Stored(known, is_new=False)
                    continue
                if key in first_of:
                    repeated[number] = first_of[key]
                    continue
                first_of[key] = number
            fresh.append(number)
        if not fresh:
            return []
        epoch, last = await store.take_places(tx, app_id, channel, len(fresh))
        made = []
        for place, number in enumerate(fresh, last - len(fresh) + 1):
            one = _publication(drafts[number], epoch, place, new_publication_id(place), now_ms)
            outcomes[number] = Stored(one, is_new=True)
            made.append(one)
        for number, first in repeated.items():
            outcomes[number] = Stored(outcomes[first].publication, is_new=False)
        return made


def _publication(draft: Draft, epoch: str, offset: int, id_: str, created_ms: int) -> Publication:
    return Publication(
        app_id=draft.app_id,
        channel=draft.channel,
        epoch=epoch,
        offset=offset,
        id=id_,
        event=draft.event,
        user_id=draft.user_id,
        data=draft.data,
        client_id=draft.client_id,
        in_history=draft.in_history,
        is_event=draft.is_event,
        created_ms=created_ms,
        but=draft.but,
    )


def _fail(batch: Sequence[tuple[Draft, asyncio.Future[Stored]]], failure: Exception) -> None:
    for _, done in batch:
        if not done.done():
            done.set_exception(failure)
