"""SQLite through apsw: one writer connection with group commit, one reader connection.

Statements of a transaction run in the event loop (a few microseconds each); COMMIT, which waits for
the disk (`synchronous=FULL`), runs in a thread. Transactions that arrive meanwhile queue up, then run
back to back, each in its own savepoint, and share the next COMMIT. So throughput grows with load, a
lone transaction never waits for company, and each caller returns only when its change is on disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import apsw

from parley.store.errors import AlreadyExists, DatabaseUnavailable
from parley.store.ports import Row, Transaction
from parley.store.query import DialectName, SystemQuery

MAX_GROUP = 512
"""Transactions that share one COMMIT; bounds how long the first of them waits."""
LOCK_TIMEOUT_S = 10.0
"""How long to wait for another process (`parley keys`, a backup) that holds the write lock."""
_UNIQUE = {apsw.SQLITE_CONSTRAINT_UNIQUE, apsw.SQLITE_CONSTRAINT_PRIMARYKEY}


class SqliteDatabase:
    """`store.ports.Database` on one file; one server process at a time."""

    dialect: DialectName = "sqlite"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._group: asyncio.Future[None] | None = None
        """Completes when the open group of transactions is on disk; None when no BEGIN is open."""
        self._group_size = 0

    async def open(self) -> None:
        """See `Database.open`."""
        self._writer = self._connect()
        self._reader = self._connect()
        self._reader.pragma("query_only", True)

    def _connect(self) -> apsw.Connection:
        with _translated():
            connection = apsw.Connection(str(self._path), statementcachesize=500)
            connection.set_busy_timeout(int(LOCK_TIMEOUT_S * 1000))
            connection.pragma("journal_mode", "wal")
            connection.pragma("synchronous", "full")
            connection.pragma("foreign_keys", True)
            connection.pragma("temp_store", "memory")
        return connection

    async def close(self) -> None:
        """See `Database.close`."""
        async with self._turn:
            await self._commit()
            self._reader.close()
            self._writer.close()

    async def all(self, query: SystemQuery, **params: Any) -> Sequence[Row]:
        """See `Reader.all`."""
        return _all(self._reader, query, params)

    async def one(self, query: SystemQuery, **params: Any) -> Row | None:
        """See `Reader.one`."""
        return _one(self._reader, query, params)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """See `Database.transaction`."""
        await self._take_turn()
        try:
            await self._begin()
            group = self._group
            assert group is not None
            self._group_size += 1
            with _translated():
                self._writer.execute("SAVEPOINT change")
        except BaseException:
            await self._leave()
            raise
        try:
            yield _SqliteTransaction(self._writer)
        except BaseException:
            self._writer.execute("ROLLBACK TO change")
            self._writer.execute("RELEASE change")
            await self._leave()
            raise
        with _translated():
            self._writer.execute("RELEASE change")
        await self._leave()
        await asyncio.shield(group)

    async def _take_turn(self) -> None:
        self._waiting += 1
        try:
            await self._turn.acquire()
        except asyncio.CancelledError:
            self._waiting -= 1
            if self._group is not None and not self._waiting and not self._turn.locked():
                # The transaction before handed its group over to us; without us somebody must end it.
                await self._turn.acquire()
                await self._leave()
            raise
        self._waiting -= 1

    async def _begin(self) -> None:
        if self._group is None:
            with _translated():
                await self._begin_immediate()
            self._group = asyncio.get_running_loop().create_future()
            self._group_size = 0

    async def _begin_immediate(self) -> None:
        self._writer.set_busy_timeout(0)
        try:
            self._writer.execute("BEGIN IMMEDIATE")
        except apsw.BusyError:  # another process writes: wait for it outside the event loop
            self._writer.set_busy_timeout(int(LOCK_TIMEOUT_S * 1000))
            await asyncio.to_thread(self._writer.execute, "BEGIN IMMEDIATE")

    async def _leave(self) -> None:
        """Hand the open group to the next in the queue, or end it."""
        if self._waiting and self._group_size < MAX_GROUP:
            self._turn.release()
            return
        ending = asyncio.ensure_future(self._commit_and_release())
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await ending
            raise

    async def _commit_and_release(self) -> None:
        try:
            await self._commit()
        finally:
            self._turn.release()

    async def _commit(self) -> None:
        group, self._group = self._group, None
        if group is None:
            return
        try:
            with _translated():
                await asyncio.to_thread(self._writer.execute, "COMMIT")
        except DatabaseUnavailable as failure:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            group.set_exception(failure)
            group.exception()  # every member raises it; with none left it must not be reported as lost
        else:
            group.set_result(None)


class _SqliteTransaction:
    __slots__ = ("_connection",)

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    async def all(self, query: SystemQuery, **params: Any) -> Sequence[Row]:
        return _all(self._connection, query, params)

    async def one(self, query: SystemQuery, **params: Any) -> Row | None:
        return _one(self._connection, query, params)

    async def run(self, query: SystemQuery, **params: Any) -> int:
        prepared = query.prepared("sqlite")
        before = self._connection.total_changes()
        with _translated():
            self._connection.execute(prepared.sql, prepared.arguments(params))
        return int(self._connection.total_changes() - before)

    async def run_many(self, query: SystemQuery, rows: Sequence[Mapping[str, Any]]) -> None:
        prepared = query.prepared("sqlite")
        with _translated():
            self._connection.executemany(prepared.sql, [prepared.arguments(row) for row in rows])


def _all(connection: apsw.Connection, query: SystemQuery, params: Mapping[str, Any]) -> Sequence[Row]:
    prepared = query.prepared("sqlite")
    with _translated():
        return list[Row](connection.execute(prepared.sql, prepared.arguments(params)).fetchall())


def _one(connection: apsw.Connection, query: SystemQuery, params: Mapping[str, Any]) -> Row | None:
    prepared = query.prepared("sqlite")
    with _translated():
        row: Row | None = connection.execute(prepared.sql, prepared.arguments(params)).fetchone()
    return row


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except apsw.ConstraintError as refused:
        if getattr(refused, "extendedresult", None) in _UNIQUE:
            raise AlreadyExists("That already exists.", detail=str(refused)) from refused
        raise
    except (apsw.BusyError, apsw.LockedError, apsw.FullError, apsw.IOError, apsw.CantOpenError) as refused:
        raise DatabaseUnavailable(f"The database cannot be used right now: {refused}") from refused
