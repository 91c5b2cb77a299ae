"""Fixtures of everything that needs a server of the client protocol; each conftest imports what it uses.

Unexpected errors are logged and never raised, so every house checks at its end that none was logged.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
import structlog

from parley.accounts.scope import Scope
from parley.meetings.model import Meeting
from parley.store.core import Store
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
async def meeting(house: House) -> Meeting:
    """A meeting nobody has joined yet."""
    return await house.meeting()
