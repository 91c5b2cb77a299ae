"""SQLite through apsw: one writer connection with group commit, one reader connection.

Statements of a transaction run in the event loop (a few microseconds each); COMMIT, which waits for the
disk (`synchronous=FULL`), runs in a thread. Transactions of one turn of the loop run back to back, each in
its own savepoint, and share one COMMIT, which begins as soon as the turn has ended and nobody waits; those
that arrive while it runs queue up and share the next. So throughput grows with load, a lone transaction
never waits for company, and each caller returns only when its change is on disk.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import apsw

from parley.base.errors import ParleyError
from parley.base.tasks import to_the_end
from parley.store.engine.hooks import Hook, Hooks
from parley.store.errors import AlreadyExists, DatabaseUnavailable, NotStorable
from parley.store.ports import Row
from parley.store.query import DialectName, SystemQuery

MAX_GROUP = 512
"""Transactions that share one COMMIT; bounds how long the first of them waits."""
LOCK_TIMEOUT_S = 10.0
"""How long to wait for another process (`parley keys`, a backup) that holds the write lock."""
_LOCK_POLL_S = 0.005
_OPEN = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_NOMUTEX
"""Without a mutex around every call, which takes a seventh of reading a list: each connection is used by one
thread at a time, the loop's or (the writer, while nobody has the turn) that of COMMIT."""
_UNIQUE = {
    apsw.SQLITE_CONSTRAINT_UNIQUE,
    apsw.SQLITE_CONSTRAINT_PRIMARYKEY,
    apsw.SQLITE_CONSTRAINT_ROWID,
}
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
_REFUSALS = (*_AWAY, apsw.ConstraintError, UnicodeEncodeError, OverflowError)


class _Group:
    """Transactions that share one COMMIT."""

    __slots__ = ("callers", "hooks")

    def __init__(self) -> None:
        self.callers: list[asyncio.Future[None]] = []
        """Of those that have ended well: done when all of them are on disk, failed if they are not."""
        self.hooks = Hooks()

    def stored(self) -> None:
        """All of it is on disk."""
        self.hooks.run()
        for caller in self.callers:
            if not caller.done():  # else its task was cancelled
                caller.set_result(None)

    def lost(self, failure: BaseException) -> None:
        """Nothing of it is."""
        for caller in self.callers:
            if not caller.done():
                caller.set_exception(failure)


