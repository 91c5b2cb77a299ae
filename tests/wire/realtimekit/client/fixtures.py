"""Fixtures of everything that needs a server of the client protocol; each conftest imports what it uses.

Unexpected errors are logged and never raised, so every house checks at its end that none was logged.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
import structlog

from parley.accounts.scope import Scope
from parley.media.janus.config import JanusOptions
from parley.media.janus.engine import JanusEngine
from parley.media.pool import MediaPool
from parley.meetings.model import Meeting
from parley.store.core import Store
from tests.netns import missing_network
from tests.wire.realtimekit.client.house import House, house_on, new_app


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    """What the product logs; a test that expects errors removes them, any other error fails it."""
    with structlog.testing.capture_logs() as entries:
        yield entries
    errors = [entry for entry in entries if entry["log_level"] in ("error", "critical")]
    assert not errors, f"errors were logged: {errors}"


@pytest_asyncio.fixture
async def house(
    store: Store, scope: Scope, logged: list[Any], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[House]:
    """A running server without rate limits, on either database."""
    # Those who come back are let in once they open transports; these clients have no media.
    monkeypatch.setattr("parley.meetings.live.media.RETURN_TIMEOUT_S", 0.01)
    async with house_on(store, await new_app(scope)) as house:
        yield house


@pytest_asyncio.fixture
async def media_house(store: Store, scope: Scope, logged: list[Any]) -> AsyncIterator[House]:
    """The same with a media engine of its own."""
    if (reason := missing_network()) is not None:
        pytest.skip(reason)
    if shutil.which("janus") is None:
        pytest.skip("janus is not installed")
    # Each test process has Janus take its ports from a range of its own.
    first = 46_000 + 500 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    pool = MediaPool({"own": JanusEngine(JanusOptions(rtp_ports=(first, first + 499)))})
    await pool.start()
    try:
        async with house_on(store, await new_app(scope), pool=pool) as house:
            yield house
    finally:
        await pool.stop()


@pytest_asyncio.fixture
async def meeting(house: House) -> Meeting:
    """A meeting nobody has joined yet."""
    return await house.meeting()
