"""A client, and servers to go to."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from parley.outgoing.http import OutgoingHttp, OutgoingPolicy
from tests.webhooks.receiver import Receiver, receiver


@pytest_asyncio.fixture
async def http() -> AsyncIterator[OutgoingHttp]:
    """Goes wherever it may by default."""
    made = OutgoingHttp(OutgoingPolicy())
    yield made
    await made.close()


@pytest_asyncio.fixture
async def endpoint() -> AsyncIterator[Receiver]:
    """A receiver."""
    async with receiver() as made:
        yield made