class SqliteDatabase:
    """`store.ports.Database` on one file; one server process at a time."""

    dialect: DialectName = "sqlite"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_taken = False
        """Whether a transaction, or COMMIT, uses the writer connection."""
        self._queue: deque[asyncio.Future[None]] = deque()
        """Transactions that wait for it, the longest waiting first; each has a caller who waits too."""
        self._owner: asyncio.Task[Any] | None = None
        """The task whose transaction it is."""
        self._group: _Group | None = None
        """None when no BEGIN is open."""
        self._is_commit_due = False

    async def open(self) -> None:
        """See `Database.open`."""
        self._loop = asyncio.get_running_loop()
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
        try:
            connection = apsw.Connection(str(self._path), flags=_OPEN, statementcachesize=500)
            connection.set_busy_timeout(int(LOCK_TIMEOUT_S * 1000))
            connection.pragma("journal_mode", "wal")
            connection.pragma("synchronous", "full")
            connection.pragma("foreign_keys", True)
            connection.pragma("temp_store", "memory")
            # Plans do not depend on bound values; else SQLite compiles a statement with `LIMIT ?` again
            # whenever it is run, which takes as long as reading 20 rows.
            connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
            # The built-in one knows the letters of English alone.
            connection.create_scalar_function("lower", _lower, 1, deterministic=True)
        except _REFUSALS as refused:
            raise _meaning(refused) from refused
        return connection

    async def close(self) -> None:
        """See `Database.close`."""
        await self._take_turn()
        try:
            if self._group is not None:
                await to_the_end(_ended(self._commit()))
            self._reader.close()
            self._writer.close()
            self._disk.shutdown(wait=False)
        finally:
            self._pass_on()

    async def all(self, query: SystemQuery, **params: Any) -> Sequence[Row]:
        """See `Reader.all`."""
        return _all(self._reader, query, params)

    async def one(self, query: SystemQuery, **params: Any) -> Row | None:
        """See `Reader.one`."""
        return _one(self._reader, query, params)

    async def run(self, query: SystemQuery, **params: Any) -> int:
        """See `Database.run`. A statement that fails changes nothing, so this needs no savepoint."""
        prepared = query.prepared("sqlite")
        arguments = prepared.arguments(params)
        await self._join_group()
        try:
            _execute(self._writer.execute, prepared.sql, arguments)
        except BaseException as failure:
            if not self._writer.in_transaction:
                self._lose_group(failure)
            self._pass_on()
            raise
        changed = self._writer.changes()
        await self._on_disk()
        return changed

    def transaction(self) -> _SqliteTransaction:
        """See `Database.transaction`."""
        return _SqliteTransaction(self)

    # --- a transaction's way: take the turn, join the open group, leave it --------------------

    async def enter(self) -> apsw.Connection:
        """Wait for the turn and open a savepoint; the connection to use until `leave` or `undo`.

        Raises:
            DatabaseUnavailable: another process holds the write lock.
            RuntimeError: this task is in a transaction already.
        """
        await self._join_group()
        try:
            _execute(self._writer.execute, "SAVEPOINT change")
        except BaseException:
            self._pass_on()
            raise
        return self._writer

    async def leave(self, hooks: Hooks) -> None:
        """End a transaction well; returns when it is on disk.

        Raises:
            DatabaseUnavailable: it could not be stored.
        """
        try:
            _execute(self._writer.execute, "RELEASE change")
        except Exception as failure:
            self.undo(failure)
            raise
        await self._on_disk(hooks)

    def undo(self, failure: BaseException) -> None:
        """Take back the transaction that has the turn, and end it; the others of its group stay."""
        try:
            self._writer.execute("ROLLBACK TO change")
            self._writer.execute("RELEASE change")
        except apsw.Error:
            self._lose_group(failure)
        self._pass_on()

    async def _join_group(self) -> None:
        task = asyncio.current_task()
        if self._owner is not None and self._owner is task:
            raise RuntimeError("a transaction inside a transaction would wait for itself")
        deadline = self._loop.time() + LOCK_TIMEOUT_S
        await self._take_turn()
        self._owner = task
        try:
            if self._group is None:
                await self._begin(deadline)
                self._group = _Group()
        except BaseException:
            self._pass_on()
            raise

    async def _on_disk(self, hooks: Sequence[Hook] = ()) -> None:
        """Pass the turn on; returns when the group is stored."""
        group = self._group
        assert group is not None
        stored: asyncio.Future[None] = self._loop.create_future()
        group.callers.append(stored)
        group.hooks.extend(hooks)
        self._pass_on()
        await stored

    def _lose_group(self, failure: BaseException) -> None:
        """A full disk or an I/O error made SQLite end the whole transaction, savepoints and all."""
        group, self._group = self._group, None
        if group is not None:
            self._abandon(group, failure)

    async def _begin(self, deadline: float) -> None:
        while True:
            try:
                _execute(self._writer.execute, "BEGIN IMMEDIATE")
            except DatabaseUnavailable as refused:
                is_busy = isinstance(refused.__cause__, apsw.BusyError)
                if not is_busy or self._loop.time() >= deadline:
                    raise
            else:
                return
            await asyncio.sleep(_LOCK_POLL_S)  # another process writes

    # --- whose turn it is ---------------------------------------------------------------------

    async def _take_turn(self) -> None:
        if not self._is_taken:
            self._is_taken = True
            return
        mine: asyncio.Future[None] = self._loop.create_future()
        self._queue.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancelled():  # the turn had just become ours
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        """Give the turn to the next in the queue, or to COMMIT."""
        self._owner = None
        group = self._group
        if group is None or len(group.callers) < MAX_GROUP:
            while self._queue:
                next_one = self._queue.popleft()
                if not next_one.done():  # else its task was cancelled
                    next_one.set_result(None)
                    return
            self._is_taken = False
            if group is not None and not self._is_commit_due:
                # Not at once: whoever runs in this turn of the loop still joins the group.
                self._is_commit_due = True
                self._loop.call_soon(self._commit_if_idle)
        else:
            self._commit().add_done_callback(self._committed)

    def _commit_if_idle(self) -> None:
        self._is_commit_due = False
        if not self._is_taken and self._group is not None:  # else whoever has the turn passes it on
            self._is_taken = True
            self._commit().add_done_callback(self._committed)

    def _committed(self, _: asyncio.Future[Any]) -> None:
        self._pass_on()

    def _commit(self) -> asyncio.Future[Any]:
        """Store the open group; the turn must be ours until the result is there."""
        group, self._group = self._group, None
        assert group is not None
        running = self._loop.run_in_executor(self._disk, self._writer.execute, "COMMIT")
        running.add_done_callback(partial(self._settle, group))
        return running

    def _settle(self, group: _Group, running: asyncio.Future[Any]) -> None:
        failure = running.exception()
        if failure is None:
            group.stored()
        else:
            self._abandon(group, failure)

    def _abandon(self, group: _Group, failure: BaseException) -> None:
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")
        lost = DatabaseUnavailable("The change could not be stored; nothing of it remains.")
        lost.__cause__ = failure
        group.lost(lost)


