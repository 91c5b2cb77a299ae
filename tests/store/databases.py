"""Fresh, migrated databases for tests, cheap enough to have one for each test.

Running the migrations takes a good part of a second, so each test process runs them once on either back end
and copies the outcome: a file for SQLite, `CREATE DATABASE … TEMPLATE` for PostgreSQL.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from parley.store.core import Store
from parley.store.engine.postgres import PostgresDatabase
from parley.store.engine.sqlite import SqliteDatabase
from parley.store.schema import migrate
from tests.services import PostgresServer

AnyDatabase = SqliteDatabase | PostgresDatabase


class SqliteTemplate:
    """A migrated file, copied for each test."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "template.sqlite3"
        migrate_aside(f"sqlite:{self._file}")

    def clone(self, folder: Path) -> str:
        """A copy inside the folder; returns its URL."""
        copy = folder / "parley.sqlite3"
        shutil.copyfile(self._file, copy)
        return f"sqlite:{copy}"


class PostgresTemplate:
    """A migrated database, cloned for each test."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self._name = server.create_database()
        self._numbers = itertools.count(1)
        migrate_aside(server.url(self._name))

    def clone(self) -> str:
        """The name of a fresh copy; `server.url(name)` opens it, `server.drop_database(name)` removes it."""
        name = f"{self._name}_{next(self._numbers)}"
        self.server.run_sql(f'CREATE DATABASE "{name}" TEMPLATE "{self._name}"')
        return name


def migrate_aside(url: str) -> None:
    """Run the migrations from a fixture without touching the event loop of the tests."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, migrate(url)).result()


def connect(url: str) -> AnyDatabase:
    """A database of that URL, not opened yet; several on one URL are what several processes would have."""
    if url.startswith("sqlite:"):
        return SqliteDatabase(Path(url.removeprefix("sqlite:")))
    return PostgresDatabase(url)


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[AnyDatabase]:
    """An opened database, closed at the end."""
    database = connect(url)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def running(store: Store) -> AsyncIterator[None]:
    """Dispatch events and run jobs inside the block."""
    await store.start()
    try:
        yield
    finally:
        await store.stop()
