"""Fresh, migrated databases for tests, cheap enough to have one for each test.

Running the migrations takes a good part of a second, so each test process runs them once on either back end.
A SQLite file is copied for each test. Copying a PostgreSQL database writes 10 MB, so one that a test has
given back is emptied, which takes some milliseconds, and lent to the next.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
from collections.abc import AsyncIterator, Iterator
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
    """A migrated database; tests borrow copies of it."""

    def __init__(self, server: PostgresServer) -> None:
        self.server = server
        self._name = server.create_database()
        self._numbers = itertools.count(1)
        self._clean: list[str] = []
        migrate_aside(server.url(self._name))
        known = self.server.run_sql(TABLES, self._name).split()
        self._empty = EMPTY.format(tables=",".join(known), seeds="".join(self._seeds(known)))

    def borrow(self) -> str:
        """The name of a database with nothing but the tables; `server.url(name)` opens it."""
        if self._clean:
            return self._clean.pop()
        name = f"{self._name}_{next(self._numbers)}"
        self.server.run_sql(f'CREATE DATABASE "{name}" TEMPLATE "{self._name}"')
        return name

    def give_back(self, name: str) -> None:
        """Empty a borrowed database; one that cannot be emptied is dropped."""
        try:
            self.server.run_sql(self._empty, name)
        except RuntimeError:
            self.server.drop_database(name)
        else:
            self._clean.append(name)

    def _seeds(self, tables: list[str]) -> Iterator[str]:
        """Statements that write what the migrations themselves have written."""
        read = " UNION ALL ".join(
            f"SELECT '{one}', jsonb_agg(each) FROM {one} AS each HAVING count(*) > 0" for one in tables
        )
        for found in self.server.run_sql(read, self._name).splitlines():
            table, _, rows = found.partition("|")
            yield f"INSERT INTO {table} SELECT * FROM jsonb_populate_recordset(NULL::{table}, $_${rows}$_$);"


TABLES = """
SELECT oid::regclass FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""
EMPTY = """
SET lock_timeout = '10s';
SET session_replication_role = replica;
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid();
DO $$
DECLARE
  one record;
BEGIN
  FOR one IN
    SELECT oid::regclass AS name, relkind AS kind, pg_relation_size(oid) AS size FROM pg_class
    WHERE relkind IN ('r', 'S') AND relnamespace = 'public'::regnamespace
  LOOP
    IF one.kind = 'r' AND one.name::text <> ALL (string_to_array('{tables}', ',')) THEN
      EXECUTE format('DROP TABLE %s', one.name);
    ELSIF one.kind = 'S' THEN
      PERFORM setval(one.name, 1, false);
    ELSIF one.size > 65536 THEN
      EXECUTE format('TRUNCATE %s CASCADE', one.name);
    ELSIF one.size > 0 THEN
      EXECUTE format('DELETE FROM %s', one.name);
    END IF;
  END LOOP;
  {seeds}
END $$
"""
"""Triggers of foreign keys do not fire for replicas, so the order of the tables does not matter."""


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
