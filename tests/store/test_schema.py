from __future__ import annotations

import asyncio
import sqlite3
import sys
from contextlib import closing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, pool
from sqlalchemy.ext.asyncio import create_async_engine

from parley.store.errors import DatabaseUnavailable
from parley.store.schema import MigrationFailed, SchemaTooNew, migrate, pending_migrations
from parley.store.schema.catalogue import metadata
from parley.store.schema.migrate import MIGRATIONS, revisions
from tests.store.databases import connected
from tests.store.rows import ids


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request, tmp_path):
    """The URL of a database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:{tmp_path / 'empty.sqlite3'}"
        return
    server = request.getfixturevalue("postgres")
    name = server.create_database()
    yield server.url(name)
    server.drop_database(name)


def _is_described(name: str | None, kind: str, _: object) -> bool:
    """The index of search is each database's own, and no table of the catalogue."""
    return kind != "table" or name is None or not name.startswith("search_")


def _difference(connection: Connection) -> list[object]:
    options = {"compare_type": True, "compare_server_default": True, "include_name": _is_described}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))


async def test_the_migrations_make_exactly_the_tables(database_url):
    if database_url.startswith("sqlite:"):
        engine = create_engine(database_url.replace("sqlite:", "sqlite:///"), poolclass=pool.NullPool)
        with engine.connect() as connection:
            assert _difference(connection) == []
        return
    remote = create_async_engine(database_url.replace("postgresql:", "postgresql+asyncpg:"))
    async with remote.connect() as connection:
        assert await connection.run_sync(_difference) == []
    await remote.dispose()


async def test_pending_migrations_are_told_and_then_applied(empty_url):
    assert (await pending_migrations(empty_url))[0] == "0001"
    await migrate(empty_url)
    assert await pending_migrations(empty_url) == []


def test_the_names_of_the_files_tell_what_alembic_would_apply():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    script = ScriptDirectory.from_config(config)
    assert [step.revision for step in script.walk_revisions()][::-1] == revisions()


async def test_looking_and_migrating_leave_alembic_outside(empty_url):
    """It would stay in the memory of the server that migrated."""
    program = (
        "import asyncio, sys; from parley.store.schema import migrate; "
        "asyncio.run(migrate(sys.argv[1])); print('alembic' in sys.modules)"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, empty_url), stdout=asyncio.subprocess.PIPE
    )
    told, _ = await asyncio.wait_for(process.communicate(), 120)
    assert told == b"False\n"
    assert await pending_migrations(empty_url) == []


async def test_a_database_of_a_newer_version_is_left_alone(tmp_path):
    file = tmp_path / "parley.sqlite3"
    with closing(sqlite3.connect(file)) as newer, newer:
        newer.execute("CREATE TABLE alembic_version (version_num TEXT)")
        newer.execute("INSERT INTO alembic_version VALUES ('9999')")
    with pytest.raises(SchemaTooNew, match="schema 9999"):
        await migrate(f"sqlite:{file}")


async def test_what_is_no_database_is_said(tmp_path):
    file = tmp_path / "parley.sqlite3"
    file.write_bytes(b"not a database, but long enough to be looked at as one" * 100)
    with pytest.raises(DatabaseUnavailable, match="not a database"):
        await migrate(f"sqlite:{file}")


async def test_a_database_server_that_is_away_is_said(tmp_path):
    with pytest.raises(DatabaseUnavailable, match="cannot be used"):
        await migrate(f"postgresql:///parley?host={tmp_path}")


async def test_migrating_twice_keeps_what_is_stored(store, scope, database_url):
    await migrate(database_url)
    assert await ids(store.database) == [scope.organization_id]


async def test_servers_that_start_together_migrate_once(empty_url):
    """On SQLite each CREATE TABLE was a transaction of its own: the second server failed half-way."""
    await asyncio.gather(*(migrate(empty_url) for _ in range(4)))
    assert await pending_migrations(empty_url) == []
    async with connected(empty_url) as database:
        assert await ids(database) == []


async def test_a_migration_that_fails_leaves_nothing(tmp_path):
    file = tmp_path / "parley.sqlite3"
    with sqlite3.connect(file) as taken:
        taken.execute("CREATE TABLE webhooks (in_the_way TEXT)")
    taken.close()
    with pytest.raises(
        MigrationFailed, match=r"could not be migrated: table webhooks already exists$"
    ) as failed:
        await migrate(f"sqlite:{file}")
    assert "CREATE TABLE webhooks" in failed.value.detail
    look = sqlite3.connect(file)
    assert look.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall() == [("webhooks",)]
    look.close()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("extra", ["&sslmode=disable", "&sslmode=prefer", "&application_name=parley"])
async def test_a_url_with_libpq_options_migrates_as_it_connects(database_url, extra):
    """SQLAlchemy handed `sslmode` to the driver, which knows it only as a part of the URL."""
    await migrate(database_url + extra)
    assert await pending_migrations(database_url + extra) == []
    async with connected(database_url + extra) as database:
        assert await ids(database) == []


def test_every_tenant_table_is_removed_with_its_app():
    kept = {"organizations", "apps", "server_secrets", "credentials", "jobs", "outbox", "streams"}
    for table in metadata.tables.values():
        if table.name in kept:
            continue
        (reference,) = table.c.app_id.foreign_keys
        assert (reference.column.table.name, reference.ondelete) == ("apps", "CASCADE"), table.name
