"""Outgoing HTTP, and a provider to ask."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from parley.outgoing.http import OutgoingHttp, OutgoingPolicy
from tests.insight.provider import Provider
from tests.insight.provider import provider as serving


@pytest_asyncio.fixture
async def http() -> AsyncIterator[OutgoingHttp]:
    """As for an engine of the operator's settings: inner networks are allowed."""
    made = OutgoingHttp(OutgoingPolicy())
    yield made
    await made.close()


@pytest_asyncio.fixture
async def provider() -> AsyncIterator[Provider]:
    """A provider that answers with a valid summary."""
    async with serving() as made:
        yield made
