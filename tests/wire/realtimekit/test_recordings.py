"""Recordings through the official SDK and by hand (`realtimekit.md` section 10)."""

from __future__ import annotations

import uuid
from typing import Any

import cloudflare
import pytest

from parley.base.ids import MeetingId
from parley.recordings import store as rows
from parley.recordings.capture import MeetingCapture
from parley.recordings.model import MomentKind, RecordingId
from parley.server.recording_copies import RecordingCopies
from tests.store.databases import running as running_store
from tests.waiting import until
from tests.wire.realtimekit.serving import Api, recordings_of, streams_of

TRIES = 20_000
"""Requests until something has happened; about a minute."""
FILES = {
    "type": "aws",
    "access_key": "key",
    "secret": "hush",
    "bucket": "films",
    "region": "eu-central-1",
    "path": "calls",
}


async def start(api: Api, meeting_id: str, **body: Any) -> dict[str, Any]:
    found = await api.ask("POST", "/recordings", status=200, json={"meeting_id": meeting_id, **body})
    return found["data"]


async def status_of(api: Api, recording_id: str) -> str:
    return (await api.ask("GET", f"/recordings/{recording_id}", status=200))["data"]["status"]


async def running(api: Api, meeting_id: str, **body: Any) -> str:
    """The id of a recording that captures somebody."""
    recording_id = (await start(api, meeting_id, **body))["id"]
    await api.join(meeting_id, await api.participant(meeting_id, str(uuid.uuid4()), name="Ann"))
    await is_status(api, recording_id, "RECORDING")
    return recording_id


async def is_status(api: Api, recording_id: str, wanted: str) -> None:
    seen = [""]

    def reason() -> str:
        return "" if seen[0] == wanted else f"the recording is {seen[0]}"

    for _ in range(TRIES):
        seen[0] = await status_of(api, recording_id)
        if seen[0] == wanted:
            return
    await until(reason, deadline_s=0)


async def test_the_sdk_records_a_meeting(api: Api):
    recordings = api.client.realtime_kit.recordings
    meeting_id = await api.meeting(title="Weekly")
    asked = (await recordings.start_recordings(meeting_id=meeting_id, **api.here)).data
    assert (asked.status, asked.started_time, asked.session_id) == ("INVOKED", None, None)
    assert asked.start_reason.reason == "API_CALL"
    assert asked.start_reason.caller.type == "ORGANIZATION"
    assert asked.output_file_name.startswith(f"{meeting_id}_")
    assert asked.output_file_name.endswith(".mp4")

    await api.join(meeting_id, await api.participant(meeting_id, "ann", name="Ann"))
    await is_status(api, asked.id, "RECORDING")
    active = (await recordings.get_active_recordings(meeting_id, **api.here)).data
    assert (active.id, active.status) == (asked.id, "RECORDING")
    assert active.session_id

    for action, status in (("pause", "PAUSED"), ("resume", "RECORDING"), ("stop", "UPLOADING")):
        done = await recordings.pause_resume_stop_recording(asked.id, action=action, **api.here)
        assert done.data.status == status
    assert done.data.stop_reason.reason == "API_CALL"
    assert done.data.stopped_time is not None

    listed = await recordings.get_recordings(meeting_id=meeting_id, **api.here)
    [row] = listed.data
    assert (row.id, row.meeting.title) == (asked.id, "Weekly")
    one = (await recordings.get_one_recording(asked.id, **api.here)).data
    assert (one.id, one.download_url, one.audio_download_url) == (asked.id, None, None)


