"""Live streams through the official SDK and by hand (`realtimekit.md` sections 11, 12.2, 12.3)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import cloudflare
import pytest
from sqlalchemy import select

from parley.base.clock import ManualClock
from parley.base.errors import NotAllowed
from parley.base.ids import MeetingId
from parley.livestreams.ingest import IngestKeeper
from parley.livestreams.model import FLOWS_FOR, LivestreamId
from parley.livestreams.service import Livestreams
from parley.livestreams.sweeping import Sweeper
from parley.meetings.sessions.store import EMPTY_FOR
from parley.store.query import SystemQuery
from parley.store.schema import recordings as tables
from tests.wire.realtimekit.serving import Api, streams_of


@pytest.fixture
def streams(api: Api) -> Livestreams:
    """The same streams as those of the API."""
    return streams_of(api.scope.store)


async def started(api: Api, **meeting: Any) -> tuple[str, str]:
    """A meeting that shall be streamed, and its stream."""
    meeting_id = await api.meeting(**meeting)
    answer = await api.ask("POST", f"/meetings/{meeting_id}/livestreams", status=201)
    return meeting_id, answer["data"]["id"]


async def test_the_sdk_streams_a_meeting(api: Api, streams: Livestreams):
    sdk = api.client.realtime_kit.livestreams
    meeting_id = await api.meeting(title="Launch")
    asked = (
        await sdk.start_livestreaming_a_meeting(
            meeting_id, name="launch-1", video_config={"width": 640, "height": 360}, **api.here
        )
    ).data
    assert (asked.status, asked.ingest_server) == ("INVOKED", "rtmp://parley.test:1935/live/")
    assert asked.playback_url == f"http://parley.test/hls/{asked.id}/index.m3u8"
    assert asked.stream_key
    assert asked.stream_key not in asked.playback_url

    active = (await sdk.get_meeting_active_livestreams(meeting_id, **api.here)).data
    assert (active.id, active.name, active.disabled) == (asked.id, "launch-1", "false")
    waiting = (await sdk.get_active_livestreams_for_livestream_id(asked.id, **api.here)).data
    assert waiting.session.started_time is None
    assert waiting.session.ingest_seconds == "0"

    await streams.began(api.scope, LivestreamId(asked.id))
    detail = (await sdk.get_livestream_session_for_livestream_id(asked.id, **api.here)).data
    assert detail.livestream.status == "LIVE"
    assert detail.session.started_time is not None
    one = (await sdk.get_livestream_session_details_for_session_id(detail.session.id, **api.here)).data
    assert (one.id, one.viewer_seconds) == (detail.session.id, 0)

    stopped = await sdk.stop_livestreaming_a_meeting(meeting_id, **api.here)
    assert stopped.data.message == "Stopped live stream successfully"
    listed = (await sdk.get_all_livestreams(**api.here)).data
    assert (listed.id, listed.status, listed.paging.total_count) == (asked.id, "IDLE", 1)


async def test_a_meeting_is_streamed_once_at_a_time(api: Api):
    meeting_id, _ = await started(api)
    refused = await api.ask("POST", f"/meetings/{meeting_id}/livestreams", status=409)
    assert refused["error"]["message"] == "This meeting is being streamed already."


async def test_a_meeting_keeps_its_stream_and_its_key(api: Api):
    meeting_id, stream_id = await started(api)
    key = (await api.ask("GET", f"/livestreams/{stream_id}", status=200))["data"]["livestream"]["stream_key"]
    await api.ask("POST", f"/meetings/{meeting_id}/active-livestream/stop", status=200)
    again = (await api.ask("POST", f"/meetings/{meeting_id}/livestreams", status=201))["data"]
    assert (again["id"], again["stream_key"]) == (stream_id, key)
    runs = (await api.ask("GET", f"/meetings/{meeting_id}/livestream", status=200))["data"]
    assert runs["paging"]["total_count"] == len(runs["sessions"]) == 2
    assert runs["session"]["stopped_time"] is None


@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_a_meeting_that_is_not_streamed_has_no_active_stream(api: Api, verb: str):
    meeting_id = await api.meeting()
    path = f"/meetings/{meeting_id}/active-livestream" + ("/stop" if verb == "POST" else "")
    await api.ask(verb, path, status=404)


async def test_an_inactive_meeting_is_not_streamed(api: Api):
    meeting_id = await api.meeting()
    await api.ask("PATCH", f"/meetings/{meeting_id}", status=200, json={"status": "INACTIVE"})
    await api.ask("POST", f"/meetings/{meeting_id}/livestreams", status=400)


@pytest.mark.parametrize(
    "body", [{"name": "a b"}, {"video_config": {"width": 0}}, {"video_config": {"height": 1921}}]
)
async def test_wrong_settings_are_refused(api: Api, body: dict[str, Any]):
    meeting_id = await api.meeting()
    await api.ask("POST", f"/meetings/{meeting_id}/livestreams", status=400, json=body)


async def test_the_sdk_sees_unknown_streams_as_not_found(api: Api):
    with pytest.raises(cloudflare.NotFoundError):
        await api.client.realtime_kit.livestreams.get_livestream_session_for_livestream_id(
            api.scope.app_id, **api.here
        )


async def test_the_stream_of_an_empty_meeting_ends_after_a_minute(
    api: Api, streams: Livestreams, tmp_path, clock
):
    _, stream_id = await started(api)
    sweeper = Sweeper(api.scope.store, streams, tmp_path)
    clock.advance(EMPTY_FOR.total_seconds() - 1)
    await sweeper.sweep()
    assert (await streams.get(api.scope, stream_id)).is_active
    clock.advance(2)
    await sweeper.sweep()
    assert (await streams.get(api.scope, stream_id)).status == "IDLE"


async def test_a_stream_ends_with_the_session_of_its_meeting(api: Api, streams: Livestreams, tmp_path):
    meeting_id, stream_id = await started(api)
    await api.join(meeting_id, await api.participant(meeting_id, "ann"))
    session = api.registry.running_meeting(MeetingId(meeting_id)).session
    await streams.began(api.scope, LivestreamId(stream_id), session.id)
    of_session = await api.ask("GET", f"/sessions/{session.id}/livestream-sessions", status=200)
    assert of_session["paging"]["total_count"] == 1
    await api.ask("POST", f"/meetings/{meeting_id}/active-session/kick-all", status=200)
    await Sweeper(api.scope.store, streams, tmp_path).sweep()
    assert (await streams.get(api.scope, stream_id)).status == "IDLE"


async def test_independent_streams_are_created_listed_disabled_and_enabled(api: Api):
    made = (await api.ask("POST", "/livestreams", status=201, json={"name": "radio"}))["data"]
    assert (made["status"], made["meeting_id"], made["disabled"], made["name"]) == (
        "IDLE",
        None,
        False,
        "radio",
    )
    await started(api)
    alone = await api.ask("GET", "/livestreams?exclude_meetings=true&sort_order=ASC", status=200)
    assert [row["id"] for row in alone["data"]["livestreams"]] == [made["id"]]
    assert alone["paging"] == alone["data"]["paging"]
    off = await api.ask("PUT", f"/livestreams/{made['id']}/disable", status=200)
    assert off["data"]["disabled"] == "true"
    on = await api.ask("PUT", f"/livestreams/{made['id']}/enable", status=200)
    assert on["data"]["disabled"] == "false"


async def test_pushing_with_the_key_makes_a_stream_live(api: Api, streams: Livestreams, clock: ManualClock):
    made = (await api.ask("POST", "/livestreams", status=201))["data"]
    with pytest.raises(NotAllowed):
        await IngestKeeper(streams).admit("0" * 48)
    await IngestKeeper(streams).admit(made["stream_key"])
    with pytest.raises(NotAllowed, match="already"):
        await IngestKeeper(streams).admit(made["stream_key"])
    clock.advance(7)
    assert await IngestKeeper(streams).goes_on(made["id"])
    run = (await api.ask("GET", f"/livestreams/{made['id']}/active-livestream-session", status=200))["data"]
    assert run["session"]["ingest_seconds"] == "7"
    await IngestKeeper(streams).ended(made["id"])
    await api.ask("GET", f"/livestreams/{made['id']}/active-livestream-session", status=404)


async def test_a_disabled_stream_ends_and_refuses_its_key(api: Api, streams: Livestreams):
    made = (await api.ask("POST", "/livestreams", status=201))["data"]
    await IngestKeeper(streams).admit(made["stream_key"])
    await api.ask("PUT", f"/livestreams/{made['id']}/disable", status=200)
    assert not await IngestKeeper(streams).goes_on(made["id"])
    with pytest.raises(NotAllowed, match="disabled"):
        await IngestKeeper(streams).admit(made["stream_key"])


async def test_a_new_key_replaces_the_old_one(api: Api, streams: Livestreams):
    made = (await api.ask("POST", "/livestreams", status=201))["data"]
    other = (await api.ask("POST", f"/livestreams/{made['id']}/reset-stream-key", status=200))["data"]
    with pytest.raises(NotAllowed):
        await IngestKeeper(streams).admit(made["stream_key"])
    assert await IngestKeeper(streams).admit(other["stream_key"]) == made["id"]


async def test_what_is_pushed_to_a_lost_server_ends(
    api: Api, streams: Livestreams, tmp_path: Path, clock: ManualClock
):
    made = (await api.ask("POST", "/livestreams", status=201))["data"]
    await IngestKeeper(streams).admit(made["stream_key"])
    clock.advance(FLOWS_FOR.total_seconds() + 1)
    await Sweeper(api.scope.store, streams, tmp_path).sweep()
    assert (await streams.get(api.scope, made["id"])).status == "IDLE"


async def test_the_key_of_a_meeting_takes_nothing_unless_it_was_asked_for(api: Api, streams: Livestreams):
    meeting_id = await api.meeting()
    path = f"/meetings/{meeting_id}/livestreams"
    key = (await api.ask("POST", path, status=201))["data"]["stream_key"]
    with pytest.raises(NotAllowed):
        await IngestKeeper(streams).admit(key)
    await api.ask("POST", f"/meetings/{meeting_id}/active-livestream/stop", status=200)
    await api.ask("POST", path, status=201, json={"manual_ingest": True})
    stream_id = await IngestKeeper(streams).admit(key)
    assert (await streams.get(api.scope, stream_id)).status == "LIVE"


async def test_stream_keys_are_sealed_at_rest(api: Api):
    made = (await api.ask("POST", "/livestreams", status=201))["data"]
    rows = await api.scope.store.database.all(SystemQuery(select(tables.livestreams)))
    assert len(rows) == 1
    assert made["stream_key"] not in repr(rows)
    assert made["stream_key"].encode() not in b"".join(bytes(v) for v in rows[0] if isinstance(v, bytes))


async def test_use_is_summed_up_by_day(api: Api, streams: Livestreams, clock: ManualClock):
    made = (await api.ask("POST", "/livestreams", status=201))["data"]
    for seconds in (10, 20):
        await IngestKeeper(streams).admit(made["stream_key"])
        stream, run = await streams.active_run(api.scope, made["id"])
        await streams.watched(run.id, 4_500)
        clock.advance(seconds)
        await IngestKeeper(streams).ended(stream.id)
    sdk = api.client.realtime_kit.livestreams
    overall = (await sdk.get_livestream_analytics_complete(**api.here)).data
    assert (overall.count, overall.total_ingest_seconds, overall.total_viewer_seconds) == (2, 30, 9)
    days = (await sdk.get_livestream_analytics_daywise(**api.here)).data
    assert (len(days), sum(day.count for day in days)) == (31, 2)
    until = int((clock.now() - timedelta(days=1)).timestamp())
    before = await api.ask("GET", f"/analytics/livestreams/overall?end_time={until}", status=200)
    assert before["data"]["count"] == 0
    await api.ask("GET", f"/analytics/livestreams/overall?start_time={until}&end_time=5", status=400)
