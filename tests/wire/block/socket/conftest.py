"""Fixtures of the socket tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from parley.accounts.app_settings import write
from parley.accounts.plans import PlanSettings
from parley.accounts.scope import AppScope
from parley.store.core import Store
from tests.wire.block.socket.serving import Realtime, serving_realtime


@pytest_asyncio.fixture
async def realtime(store: Store, app_scope: AppScope) -> AsyncIterator[Realtime]:
    """One server process, and an app without limits."""
    async with app_scope.change() as change:
        await write(change, "plan", PlanSettings(plan="enterprise"))
    async with serving_realtime(store, app_scope) as served:
        yield served
