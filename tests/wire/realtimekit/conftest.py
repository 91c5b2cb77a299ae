"""The REST API, served."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from parley.accounts.scope import Scope
from parley.store.core import Store
from tests.wire.realtimekit.serving import Api, serving_api


@pytest_asyncio.fixture
async def api(store: Store, scope: Scope) -> AsyncIterator[Api]:
    """The API on a free port, on both databases, for the oldest organization."""
    async with serving_api(store, scope) as served:
        yield served