async def test_the_sdk_records_tracks(api: Api):
    meeting_id = await api.meeting(title="Weekly")
    recordings = api.client.realtime_kit.recordings
    with pytest.raises(cloudflare.NotFoundError):
        await recordings.start_track_recording(meeting_id=meeting_id, **api.here)
    await api.join(meeting_id, await api.participant(meeting_id, "ann", name="Ann"))
    layers = {"default": {"media_kind": "audio", "file_name_prefix": "weekly"}}
    started = await recordings.start_track_recording(
        meeting_id=meeting_id, layers=layers, user_ids=["ann"], **api.here
    )
    recording = started.data.recording
    assert recording.output_file_name.startswith("weekly_")
    raw = (await api.ask("GET", f"/recordings/{recording.id}", status=200))["data"]
    assert (raw["type"], raw["meeting_id"]) == ("TRACK", meeting_id)
    await is_status(api, recording.id, "RECORDING")
    await api.ask("PUT", f"/recordings/{recording.id}", status=400, json={"action": "pause"})
    await api.ask("PUT", f"/recordings/{recording.id}", status=200, json={"action": "stop"})


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"layers": {"a": {}, "b": {"file_name_prefix": "b"}}, "max_seconds": 60}, 200),
        ({"layers": {"a": {}, "b": {}}}, 400),
        ({"layers": {"a": {}, "b": {"file_name_prefix": "default"}}}, 400),
        ({"layers": {f"{n}": {"file_name_prefix": f"{n}"} for n in range(9)}}, 400),
        ({"layers": {"a": {"media_kind": "video"}}}, 400),
        ({"max_seconds": 59}, 400),
    ],
)
async def test_layers_of_tracks_are_files_of_different_names(api: Api, body: dict[str, Any], status: int):
    meeting_id = await api.meeting(title="Weekly")
    await api.join(meeting_id, await api.participant(meeting_id, "ann", name="Ann"))
    told = await api.ask("POST", "/recordings/track", status=status, json={"meeting_id": meeting_id, **body})
    if status == 200:
        recording = await rows.get(api.scope, RecordingId(told["data"]["recording"]["id"]))
        assert recording is not None
        assert (recording.config["max_seconds"], recording.config["layers"]) == (60, {"a": None, "b": "b"})


async def test_the_storage_is_told_without_its_secrets(api: Api):
    meeting_id = await api.meeting(title="Weekly")
    asked = await start(api, meeting_id, storage_config=FILES)
    shown = {key: FILES[key] for key in ("type", "bucket", "region", "path")}
    assert asked["storage_config"] == shown
    [row] = (await api.ask("GET", "/recordings", status=200))["data"]
    assert row["storage_config"] == shown
    assert "start_reason" not in row
    active = await api.ask("GET", f"/recordings/active-recording/{meeting_id}", status=200)
    assert "storage_config" not in active["data"]
    assert "hush" not in str([asked, row, active])


async def test_the_request_goes_over_the_meeting(api: Api):
    meeting_id = await api.meeting(
        title="Weekly",
        recording_config={"file_name_prefix": "all_hands", "video_config": {"codec": "VP8"}},
    )
    first = await start(api, meeting_id)
    assert first["output_file_name"].startswith("all_hands_")
    assert first["output_file_name"].endswith(".webm")
    second = await start(
        api, meeting_id, allow_multiple_recordings=True, video_config={}, interactive_config={"type": "ID3"}
    )
    assert second["output_file_name"].endswith(".tar")


async def test_a_session_may_demand_it(api: Api):
    meeting_id = await api.meeting(title="Weekly", record_on_start=True)
    participant_id = await api.participant(meeting_id, "ann")
    await api.join(meeting_id, participant_id)
    seen: list[Any] = []

    for _ in range(TRIES):
        seen = (await api.ask("GET", "/recordings", status=200))["data"]
        if seen and seen[0]["status"] == "RECORDING":
            break
    [row] = seen
    one = (await api.ask("GET", f"/recordings/{row['id']}", status=200))["data"]
    assert one["start_reason"] == {"reason": "RECORD_ON_START"}
    await api.ask("PUT", f"/recordings/{row['id']}", status=200, json={"action": "stop"})
    await api.join(meeting_id, await api.participant(meeting_id, "bob"))
    assert len((await api.ask("GET", "/recordings", status=200))["data"]) == 1


