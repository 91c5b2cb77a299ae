"""PostgreSQL through asyncpg: a pool, prepared statements cached per connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg

from parley.store.errors import AlreadyExists, DatabaseUnavailable
from parley.store.ports import Row, Transaction
from parley.store.query import DialectName, SystemQuery

POOL_SIZE = 10
"""Connections per process; beyond that transactions wait for one."""
COMMAND_TIMEOUT_S = 30.0


class PostgresDatabase:
    """`store.ports.Database` on a PostgreSQL server, shared by any number of processes."""

    dialect: DialectName = "postgresql"

    def __init__(self, url: str) -> None:
        self._url = url

    async def open(self) -> None:
        """See `Database.open`."""
        with _translated():
            self._pool: asyncpg.Pool[asyncpg.Record] = await asyncpg.create_pool(
                self._url,
                min_size=1,
                max_size=POOL_SIZE,
                command_timeout=COMMAND_TIMEOUT_S,
                statement_cache_size=500,
            )

    async def close(self) -> None:
        """See `Database.close`."""
        await self._pool.close()

    async def all(self, query: SystemQuery, **params: Any) -> Sequence[Row]:
        """See `Reader.all`."""
        prepared = query.prepared("postgresql")
        with _translated():
            rows: Sequence[Row] = await self._pool.fetch(prepared.sql, *prepared.arguments(params))
        return rows

    async def one(self, query: SystemQuery, **params: Any) -> Row | None:
        """See `Reader.one`."""
        prepared = query.prepared("postgresql")
        with _translated():
            row: Row | None = await self._pool.fetchrow(prepared.sql, *prepared.arguments(params))
        return row

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """See `Database.transaction`."""
        with _translated():
            async with self._pool.acquire() as connection, connection.transaction():
                yield _PostgresTransaction(connection)


class _PostgresTransaction:
    __slots__ = ("_connection",)

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def all(self, query: SystemQuery, **params: Any) -> Sequence[Row]:
        prepared = query.prepared("postgresql")
        with _translated():
            rows: Sequence[Row] = await self._connection.fetch(prepared.sql, *prepared.arguments(params))
        return rows

    async def one(self, query: SystemQuery, **params: Any) -> Row | None:
        prepared = query.prepared("postgresql")
        with _translated():
            row: Row | None = await self._connection.fetchrow(prepared.sql, *prepared.arguments(params))
        return row

    async def run(self, query: SystemQuery, **params: Any) -> int:
        prepared = query.prepared("postgresql")
        with _translated():
            tag: str = await self._connection.execute(prepared.sql, *prepared.arguments(params))
        count = tag.rsplit(" ", 1)[-1]
        return int(count) if count.isdigit() else 0

    async def run_many(self, query: SystemQuery, rows: Sequence[Mapping[str, Any]]) -> None:
        prepared = query.prepared("postgresql")
        with _translated():
            await self._connection.executemany(prepared.sql, [prepared.arguments(row) for row in rows])


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except asyncpg.UniqueViolationError as refused:
        raise AlreadyExists("That already exists.", detail=refused.constraint_name) from refused
    except (
        asyncpg.PostgresConnectionError,
        asyncpg.InsufficientResourcesError,
        asyncpg.OperatorInterventionError,
        asyncpg.TransactionRollbackError,
        asyncpg.CannotConnectNowError,
        asyncpg.InterfaceError,
        ConnectionError,
        TimeoutError,
    ) as refused:
        raise DatabaseUnavailable(f"The database cannot be used right now: {refused}") from refused
