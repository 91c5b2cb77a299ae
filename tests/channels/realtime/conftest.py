"""Several processes on one bus, with a clock of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from parley.base.clock import ManualClock
from tests.channels.realtime.watching import APP, ROOM, Cluster, Process


@pytest_asyncio.fixture
async def cluster(clock: ManualClock) -> AsyncIterator[Cluster]:
    """None yet."""
    made = Cluster(clock)
    yield made
    await made.close()


@pytest_asyncio.fixture
async def two(cluster: Cluster) -> tuple[Process, Process]:
    """Both watch the channel."""
    a, b = await cluster.add("a"), await cluster.add("b")
    await a.watch(APP, ROOM)
    await b.watch(APP, ROOM)
    return a, b
