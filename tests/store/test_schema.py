from __future__ import annotations

import asyncio
import sqlite3

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, pool
from sqlalchemy.ext.asyncio import create_async_engine

from parley.store.schema import migrate, pending_migrations
from parley.store.schema.tables import metadata
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


def _difference(connection: Connection) -> list[object]:
    options = {"compare_type": True, "compare_server_default": True}
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
    with pytest.raises(Exception, match="webhooks already exists"):
        await migrate(f"sqlite:{file}")
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
