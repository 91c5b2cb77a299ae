"""What the rest of Parley needs of a database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from parley.store.query import DialectName, SystemQuery

Row = Any
"""A sequence of column values; its type depends on the driver."""


class Reader(Protocol):
    """Something that can be asked."""

    async def all(self, query: SystemQuery, **params: Any) -> Sequence[Row]:
        """Every row."""

    async def one(self, query: SystemQuery, **params: Any) -> Row | None:
        """The first row, or None."""


class Transaction(Reader, Protocol):
    """Reads its own writes; nothing is visible to others until it has been left without an error.

    Do not await anything slow inside: on SQLite all writers wait for it. After a statement has failed the
    transaction is undone, also when the error is caught inside the block: it is raised again at its end.
    """

    async def run(self, query: SystemQuery, **params: Any) -> int:
        """Execute; returns the number of rows changed.

        Raises:
            AlreadyExists: a uniqueness rule was broken.
        """

    async def run_many(self, query: SystemQuery, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute once for each row of parameters."""

    def on_commit(self, callback: Callable[[], None]) -> None:
        """Call back right after the commit, even if the task that asked for it has been cancelled."""


class Database(Reader, Protocol):
    """An open database; reading on it directly sees the last committed state."""

    @property
    def dialect(self) -> DialectName:
        """Which SQL it speaks."""

    async def run(self, query: SystemQuery, **params: Any) -> int:
        """A transaction of one statement; returns the number of rows changed, when they are on disk.

        Raises:
            AlreadyExists: a uniqueness rule was broken.
        """

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction, committed when the block is left without an exception and on disk by then."""

    async def open(self) -> None:
        """Connect. The schema must be up to date (`store.schema.migrate`)."""

    async def close(self) -> None:
        """Finish what runs, then disconnect."""
