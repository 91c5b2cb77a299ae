"""Fixtures of the Real Time Block's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from parley.accounts.scope import AppScope
from parley.store.core import Store
from tests.wire.block.serving import Block, serving_block


@pytest_asyncio.fixture
async def block(store: Store, app_scope: AppScope) -> AsyncIterator[Block]:
    """The served block, on each database."""
    async with serving_block(store, app_scope) as served:
        yield served
