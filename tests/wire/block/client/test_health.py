"""The service's health, as the published client reads it."""

from __future__ import annotations

import pytest

from tests.wire.block.client.driver import run_suite
from tests.wire.block.serving import Block


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_client_hears_that_the_service_runs(block: Block):
    told = await run_suite(block, "health", services=["health"])
    assert told == {"service": "conversations", "status": "ok"}
