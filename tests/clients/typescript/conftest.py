"""One server for all suites, and the client as it is built."""

from __future__ import annotations

import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.clients.typescript.server import BlockServer

HERE = Path(__file__).parent
PACKAGE = HERE.parents[2] / "clients" / "typescript"


def node() -> str | None:
    """Node of the virtual environment, or the system's."""
    beside = Path(sys.executable).parent / "node"
    return str(beside) if beside.exists() else shutil.which("node")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests here share one event loop; say why they cannot run, where they cannot."""
    reason = None
    if node() is None:
        reason = "no Node.js"
    elif not (PACKAGE / "node_modules" / "vitest").exists() or not (PACKAGE / "dist" / "index.js").exists():
        reason = "the TypeScript client is not built; run scripts/setup_test_clients.sh"
    for item in items:
        if HERE not in item.path.parents:
            continue
        item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BlockServer]:
    """What the tests share: starting one takes longer than most of them."""
    server = BlockServer(tmp_path_factory.mktemp("typescript") / "data")
    try:
        await server.start()
        yield server
    finally:
        await server.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def server(shared_server: BlockServer) -> BlockServer:
    """A running server; the test may kill it."""
    if not shared_server.is_running:
        await shared_server.start()
    return shared_server
