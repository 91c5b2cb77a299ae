"""Bring a database to the newest schema; run by `parley migrate` and at every start."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

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
    return create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(path, timeout=30), poolclass=pool.NullPool
    )


async def migrate(url: str) -> None:
    """Apply what is missing; safe to run by several servers at once.

    Args:
        url: `sqlite:<path>` or `postgresql://…`.
    """
    if url.startswith("sqlite:"):
        await asyncio.to_thread(_migrate_sqlite, Path(url.removeprefix("sqlite:")))
        return
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


def _migrate_sqlite(path: Path) -> None:
    engine = _sqlite_engine(path)
    with engine.begin() as connection:
        _upgrade(connection)
    engine.dispose()


async def pending_migrations(url: str) -> list[str]:
    """Revisions that `migrate` would apply, oldest first."""
    script = ScriptDirectory.from_config(_config())

    def look(connection: Connection) -> list[str]:
        current = MigrationContext.configure(connection).get_current_revision()
        steps = script.iterate_revisions("head", current or "base")
        return [step.revision for step in steps if step.revision != current][::-1]

    if url.startswith("sqlite:"):
        engine = _sqlite_engine(Path(url.removeprefix("sqlite:")))
        with engine.connect() as connection:
            found = look(connection)
        engine.dispose()
        return found
    async_engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    try:
        async with async_engine.connect() as async_connection:
            return await async_connection.run_sync(look)
    finally:
        await async_engine.dispose()
