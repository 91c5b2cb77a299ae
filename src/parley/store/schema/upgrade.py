"""The program that `migrate` runs: `python -m parley.store.schema.upgrade`, the database's URL on its input.

Alembic and what it loads take 10 MB that a server would never give back, so they live in a process that ends.
The URL comes on standard input because it may hold a password, which the list of processes would show.
Exit status 0: at the newest revision. 1: nothing was changed; the last line of standard error says why.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
import traceback
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, pool, text
from sqlalchemy.exc import DBAPIError

from parley.store.schema.migrate import LOCK_TIMEOUT_S, MIGRATIONS

_ADVISORY_LOCK = 0x7061726C6579
"""Servers that start together on one PostgreSQL migrate one after the other."""


def upgrade(url: str) -> None:
    """Apply what is missing, in one transaction.

    Args:
        url: `sqlite:<path>` or `postgresql://…`.
    """
    if url.startswith("sqlite:"):
        with _sqlite_engine(Path(url.removeprefix("sqlite:"))).begin() as connection:
            _upgrade(connection)
    else:
        asyncio.run(_upgrade_postgres(url))


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _sqlite_engine(path: Path) -> Engine:
    # `isolation_level=None`: Python's module would leave CREATE TABLE outside of any transaction, so that a
    # crash could leave half a migration, and two servers could run the same one.
    engine = create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(path, timeout=LOCK_TIMEOUT_S, isolation_level=None),
        poolclass=pool.NullPool,
    )
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


async def _upgrade_postgres(url: str) -> None:
    import asyncpg
    from sqlalchemy.ext.asyncio import create_async_engine

    # asyncpg reads the URL itself here as in the server: SQLAlchemy does not know `sslmode` and others.
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url), poolclass=pool.NullPool
    )
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


def _in_a_line(failure: Exception) -> str:
    """What the database said, without the statement and the links that SQLAlchemy adds."""
    said = str(failure.orig) if isinstance(failure, DBAPIError) else str(failure)
    return " ".join(said.split()) or type(failure).__name__


def main() -> None:
    """Run as a program."""
    url = sys.stdin.read()
    try:
        upgrade(url)
    except Exception as failure:
        traceback.print_exc()
        sys.exit(_in_a_line(failure))  # written to standard error, status 1


if __name__ == "__main__":
    main()