async def test_the_end_of_the_session_ends_it(api: Api):
    meeting_id = await api.meeting(title="Weekly")
    recording_id = await running(api, meeting_id)
    await api.ask("POST", f"/meetings/{meeting_id}/active-session/kick-all", status=200)
    await is_status(api, recording_id, "UPLOADING")
    one = (await api.ask("GET", f"/recordings/{recording_id}", status=200))["data"]
    assert one["stop_reason"] == {"reason": "ALL_PEERS_LEFT"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"meeting_id": "nonsense"}, 400),
        ({"meeting_id": str(uuid.uuid4())}, 404),
        ({"max_seconds": 59}, 400),
        ({"max_seconds": 86_401}, 400),
        ({"max_seconds": 60.5}, 400),
        ({"file_name_prefix": "../up"}, 400),
        ({"video_config": {"codec": "AV1"}}, 400),
        ({"video_config": {"width": 1921}}, 400),
        ({"video_config": {"watermark": {"url": "no url"}}}, 400),
        ({"video_config": {"watermark": {"url": "ftp://logos.example/a.png"}}}, 400),
        ({"video_config": {"watermark": {"size": {"width": 1e30}}}}, 400),
        ({"video_config": {"export_file": False}, "audio_config": {"export_file": False}}, 400),
        ({"realtimekit_bucket_config": {"enabled": False}}, 400),
        ({"storage_config": {"type": "aws", "bucket": "b"}}, 400),
        ({"interactive_config": {"type": "ID4"}}, 400),
        ({"url": "https://pages.example/mine"}, 400),
        ({"rtmp_out_config": {"rtmp_url": "https://x.example/live"}}, 400),
    ],
)
async def test_what_cannot_be_recorded_is_refused(api: Api, body: dict[str, Any], status: int):
    if body and "meeting_id" not in body:
        body = {"meeting_id": await api.meeting(title="Weekly"), **body}
    refused = await api.ask("POST", "/recordings", status=status, json=body)
    assert refused["success"] is False
    assert (await api.ask("GET", "/recordings", status=200))["data"] == []


async def test_one_at_a_time_unless_it_is_allowed(api: Api):
    meeting_id = await api.meeting(title="Weekly")
    await start(api, meeting_id)
    await api.ask("POST", "/recordings", status=409, json={"meeting_id": meeting_id})
    await start(api, meeting_id, allow_multiple_recordings=True)


async def test_a_recording_is_sent_elsewhere_until_it_ends(api: Api):
    store = api.scope.store
    copies = RecordingCopies(store, streams_of(store))
    copies.register()
    out = {"rtmp_out_config": {"rtmp_url": "rtmp://x.example/live/key"}, "video_config": {"width": 640}}
    async with running_store(store):
        meeting_id = await api.meeting(title="Weekly")
        recording = await start(api, meeting_id, **out)
        stream = await streams_of(store).active(api.scope, MeetingId(meeting_id))
        assert (stream.config.rtmp_url, stream.config.width) == ("rtmp://x.example/live/key", 640)
        await api.ask("POST", "/recordings", status=409, json={"meeting_id": meeting_id, **out})
        await recordings_of(store).began(api.scope, recording["id"], None)
        for action, is_held in (("pause", True), ("resume", False)):
            await api.ask("PUT", f"/recordings/{recording['id']}", status=200, json={"action": action})
            assert await copies.is_held(api.scope, stream) is is_held
        await api.ask("PUT", f"/recordings/{recording['id']}", status=200, json={"action": "stop"})
        for _ in range(TRIES):
            listed = await api.ask("GET", f"/livestreams/{stream.id}", status=200)
            if listed["data"]["livestream"]["status"] == "IDLE":
                break
        else:
            raise AssertionError("the stream goes on")
        # A recording that cannot begin leaves no stream behind, and one of another reason alone.
        await start(api, meeting_id)
        await api.ask("POST", "/recordings", status=409, json={"meeting_id": meeting_id, **out})
        await api.ask("GET", f"/meetings/{meeting_id}/active-livestream", status=404)


async def test_an_inactive_meeting_is_not_recorded(api: Api):
    meeting_id = await api.meeting(title="Weekly")
    await api.ask("PATCH", f"/meetings/{meeting_id}", status=200, json={"status": "INACTIVE"})
    await api.ask("POST", "/recordings", status=400, json={"meeting_id": meeting_id})


@pytest.mark.parametrize("action", ["resume", "retry", "jump", None])
async def test_actions_that_do_not_fit_are_refused(api: Api, action: str | None):
    recording_id = await running(api, await api.meeting(title="Weekly"))
    await api.ask("PUT", f"/recordings/{recording_id}", status=400, json={"action": action})
    assert await status_of(api, recording_id) == "RECORDING"


