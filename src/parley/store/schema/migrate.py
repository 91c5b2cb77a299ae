"""Bring a database to the newest schema; run by `parley migrate` and at every start."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, pool, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

LOCK_TIMEOUT_S = 30.0
"""How long to wait for another server that migrates the same SQLite file."""
_ADVISORY_LOCK = 0x7061726C6579
"""Servers that start together on one PostgreSQL migrate one after the other."""


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
    command.upgrade(_config(connection), "head")


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


def _postgres_engine(url: str) -> AsyncEngine:
    # asyncpg reads the URL itself here as in the server: SQLAlchemy does not know `sslmode` and others.
    return create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url), poolclass=pool.NullPool
    )


async def migrate(url: str) -> None:
    """Apply what is missing; safe to run by several servers at once.

    Args:
        url: `sqlite:<path>` or `postgresql://…`.
    """
    if url.startswith("sqlite:"):
        await asyncio.to_thread(_migrate_sqlite, Path(url.removeprefix("sqlite:")))
        return
    engine = _postgres_engine(url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


def _migrate_sqlite(path: Path) -> None:
    with _sqlite_engine(path).begin() as connection:
        _upgrade(connection)


async def pending_migrations(url: str) -> list[str]:
    """Revisions that `migrate` would apply, oldest first."""
    script = ScriptDirectory.from_config(_config())

    def look(connection: Connection) -> list[str]:
        current = MigrationContext.configure(connection).get_current_revision()
        steps = script.iterate_revisions("head", current or "base")
        return [step.revision for step in steps if step.revision != current][::-1]

    if url.startswith("sqlite:"):
        with _sqlite_engine(Path(url.removeprefix("sqlite:"))).connect() as connection:
            return look(connection)
    async_engine = _postgres_engine(url)
    try:
        async with async_engine.connect() as async_connection:
            return await async_connection.run_sync(look)
    finally:
        await async_engine.dispose()
