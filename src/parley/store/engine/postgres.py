"""PostgreSQL through asyncpg: a pool, prepared statements cached per connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import asyncpg
import structlog

from parley.base.tasks import to_the_end
from parley.store.engine.hooks import Hook, Hooks
from parley.store.errors import AlreadyExists, DatabaseUnavailable, NotStorable
from parley.store.ports import Row, Transaction
from parley.store.query import DialectName, SystemQuery

log = structlog.get_logger(__name__)
POOL_SIZE = 10
"""Connections per process; beyond that transactions wait for one."""
CONNECT_TIMEOUT_S = 10.0
ACQUIRE_TIMEOUT_S = 10.0
"""How long to wait for a free connection of the pool."""
COMMAND_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 10.0


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
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=COMMAND_TIMEOUT_S,
                statement_cache_size=500,
                reset=_keep_session,
            )

    async def close(self) -> None:
        """See `Database.close`."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    async def all(self, query: SystemQuery, **params: Any) -> Sequence[Row]:
        """See `Reader.all`."""
        async with self._connection() as connection:
            return await _all(connection, query, params)

    async def one(self, query: SystemQuery, **params: Any) -> Row | None:
        """See `Reader.one`."""
        async with self._connection() as connection:
            return await _one(connection, query, params)

    async def run(self, query: SystemQuery, **params: Any) -> int:
        """See `Database.run`. The server commits a lone statement by itself: one round trip, not three."""
        async with self._connection() as connection:
            return await _run(connection, query, params)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """See `Database.transaction`."""
        async with self._connection() as connection:
            open_one = connection.transaction()
            with _translated():
                await open_one.start()
            tx = _PostgresTransaction(connection)
            try:
                yield tx
                if tx.failure is not None:
                    raise tx.failure
            except BaseException:
                await to_the_end(_rollback(open_one))
                raise
            await to_the_end(_commit(open_one, tx.hooks))

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        with _translated():
            connection = await self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S)
        try:
            yield connection
        finally:
            with _translated():
                await self._pool.release(connection)


async def _keep_session(_: Any) -> None:
    """No reset between uses: our statements change nothing of the session, and it costs a round trip."""


async def _commit(open_one: Any, hooks: Hooks) -> None:
    with _translated():
        await open_one.commit()
    hooks.run()


async def _rollback(open_one: Any) -> None:
    try:
        with _translated():
            await open_one.rollback()
    except DatabaseUnavailable as away:  # the server ends the transaction of a lost connection by itself
        log.info("rollback_left_to_server", reason=away.message)


class _PostgresTransaction:
    __slots__ = ("_connection", "failure", "hooks")

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.hooks = Hooks()
        self.failure: BaseException | None = None
        """Of a statement; the server has ended the transaction then, and COMMIT would quietly undo it."""

    def on_commit(self, callback: Hook) -> None:
        self.hooks.append(callback)

    async def all(self, query: SystemQuery, **params: Any) -> Sequence[Row]:
        with self._watched():
            return await _all(self._connection, query, params)

    async def one(self, query: SystemQuery, **params: Any) -> Row | None:
        with self._watched():
            return await _one(self._connection, query, params)

    async def run(self, query: SystemQuery, **params: Any) -> int:
        with self._watched():
            return await _run(self._connection, query, params)

    async def run_many(self, query: SystemQuery, rows: Sequence[Mapping[str, Any]]) -> None:
        prepared = query.prepared("postgresql")
        with self._watched(), _translated():
            await self._connection.executemany(prepared.sql, [prepared.arguments(row) for row in rows])

    @contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except BaseException as failure:
            self.failure = failure
            raise


async def _all(connection: Any, query: SystemQuery, params: Mapping[str, Any]) -> Sequence[Row]:
    prepared = query.prepared("postgresql")
    with _translated():
        rows: Sequence[Row] = await connection.fetch(prepared.sql, *prepared.arguments(params))
    return rows


async def _one(connection: Any, query: SystemQuery, params: Mapping[str, Any]) -> Row | None:
    prepared = query.prepared("postgresql")
    with _translated():
        row: Row | None = await connection.fetchrow(prepared.sql, *prepared.arguments(params))
    return row


async def _run(connection: Any, query: SystemQuery, params: Mapping[str, Any]) -> int:
    prepared = query.prepared("postgresql")
    with _translated():
        tag: str = await connection.execute(prepared.sql, *prepared.arguments(params))
    count = tag.rsplit(" ", 1)[-1]
    return int(count) if count.isdigit() else 0


_NOT_STORABLE = (
    asyncpg.CharacterNotInRepertoireError,
    asyncpg.UntranslatableCharacterError,
    asyncpg.NumericValueOutOfRangeError,
)


@contextmanager
def _translated() -> Iterator[None]:
    """Around calls of the driver only: a block's own TimeoutError is not the database's."""
    try:
        yield
    except asyncpg.UniqueViolationError as refused:
        raise AlreadyExists("That already exists.", detail=refused.constraint_name) from refused
    except asyncpg.DataError as refused:
        if isinstance(refused, _NOT_STORABLE) or isinstance(
            refused.__cause__, (UnicodeEncodeError, OverflowError)
        ):
            raise NotStorable("A text or number cannot be stored.") from refused
        raise
    except (
        asyncpg.PostgresConnectionError,
        asyncpg.InsufficientResourcesError,
        asyncpg.OperatorInterventionError,
        asyncpg.TransactionRollbackError,
        asyncpg.CannotConnectNowError,
        asyncpg.InterfaceError,
        asyncpg.InternalClientError,  # a pool that is closed while it connects
        OSError,
        TimeoutError,
    ) as refused:
        raise DatabaseUnavailable(f"The database cannot be used right now: {refused}") from refused