async def _ended(running: asyncio.Future[Any]) -> None:
    await asyncio.wait([running])


class _SqliteTransaction:
    """`store.ports.Transaction`, and the block around it."""

    __slots__ = ("_connection", "_database", "_hooks", "failure")

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database
        self._hooks = Hooks()
        self.failure: Exception | None = None
        """Of a statement; PostgreSQL ends a transaction then, so nobody may depend on going on."""

    async def __aenter__(self) -> _SqliteTransaction:
        self._connection = await self._database.enter()
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        failure = raised or self.failure
        if failure is None:
            await self._database.leave(self._hooks)
            return
        self._database.undo(failure)
        if raised is None:
            raise failure

    def on_commit(self, callback: Hook) -> None:
        self._hooks.append(callback)

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
            _execute(self._connection.execute, prepared.sql, prepared.arguments(params))
        except Exception as failure:
            self.failure = failure
            raise
        return self._connection.changes()  # without what foreign keys cascade to, as in PostgreSQL

    async def run_many(self, query: SystemQuery, rows: Sequence[Mapping[str, Any]]) -> None:
        prepared = query.prepared("sqlite")
        arguments = [prepared.arguments(row) for row in rows]
        try:
            _execute(self._connection.executemany, prepared.sql, arguments)
        except Exception as failure:
            self.failure = failure
            raise


def _all(connection: apsw.Connection, query: SystemQuery, params: Mapping[str, Any]) -> Sequence[Row]:
    prepared = query.prepared("sqlite")
    try:
        rows: list[Row] = connection.execute(prepared.sql, prepared.arguments(params)).fetchall()
    except _REFUSALS as refused:
        raise _meaning(refused) from refused
    return rows


def _one(connection: apsw.Connection, query: SystemQuery, params: Mapping[str, Any]) -> Row | None:
    prepared = query.prepared("sqlite")
    try:
        row: Row | None = connection.execute(prepared.sql, prepared.arguments(params)).fetchone()
    except _REFUSALS as refused:
        raise _meaning(refused) from refused
    return row


def _execute(run: Callable[..., object], sql: str, arguments: Sequence[Any] = ()) -> None:
    try:
        run(sql, arguments)
    except _REFUSALS as refused:
        raise _meaning(refused) from refused


def _lower(*given: apsw.SQLiteValue) -> apsw.SQLiteValue:
    (text,) = given
    return text.lower() if isinstance(text, str) else text


def _meaning(refused: Exception) -> ParleyError:
    """What the driver's refusal is called outside; mistakes of ours (a foreign key) are raised again."""
    if isinstance(refused, apsw.ConstraintError):
        if getattr(refused, "extendedresult", None) in _UNIQUE:
            return AlreadyExists("That already exists.", detail=str(refused))
        raise refused
    if isinstance(refused, _AWAY):
        return DatabaseUnavailable(f"The database cannot be used right now: {refused}")
    return NotStorable("A text or number cannot be stored.")
