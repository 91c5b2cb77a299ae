"""What most tests need: a fresh database of either kind, a store on it, and a tenant in the store.

A test that takes `database`, or anything built on it, runs twice: on SQLite and on PostgreSQL (skipped where
its binaries are missing). To stay on one of them::

    @pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

Time stands still (`clock`) until the test moves it: `clock.advance(seconds)`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from parley.accounts import service as accounts
from parley.accounts.scope import AppScope, Scope
from parley.base.clock import ManualClock
from parley.base.ids import OrganizationId
from parley.store.blobs import Blobs
from parley.store.core import Store
from parley.store.secrets import Vault
from tests.accounts.tenants import add_app
from tests.services import PostgresServer, postgres_server
from tests.store.databases import AnyDatabase, PostgresTemplate, SqliteTemplate, connected, running

HERE = Path(__file__).parent
MASTER_KEY = bytes(range(32))
"""Of `vault`."""
WHOLE_PROCESSES = ("clients", "faults", "scenarios")
"""Folders whose tests start servers and clients as processes of their own."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Repeat once what depends on several processes getting their share of the machine; nothing else.

    The summary lists what was repeated; `-p no:rerunfailures` repeats nothing.
    """
    if not config.pluginmanager.hasplugin("rerunfailures"):
        return
    for item in items:
        folder = item.path.relative_to(HERE).parts[0] if HERE in item.path.parents else ""
        if folder in WHOLE_PROCESSES or item.get_closest_marker("faults") is not None:
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A private PostgreSQL server; one for each test process."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer) -> PostgresTemplate:
    """Migrated PostgreSQL databases to borrow."""
    return PostgresTemplate(postgres)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> SqliteTemplate:
    """Copies of a migrated SQLite file."""
    return SqliteTemplate(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty, migrated database of the test's own."""
    if request.param == "sqlite":
        files: SqliteTemplate = request.getfixturevalue("sqlite_template")
        yield files.clone(tmp_path)
        return
    template: PostgresTemplate = request.getfixturevalue("postgres_template")
    name = template.borrow()
    yield template.server.url(name)
    template.give_back(name)


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[AnyDatabase]:
    """That database, opened."""
    async with connected(database_url) as database:
        yield database


@pytest.fixture
def clock() -> ManualClock:
    """Midnight of 2026-01-01 UTC until it is advanced."""
    return ManualClock()


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    """Files in a folder of the test's own."""
    return Blobs.local(tmp_path / "blobs")


@pytest.fixture
def vault() -> Vault:
    """Sealed with `MASTER_KEY`."""
    return Vault(MASTER_KEY)


@pytest.fixture
def store(database: AnyDatabase, clock: ManualClock, blobs: Blobs, vault: Vault) -> Store:
    """A store whose dispatcher and jobs do not run: `await store.outbox.drain()`, or `started_store`."""
    return Store.over(database, clock, blobs, vault)


@pytest_asyncio.fixture
async def started_store(store: Store) -> AsyncIterator[Store]:
    """`store`, dispatching events and running jobs; with handlers, use `running(store)` instead."""
    async with running(store):
        yield store


@pytest_asyncio.fixture
async def scope(store: Store) -> Scope:
    """The oldest organization, seen by the system."""
    made, _ = await accounts.ensure_organization(store)
    return made


@pytest_asyncio.fixture
async def other_scope(scope: Scope) -> Scope:
    """Another organization of the same installation."""
    made, _ = await accounts.ensure_organization(scope.store, OrganizationId("f" * 32), name="Another one")
    return made


@pytest_asyncio.fixture
async def app_scope(scope: Scope) -> AppScope:
    """An app of the organization; without presets (`meetings` adds those)."""
    return await add_app(scope, "First app")


@pytest_asyncio.fixture
async def other_app_scope(other_scope: Scope) -> AppScope:
    """An app of the other organization."""
    return await add_app(other_scope, "Their app")
