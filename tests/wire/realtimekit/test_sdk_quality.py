"""What was measured of calls, asked for by the official Python SDK, which checks every answer's types."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from parley.base.errors import NotFound
from parley.base.ids import MeetingId, ParticipantId
from parley.meetings.live.peer import LivePeer
from parley.quality import intake
from parley.quality import store as rows
from parley.quality.service import Quality
from tests.wire.realtimekit.serving import Api, measure


async def measured(api: Api) -> tuple[str, LivePeer]:
    """A session, and somebody in it whose client has posted what clients post."""
    meeting = await api.meeting(title="Weekly")
    ann = await api.participant(meeting, "c-ann", name="Ann")
    peer = await api.join(meeting, ann, name="Ann")
    live = await api.registry.open(api.scope, MeetingId(meeting))
    assert live.session is not None
    for name in ("joined", "connected", "measured"):
        await measure(api, peer, name)
    return live.session.id, peer


async def post(api: Api, peer: LivePeer, payload: Any) -> None:
    body = json.dumps({"peerId": peer.id, "payload": payload}).encode()
    quality = Quality(api.scope.store.clock)
    await quality.take(api.scope, ParticipantId(peer.participant.id), body)


def consumed(lost: int, received: int) -> dict[str, Any]:
    sound = {"ssrc": 7, "packetsLost": lost, "packetsReceived": received}
    stats = {"consumerStats": [{"consumerId": "c", "audioStats": [sound], "videoStats": []}]}
    return {"entries": [{"event": "ping_stat", "metaData": stats}]}


async def test_a_report_has_everything_that_was_measured(api: Api):
    session, peer = await measured(api)
    sessions = api.client.realtime_kit.sessions
    told = (await sessions.get_participant_data_from_peer_id(peer.id, **api.here)).data.participant
    metadata, quality = told.peer_report.metadata, told.peer_report.quality
    assert told.session_id == session
    assert (metadata.sdk_name, metadata.sdk_version, metadata.room_view_type) == (
        "web-core",
        "1.5.1",
        "groupCall",
    )
    assert (metadata.device_info.os, metadata.device_info.cpus) == ("Linux", 2)
    assert (metadata.browser_metadata.browser, metadata.browser_metadata.engine) == ("Chrome", "Blink")
    assert metadata.candidate_pairs.producing_transport[0].nominated
    assert metadata.pc_metadata[0].effective_network_type == "4g"
    assert metadata.ip_information.ipv4 == "10.1.0.0"
    assert metadata.selected_device_updates[0].device.label == "fake_device_0"
    assert {"PEER_JOINING", "call_join", "media_permission"} <= {event.name for event in metadata.events}
    (sample,) = quality.video_producer
    assert (sample.frame_width, sample.quality_limitation_durations.none) == (640, 20.529)
    assert sample.quality_limitation_reason == "none"
    assert quality.video_producer_cumulative.frame_width.p90 == 640
    assert quality.video_producer_cumulative.issues.no_video_fraction == 0
    assert quality.audio_consumer_cumulative.packet_loss.api_5_or_greater_event_fraction == 0
    assert quality.audio_producer_cumulative.rtt.api_100ms_or_greater_event_fraction == 0
    assert 1 < quality.audio_producer_cumulative.quality_mos.avg <= 4.5
    assert quality.screenshare_video_consumer is None


@pytest.mark.parametrize(
    ("wanted", "parts"),
    [
        ("device_info", {"device_info", "browser_metadata", "sdk_name", "sdk_version"}),
        ("ip_information", {"ip_information"}),
        ("precall_network_information", {"pc_metadata"}),
        ("events", {"events"}),
    ],
)
async def test_filters_limit_a_report(api: Api, wanted: str, parts: set[str]):
    _, peer = await measured(api)
    path = f"/sessions/peer-report/{peer.id}?filters={wanted}"
    told = (await api.ask("GET", path, status=200))["data"]["participant"]
    assert set(told["peer_report"]) == {"metadata"}
    assert set(told["peer_report"]["metadata"]) == parts


async def test_only_quality_is_told_when_only_that_is_wanted(api: Api):
    _, peer = await measured(api)
    path = f"/sessions/peer-report/{peer.id}?filters=quality_stats"
    told = (await api.ask("GET", path, status=200))["data"]["participant"]
    assert set(told["peer_report"]) == {"quality"}
    assert set(told["peer_report"]["quality"]) == {
        f"{kind}_{side}{end}"
        for kind in ("audio", "video")
        for side in ("producer", "consumer")
        for end in ("", "_cumulative")
    }
    assert "peer_stats" not in told


async def test_older_clients_get_their_names(api: Api):
    session, peer = await measured(api)
    tested = {"effectiveNetworkType": "3g", "turnConnectivity": True, "throughput": 500}
    tested |= {"RTT": 0.2, "backendRTT": 0.1, "fractionalLoss": 0, "jitter": 0.01}
    await post(api, peer, {"entries": [{"event": "precall_end", "metaData": {"connectionInfo": tested}}]})
    wanted = "device_info,ip_information,precall_network_information,events,quality_stats"
    path = f"/sessions/{session}/participants/{peer.id}?filters={wanted}"
    told = (await api.ask("GET", path, status=200))["data"]["participant"]
    assert told["peer_stats"]["precall_network_information"] == {
        "rtt": 0.2,
        "backend_rtt": 0.1,
        "fractional_loss": 0,
        "jitter": 0.01,
        "throughtput": 500,
        "effective_networktype": "3g",
        "turn_connectivity": True,
    }
    assert told["peer_stats"]["device_info"]["browser"] == "Chrome"
    (stretch,) = told["quality_stats"]
    assert (stretch["total_audio_packets"], stretch["total_audio_packets_lost"]) == (1034, 0)
    assert stretch["video_stats"][0]["frame_width"] == 640
    report = (await api.ask("GET", f"/sessions/peer-report/{peer.id}?filters={wanted}", status=200))["data"]
    stats = report["participant"]["peer_stats"]
    assert stats["precall_network_information"]["throughput"] == 500
    (last,) = [step for step in stats["events"] if step.get("metadata", {}).get("connection_info")][-1:]
    assert last["metadata"]["connection_info"]["backend_r_t_t"] == 0.1
    assert last["metadata"]["connection_info"]["r_t_t"] == 0.2


async def test_why_a_call_was_bad_is_told_in_words(api: Api, clock):
    session, bad = await measured(api)
    clock.advance(1)
    meeting = (await api.ask("GET", f"/sessions/{session}", status=200))["data"]["associated_id"]
    silent = await api.join(meeting, await api.participant(meeting, "c-bob"), name="Bob")
    for lost, received in ((20, 80), (60, 140)):
        await post(api, bad, consumed(lost, received))
    told = await api.ask("GET", f"/sessions/{session}/quality", status=200)
    ann, bob = told["data"]["participants"]
    assert (ann["id"], bob["id"]) == (bad.id, silent.id)
    assert ann["verdict"] == "poor"
    assert any("was lost on the way to this person" in reason for reason in ann["reasons"])
    assert ann["receiving"]["packet_loss"] > 0.1
    assert (bob["verdict"], bob["receiving"]["mos"]) == ("unknown", None)
    assert told["paging"]["total_count"] == 2
    found = await api.ask("GET", f"/sessions/{session}/quality?search=c-bob", status=200)
    assert [row["id"] for row in found["data"]["participants"]] == [silent.id]


async def test_there_is_an_end_to_what_is_kept_of_one_call(api: Api, monkeypatch):
    monkeypatch.setattr(intake, "MAX_BYTES", 500)
    session, peer = await measured(api)  # more at once
    assert await rows.samples(api.scope, session, peer.id) == []
    for received in (10, 20, 30, 40):
        await post(api, peer, consumed(0, received))
    kept = await rows.samples(api.scope, session, peer.id)
    assert 2 <= len(kept) <= 3
    assert sum(len(sample) for _, sample in kept) <= 500


async def test_posts_count_for_some_minutes_after_leaving(api: Api, clock):
    session, peer = await measured(api)
    meeting = (await api.ask("GET", f"/sessions/{session}", status=200))["data"]["associated_id"]
    await api.client.realtime_kit.active_session.kick_all_participants(meeting, **api.here)
    await post(api, peer, consumed(0, 10))
    clock.advance(timedelta(minutes=6).total_seconds())
    with pytest.raises(NotFound, match="has left"):
        await post(api, peer, consumed(0, 20))
