"""A client that is silent for too long (`realtime-block.md` 6.5)."""

from __future__ import annotations

import json

import pytest
from websockets.frames import Close

from parley.accounts.scope import AppScope
from parley.store.core import Store
from tests.stream.serving import raw_client
from tests.wire.block.socket.serving import serving_realtime, until_turned

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
TEXT, CLOSE = 1, 8


async def test_a_client_that_answers_no_ping_is_closed(store: Store, app_scope: AppScope) -> None:
    async with serving_realtime(store, app_scope, idle_s=1.5) as realtime:
        path = f"/v1/realtime/ws?token={realtime.token('alice')}"
        async with raw_client(realtime.served, opened=path) as silent:
            texts = []
            while (got := await silent.frame())[0] != CLOSE:
                texts += [json.loads(got[1])] if got[0] == TEXT else []
            assert Close.parse(got[1]) == Close(4408, "idle timeout")
            assert [(one["heartbeat_interval_ms"], one["idle_timeout_ms"]) for one in texts] == [(600, 1_500)]
        await until_turned(lambda: not realtime.block.sockets.connections)


async def test_a_client_that_says_nothing_at_all_is_closed_as_well(store: Store, app_scope: AppScope) -> None:
    async with (
        serving_realtime(store, app_scope, idle_s=0.3) as realtime,
        raw_client(realtime.served, opened="/v1/realtime/ws") as silent,
    ):
        assert await silent.close_code() == 4408
