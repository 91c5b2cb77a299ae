"""SQLite through apsw: one writer connection with group commit, one reader connection.

Statements of a transaction run in the event loop (a few microseconds each); COMMIT, which waits for
the disk (`synchronous=FULL`), runs in a thread. Transactions that arrive meanwhile queue up, then run
back to back, each in its own savepoint, and share the next COMMIT. So throughput grows with load, a
lone transaction never waits for company, and each caller returns only when its change is on disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import apsw

from parley.base.tasks import to_the_end
from parley.store.engine.hooks import Hook, Hooks
from parley.store.errors import AlreadyExists, DatabaseUnavailable, NotStorable
from parley.store.ports import Row, Transaction
from parley.store.query import DialectName, SystemQuery

MAX_GROUP = 512
"""Transactions that share one COMMIT; bounds how long the first of them waits."""
LOCK_TIMEOUT_S = 10.0
"""How long to wait for another process (`parley keys`, a backup) that holds the write lock."""
_LOCK_POLL_S = 0.005
_UNIQUE = {
    apsw.SQLITE_CONSTRAINT_UNIQUE,
    apsw.SQLITE_CONSTRAINT_PRIMARYKEY,
    apsw.SQLITE_CONSTRAINT_ROWID,
}


class _Group:
    """Transactions that share one COMMIT."""

    __slots__ = ("done", "hooks", "size")

    def __init__(self) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Completes when all of them are on disk, or fails for all of them."""
        self.hooks = Hooks()
        self.size = 0


class SqliteDatabase:
    """`store.ports.Database` on one file; one server process at a time."""

    dialect: DialectName = "sqlite"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = asyncio.Lock()
        """Held by the transaction that uses the writer connection, and during COMMIT."""
        self._owner: asyncio.Task[Any] | None = None
        self._waiting = 0
        self._group: _Group | None = None
        """None when no BEGIN is open."""

    async def open(self) -> None:
        """See `Database.open`."""
        self._writer = self._connect()
        try:
            self._reader = self._connect()
        except BaseException:
            self._writer.close()
            raise
        self._reader.pragma("query_only", True)
        self._writer.set_busy_timeout(0)  # `_begin` waits without blocking the event loop
        # A thread of its own: in the loop's pool a COMMIT would queue behind slow look-ups of host names.
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="sqlite-commit")

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
            await to_the_end(self._commit())
            self._reader.close()
            self._writer.close()
            self._disk.shutdown(wait=False)

    async def all(self, query: SystemQuery, **params: Any) -> Sequence[Row]:
        """See `Reader.all`."""
        return _all(self._reader, query, params)

    async def one(self, query: SystemQuery, **params: Any) -> Row | None:
        """See `Reader.one`."""
        return _one(self._reader, query, params)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """See `Database.transaction`."""
        if self._owner is not None and self._owner is asyncio.current_task():
            raise RuntimeError("a transaction inside a transaction would wait for itself")
        deadline = asyncio.get_running_loop().time() + LOCK_TIMEOUT_S
        await self._take_turn()
        try:
            group = await self._join_group(deadline)
        except BaseException:
            await self._leave()
            raise
        tx = _SqliteTransaction(self._writer)
        try:
            yield tx
            if tx.failure is not None:
                raise tx.failure
            with _translated():
                self._writer.execute("RELEASE change")
        except BaseException as failure:
            self._undo(group, failure)
            await self._leave()
            raise
        group.hooks.extend(tx.hooks)
        await self._leave()
        await asyncio.shield(group.done)

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
        self._owner = asyncio.current_task()

    async def _join_group(self, deadline: float) -> _Group:
        if self._group is None:
            await self._begin(deadline)
            self._group = _Group()
        with _translated():
            self._writer.execute("SAVEPOINT change")
        self._group.size += 1
        return self._group

    async def _begin(self, deadline: float) -> None:
        while True:
            try:
                with _translated():
                    self._writer.execute("BEGIN IMMEDIATE")
            except DatabaseUnavailable as refused:
                is_busy = isinstance(refused.__cause__, apsw.BusyError)
                if not is_busy or asyncio.get_running_loop().time() >= deadline:
                    raise
            else:
                return
            await asyncio.sleep(_LOCK_POLL_S)  # another process writes

    def _undo(self, group: _Group, failure: BaseException) -> None:
        """Take back the transaction that has the turn; the others of its group stay."""
        try:
            self._writer.execute("ROLLBACK TO change")
            self._writer.execute("RELEASE change")
        except apsw.Error:
            # A full disk or an I/O error makes SQLite end the whole transaction, savepoints and all.
            self._group = None
            self._abandon(group, failure)

    async def _leave(self) -> None:
        """Hand the open group to the next in the queue, or end it."""
        self._owner = None
        if self._waiting and (self._group is None or self._group.size < MAX_GROUP):
            self._turn.release()
        else:
            await to_the_end(self._commit_and_release())

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
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._disk, self._writer.execute, "COMMIT")
        except Exception as failure:
            self._abandon(group, failure)
        else:
            group.hooks.run()
            group.done.set_result(None)

    def _abandon(self, group: _Group, failure: BaseException) -> None:
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")
        lost = DatabaseUnavailable("The change could not be stored; nothing of it remains.")
        lost.__cause__ = failure
        group.done.set_exception(failure if isinstance(failure, DatabaseUnavailable) else lost)
        group.done.exception()  # every member raises it; with none left it must not be reported as lost


class _SqliteTransaction:
    __slots__ = ("_connection", "failure", "hooks")

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self.hooks = Hooks()
        self.failure: Exception | None = None
        """Of a statement; PostgreSQL ends a transaction then, so nobody may depend on going on."""

    def on_commit(self, callback: Hook) -> None:
        self.hooks.append(callback)

    async def all(self, query: SystemQuery, **params: Any) -> Sequence[Row]:
        try:
            return _all(self._connection, query, params)
        except Exception as failure:
            self.failure = failure
            raise

    async def one(self, query: SystemQuery, **params: Any) -> Row | None:
        try:
            return _one(self._connection, query, params)
        except Exception as failure:
            self.failure = failure
            raise

    async def run(self, query: SystemQuery, **params: Any) -> int:
        prepared = query.prepared("sqlite")
        try:
            with _translated():
                self._connection.execute(prepared.sql, prepared.arguments(params))
        except Exception as failure:
            self.failure = failure
            raise
        return int(self._connection.changes())  # without what foreign keys cascade to, as in PostgreSQL

    async def run_many(self, query: SystemQuery, rows: Sequence[Mapping[str, Any]]) -> None:
        prepared = query.prepared("sqlite")
        try:
            with _translated():
                self._connection.executemany(prepared.sql, [prepared.arguments(row) for row in rows])
        except Exception as failure:
            self.failure = failure
            raise


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
    except (UnicodeEncodeError, OverflowError) as refused:
        raise NotStorable("A text or number cannot be stored.") from refused
    except _AWAY as refused:
        raise DatabaseUnavailable(f"The database cannot be used right now: {refused}") from refused


_AWAY = (
    apsw.BusyError,
    apsw.LockedError,
    apsw.FullError,
    apsw.IOError,
    apsw.CantOpenError,
    apsw.ReadOnlyError,
    apsw.CorruptError,
    apsw.NotADBError,
    apsw.ConnectionClosedError,
)
