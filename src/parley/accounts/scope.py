"""Who is asking, for which tenant, and the only way to the database.

Every service function takes a `Scope` (or the `AppScope` inside one app). Statements run through it get
the tenant bound by the scope itself, so that a caller cannot pass somebody else's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from parley.accounts.model import Right
from parley.base.errors import NotAllowed
from parley.base.events import Event
from parley.base.ids import AppId, OrganizationId
from parley.base.times import truncate_ms
from parley.store.core import Store
from parley.store.ports import Row, Transaction
from parley.store.query import Query


class Scope(msgspec.Struct, frozen=True):
    """An organization, seen by somebody."""

    store: Store
    organization_id: OrganizationId
    actor: str
    """For logs: `credential:<id>`, `participant:<id>`, `system`."""
    rights: frozenset[Right] = frozenset(Right)

    def now(self) -> datetime:
        """The present, in the precision of storage."""
        return truncate_ms(self.store.clock.now())

    def require(self, right: Right) -> None:
        """Raise `NotAllowed` unless the credential has the right."""
        if right not in self.rights:
            raise NotAllowed(f"This credential may not {right.value}.")

    def app(self, app_id: AppId) -> AppScope:
        """The same caller inside one app, whose existence the caller has checked."""
        return AppScope(self.store, self.organization_id, self.actor, self.rights, app_id)

    def _bind(self, params: dict[str, Any]) -> dict[str, Any]:
        params["organization_id"] = self.organization_id
        return params

    async def all(self, query: Query, **params: Any) -> Sequence[Row]:
        """Every row, committed state."""
        return await self.store.database.all(query, **self._bind(params))

    async def one(self, query: Query, **params: Any) -> Row | None:
        """The first row, committed state."""
        return await self.store.database.one(query, **self._bind(params))

    async def run(self, query: Query, **params: Any) -> int:
        """A change of one statement that announces nothing; returns the number of rows changed."""
        return await self.store.database.run(query, **self._bind(params))

    @asynccontextmanager
    async def change(self) -> AsyncIterator[Change]:
        """A transaction; its events are written with it and announced after it."""
        async with self.store.database.transaction() as tx:
            change = Change(self, tx)
            yield change
            written = await change.write_events()
            tx.on_commit(partial(self.store.outbox.committed, written))


class AppScope(Scope, frozen=True):
    """One app, seen by somebody."""

    app_id: AppId = AppId("")
    """Always given."""

    def _bind(self, params: dict[str, Any]) -> dict[str, Any]:
        params["organization_id"] = self.organization_id
        params["app_id"] = self.app_id
        return params


class Change:
    """An open transaction of a scope, and the events it will announce."""

    __slots__ = ("_events", "scope", "tx")

    def __init__(self, scope: Scope, tx: Transaction) -> None:
        self.scope = scope
        self.tx = tx
        self._events: dict[AppId, list[Event]] = {}

    def now(self) -> datetime:
        """See `Scope.now`."""
        return self.scope.now()

    def announce(self, *events: Event, app_id: AppId | None = None) -> None:
        """Write the events with this change; listeners hear of them after the commit.

        Args:
            events: in the order they happened.
            app_id: the app they belong to; by default the scope's.
        """
        if app_id is None:
            assert isinstance(self.scope, AppScope)
            app_id = self.scope.app_id
        self._events.setdefault(app_id, []).extend(events)

    async def write_events(self) -> list[Any]:
        """Called by `Scope.change` at the end of the block."""
        written = []
        for app_id, events in sorted(self._events.items()):
            outbox = self.scope.store.outbox
            written += await outbox.write(self.tx, self.scope.organization_id, app_id, events)
        return written

    async def all(self, query: Query, **params: Any) -> Sequence[Row]:
        """Every row, own writes included."""
        return await self.tx.all(query, **self.scope._bind(params))

    async def one(self, query: Query, **params: Any) -> Row | None:
        """The first row, own writes included."""
        return await self.tx.one(query, **self.scope._bind(params))

    async def run(self, query: Query, **params: Any) -> int:
        """Execute; returns the number of rows changed."""
        return await self.tx.run(query, **self.scope._bind(params))

    async def run_many(self, query: Query, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute for each row of parameters."""
        await self.tx.run_many(query, [self.scope._bind(dict(row)) for row in rows])

    async def enqueue(self, queue: str, key: str, body: Any, *, at: datetime | None = None) -> None:
        """Add a job to this change."""
        assert isinstance(self.scope, AppScope)
        await self.scope.store.jobs.enqueue(self.tx, self.scope.app_id, queue, key, body, at=at)
