"""What webhooks are told of live streams (`realtimekit.md` 14.3)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from parley.accounts.scope import AppScope
from parley.base.ids import AppId
from parley.livestreams.ingest import IngestKeeper
from parley.livestreams.states import DRAIN
from parley.store.core import Store
from parley.webhooks.ports import AppLabel
from parley.wire.realtimekit.webhook_events import RealtimeKitPayloads
from tests.waiting import until
from tests.wire.realtimekit.serving import streams_of

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
APP = AppLabel(AppId("5b0c0a9e-2f7d-4b53-9a0f-1f6a2d3e4c55"), "parley-demo")


async def test_a_stream_is_live_then_offline_then_idle(started_store: Store, app_scope: AppScope, clock: Any):
    streams, codec = streams_of(started_store), RealtimeKitPayloads()
    told: list[dict[str, Any]] = []

    def hear(item: Any) -> None:
        if codec.public_name(item.event) == "livestreaming.statusUpdate":
            told.append(msgspec.json.decode(codec.body(item.event, APP)))

    started_store.outbox.listen(hear)
    stream = await streams.create(app_scope, None)
    await IngestKeeper(streams).admit(streams.key(stream))
    await IngestKeeper(streams).ended(stream.id)
    await until(lambda: "" if len(told) == 2 else str(told))
    clock.advance(DRAIN.total_seconds() + 1)
    started_store.jobs.wake()
    await until(lambda: "" if len(told) == 3 else str(told))
    assert [each["status"] for each in told] == ["LIVE", "OFFLINE", "IDLE"]
    first = told[0]
    assert first == {
        "event": "livestreaming.statusUpdate",
        "streamId": stream.id,
        "status": "LIVE",
        "manualIngest": True,
        "playbackUrl": f"http://parley.test/hls/{stream.id}/index.m3u8",
        "ingestServer": "rtmp://parley.test:1935/live/",
        "streamKey": None,
    }
