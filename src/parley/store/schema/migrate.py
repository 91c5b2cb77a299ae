"""Bring a database to the newest schema; run by `parley migrate` and at every start.

What a server may never need is loaded when it is needed: Alembic, when there is something to migrate (16 MB),
and the driver of the database that is in use.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, create_engine, event, pool, text

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy.ext.asyncio import AsyncEngine

_MIGRATIONS = Path(__file__).parent / "migrations"

LOCK_TIMEOUT_S = 30.0
"""How long to wait for another server that migrates the same SQLite file."""
_ADVISORY_LOCK = 0x7061726C6579
"""Servers that start together on one PostgreSQL migrate one after the other."""


def _config(connection: Connection | None = None) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: Connection) -> None:
    from alembic import command

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
    import asyncpg
    from sqlalchemy.ext.asyncio import create_async_engine

    # asyncpg reads the URL itself here as in the server: SQLAlchemy does not know `sslmode` and others.
    return create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url), poolclass=pool.NullPool
    )


def _newest() -> str:
    """The last revision: files are called `<revision>_<what it does>.py`, and revisions count upwards."""
    return max(path.name.partition("_")[0] for path in (_MIGRATIONS / "versions").glob("[0-9]*.py"))


_CURRENT = "SELECT version_num FROM alembic_version"


async def _current(url: str) -> str | None:
    """The revision of a database; None if it has none yet."""
    if url.startswith("sqlite:"):
        return await asyncio.to_thread(_current_sqlite, Path(url.removeprefix("sqlite:")))
    import asyncpg

    connection = await asyncpg.connect(url)
    try:
        found: str | None = await connection.fetchval(_CURRENT)
    except asyncpg.UndefinedTableError:
        return None
    finally:
        await connection.close()
    return found


def _current_sqlite(path: Path) -> str | None:
    if not path.exists():
        return None
    with closing(sqlite3.connect(path, timeout=LOCK_TIMEOUT_S)) as file:
        try:
            row: tuple[str] | None = file.execute(_CURRENT).fetchone()
        except sqlite3.OperationalError:  # no such table; anything else comes again when it is migrated
            return None
    return row[0] if row else None


async def migrate(url: str) -> None:
    """Apply what is missing; safe to run by several servers at once.

    Args:
        url: `sqlite:<path>` or `postgresql://…`.
    """
    if await _current(url) == _newest():
        return
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
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

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