async def test_one_that_could_not_be_stored_is_tried_again(api: Api):
    meeting_id = await api.meeting(title="Weekly")
    recording_id = await running(api, meeting_id, storage_config={**FILES, "bucket": "elsewhere"})
    recordings = recordings_of(api.scope.store)
    await recordings.failed(api.scope, RecordingId(recording_id), "Amazon S3 refuses these keys.")
    path = f"/recordings/{recording_id}"
    assert (await api.ask("GET", path, status=200))["data"]["error"] == "Amazon S3 refuses these keys."
    half = {"type": "aws", "bucket": "films"}
    await api.ask("PUT", path, status=400, json={"action": "retry", "storage_config": half})
    again = await api.ask("PUT", path, status=200, json={"action": "retry", "storage_config": FILES})
    assert again["data"]["status"] == "UPLOADING"
    assert "error" not in again["data"]
    config = (await recordings.get(api.scope, RecordingId(recording_id))).config["storage_config"]
    assert config["bucket"] == "films"
    assert "hush" not in str(config)  # sealed
    await api.ask("PUT", path, status=400, json={"action": "retry"})


async def test_what_is_not_there_is_not_found(api: Api):
    unknown = str(uuid.uuid4())
    await api.ask("GET", f"/recordings/{unknown}", status=404)
    await api.ask("PUT", f"/recordings/{unknown}", status=404, json={"action": "stop"})
    await api.ask("GET", f"/recordings/active-recording/{unknown}", status=404)
    await api.ask("GET", "/recordings/nonsense", status=400)
    await api.ask("GET", "/recordings?meeting_id=nonsense", status=400)


async def test_clients_put_metadata_into_an_interactive_recording(api: Api):
    meeting_id = await api.meeting(title="Weekly")
    recording_id = (await start(api, meeting_id, interactive_config={"type": "ID3"}))["id"]
    ann = await api.join(meeting_id, await api.participant(meeting_id, "ann"))
    await is_status(api, recording_id, "RECORDING")
    live = api.registry.running_meeting(MeetingId(meeting_id))
    for kind, payload in (
        ("ID3", b'{"slide":1}'),
        ("chatter", b"{}"),
        ("ID3Data", b'"CLOSE_TRANSPORT"'),
        ("ID3", b"{}"),
    ):
        live.controls.broadcast(ann, kind, payload)
    noted: list[Any] = []

    for _ in range(TRIES):
        moments = await rows.moments_of(api.scope, RecordingId(recording_id))
        noted = [moment.payload for moment in moments if moment.kind is MomentKind.METADATA]
        if noted:
            break
        await api.ask("GET", f"/recordings/{recording_id}", status=200)
    assert noted == [{"data": '{"slide":1}'}]


async def test_who_only_watches_a_webinar_is_not_in_the_film(api: Api):
    meeting_id = await api.meeting(title="Weekly")
    recording_id = (await start(api, meeting_id))["id"]
    for name, preset in (("viewer", "webinar_viewer"), ("ann", "webinar_presenter")):
        await api.join(meeting_id, await api.participant(meeting_id, name, name=name, preset_name=preset))
    noted: list[str] = []

    for _ in range(TRIES):
        moments = await rows.moments_of(api.scope, RecordingId(recording_id))
        noted = [moment.payload["name"] for moment in moments if moment.kind is MomentKind.JOIN]
        if noted:
            break
        await api.ask("GET", f"/recordings/{recording_id}", status=200)
    assert noted == ["ann"]


@pytest.mark.parametrize(("away_s", "kinds"), [(30, ["capture"]), (600, ["capture", "halt", "capture"])])
async def test_only_a_long_time_without_a_server_is_cut_out(api: Api, clock, away_s: int, kinds: list[str]):
    meeting_id = await api.meeting(title="Weekly")
    recording_id = await running(api, meeting_id)
    clock.advance(300)  # the recording is older than what may be missed
    live = api.registry.running_meeting(MeetingId(meeting_id))
    await live.record.mark_alive()
    clock.advance(away_s)
    recordings = recordings_of(api.scope.store)
    capture = MeetingCapture(live, recordings, lambda _: None)  # as a new server begins
    capture.wake()
    await capture._looks._task
    moments = await rows.moments_of(api.scope, RecordingId(recording_id))
    pieces = {MomentKind.CAPTURE, MomentKind.HALT}
    assert [moment.kind.value for moment in moments if moment.kind in pieces] == kinds
