"""Connection tokens, as the published client asks for them (`realtime-block.md` 18.7)."""

from __future__ import annotations

import pytest

from tests.wire.block.client.driver import run_suite
from tests.wire.block.serving import Block


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_client_gets_tokens_for_sockets(block: Block):
    told = await run_suite(block, "websocket_tokens", people=["ada"], services=["websocketTokens"])
    assert told == {"own": [3, True, True], "one": [True, "private:orders"]}
