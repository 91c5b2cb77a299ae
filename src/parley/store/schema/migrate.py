"""Bring a database to the newest schema; run by `parley migrate` and at every start.

Looking whether something is missing needs no Alembic; applying it does, and happens in a program of its own
(`upgrade.py`), so that a server is as small after its first start as after any other.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import structlog

from parley.base.errors import ParleyError
from parley.store.errors import DatabaseUnavailable

log = structlog.get_logger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK_TIMEOUT_S = 30.0
"""How long to wait for another server that migrates the same SQLite file."""
CONNECT_TIMEOUT_S = 10.0
_CURRENT = "SELECT version_num FROM alembic_version"


class MigrationFailed(ParleyError):
    """The schema could not be changed; the database is as it was. `detail` has the traceback."""

    code = "migration_failed"


class SchemaTooNew(ParleyError):
    """A newer version of Parley has migrated this database."""

    code = "schema_too_new"


def revisions() -> list[str]:
    """All revisions, oldest first: files are called `<revision>_<what it does>.py` and count upwards."""
    return sorted(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


async def pending_migrations(url: str) -> list[str]:
    """Revisions that `migrate` would apply, oldest first.

    Raises:
        DatabaseUnavailable: it cannot be looked at.
        SchemaTooNew: it has a revision that this version does not know.
    """
    current, known = await _current(url), revisions()
    if current is None:
        return known
    if current not in known:
        raise SchemaTooNew(
            f"The database has schema {current}, and this version of Parley knows schemas up to {known[-1]}. "
            "Install the version that was used before, or restore a backup."
        )
    return known[known.index(current) + 1 :]


async def migrate(url: str) -> None:
    """Apply what is missing; safe to run by several servers at once.

    Args:
        url: `sqlite:<path>` or `postgresql://…`.

    Raises:
        DatabaseUnavailable: it cannot be looked at.
        SchemaTooNew: it has a revision that this version does not know.
        MigrationFailed: nothing was changed; says why.
    """
    if not await pending_migrations(url):
        return
    # `-P`: a file of the current folder that is called like a module of ours is not taken for it.
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "parley.store.schema.upgrade"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        # Without a time limit: large tables take what they take, and stopping half-way gains nothing.
        _, told = await process.communicate(url.encode())
    finally:
        if process.returncode is None:  # we were cancelled; the database undoes what was not committed
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        said = told.decode(errors="replace").strip()
        reason = said.rpartition("\n")[2] or f"the program ended with status {process.returncode}"
        log.debug("migration_failed", said=said)
        raise MigrationFailed(f"The database could not be migrated: {reason}", detail=said)


async def _current(url: str) -> str | None:
    """The revision of a database; None if it has none yet."""
    if url.startswith("sqlite:"):
        return await asyncio.to_thread(_current_sqlite, Path(url.removeprefix("sqlite:")))
    import asyncpg  # its driver takes 3 MB

    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S)
        try:
            found: str | None = await connection.fetchval(_CURRENT, timeout=CONNECT_TIMEOUT_S)
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT_S)
    except asyncpg.UndefinedTableError:
        return None
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as away:
        reason = str(away) or "no answer in time"
        raise DatabaseUnavailable(f"The database cannot be used: {reason}") from away
    return found


def _current_sqlite(path: Path) -> str | None:
    if not path.exists():
        return None
    with closing(sqlite3.connect(path, timeout=LOCK_TIMEOUT_S)) as file:
        try:
            row: tuple[str] | None = file.execute(_CURRENT).fetchone()
        except sqlite3.OperationalError:  # no such table; anything else comes again when it is migrated
            return None
        except sqlite3.DatabaseError as broken:
            raise DatabaseUnavailable(f"{path} cannot be used: {broken}") from broken
    return row[0] if row else None
