"""What official clients really posted (web core 1.5.1 and 2.0.2 in Chromium), and what nobody should."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from parley.base.errors import Invalid
from parley.quality import intake, measuring, values
from parley.quality.model import Metadata, Stream

POSTS = Path(__file__).parent / "posts"
NOW = datetime(2026, 11, 21, 19, 49, tzinfo=UTC)


def taken(*names: str) -> tuple[Metadata, list[intake.Measured]]:
    known, measured = Metadata(), []
    for name in names:
        post = intake.read((POSTS / f"{name}.json").read_bytes())
        measured += intake.take(post, known, NOW)
    return known, measured


def entries(*told: Any) -> tuple[Metadata, list[intake.Measured]]:
    known = Metadata()
    body = json.dumps({"peerId": "p", "payload": {"entries": told}})
    return known, intake.take(intake.read(body.encode()), known, NOW)


@pytest.mark.parametrize(("name", "version"), [("joined", "1.5.1"), ("joined_v2", "2.0.2")])
def test_a_client_introduces_itself(name: str, version: str):
    known, _ = taken(name)
    assert known.device_info == {"os": "Linux", "cpus": 2, "memory": 16, "is_mobile": False}
    assert known.browser_metadata["browser"] == "Chrome"
    assert (known.sdk_name, known.sdk_version, known.room_view_type) == ("web-core", version, "groupCall")
    assert [update.device.label for update in known.selected_device_updates] == [
        "fake_device_0",
        "Fake Default Audio Input",
        "Fake Default Audio Output",
    ]
    assert "call_join" in [event.name for event in known.events]


def test_devices_are_told_as_what_came_and_went():
    first = {"deviceId": "a", "kind": "audioinput", "label": "Built-in"}
    second = {"deviceId": "b", "kind": "audioinput", "label": "Headset"}
    known, _ = entries(
        {"event": "audio_devices_updates", "metaData": {"deviceList": [first]}},
        {"event": "audio_devices_updates", "metaData": {"deviceList": [first]}},
        {"event": "audio_devices_updates", "metaData": {"deviceList": [second]}},
    )
    changes = [
        ([device.label for device in update.added], [device.label for device in update.removed])
        for update in known.audio_devices_updates
    ]
    assert changes == [(["Built-in"], []), (["Headset"], ["Built-in"])]


def test_a_client_tells_how_it_is_connected():
    known, measured = taken("connected")
    assert known.pc_metadata == [
        {"timestamp": known.pc_metadata[0]["timestamp"], "effective_network_type": "4g"}
    ]
    assert known.ip_information["ipv4"] == "10.1.0.0"
    (pair,) = known.candidate_pairs["producing_transport"]
    assert (pair["local_candidate_type"], pair["local_candidate_protocol"], pair["nominated"]) == (
        "host",
        "udp",
        True,
    )
    assert known.candidate_pairs["consuming_transport"]
    assert [each.samples for each in measured] == [{}]


def test_statistics_become_a_sample_of_each_stream():
    _, (measured,) = taken("measured")
    assert set(measured.samples) == {
        Stream.AUDIO_PRODUCER,
        Stream.VIDEO_PRODUCER,
        Stream.AUDIO_CONSUMER,
        Stream.VIDEO_CONSUMER,
    }
    (picture,) = measured.samples[Stream.VIDEO_PRODUCER]
    assert (picture["frame_width"], picture["frames_per_second"]) == (640, 10)  # the largest layer
    assert picture["quality_limitation_durations"] == {"bandwidth": 0, "cpu": 0, "none": 20.529, "other": 0}
    assert (picture["rtt"], picture["mid"], picture["timestamp"]) == (0.03, "3", "2026-11-21T20:13:15.510Z")
    (sound,) = measured.samples[Stream.AUDIO_CONSUMER]
    assert (sound["packets_received"], sound["packets_lost"], sound["concealment_events"]) == (1034, 0, 1)
    assert sound["peer_id"] == "20fffd4a-8b2f-443f-9b2c-5a3d6100c42c"


def test_a_shared_screen_has_streams_of_its_own():
    shared = {"producerId": "s", "appData": {"screenShare": True}, "videoStats": [{"ssrc": 1}]}
    _, (measured,) = entries({"event": "ping_stat", "metaData": {"producerStats": [shared]}})
    assert list(measured.samples) == [Stream.SCREENSHARE_VIDEO_PRODUCER]


def test_a_report_survives_being_stored():
    known, _ = taken("joined", "connected")
    assert msgspec.json.decode(msgspec.json.encode(known), type=Metadata) == known


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"peerId": 5, "payload": {"entries": []}}',
        b'{"peerId": "", "payload": {"entries": []}}',
        b'{"peerId": "p", "payload": {"entries": [{"event": ""}]}}',
        b'{"peerId": "p", "payload": {"entries": [{"event": 7}]}}',
        b'{"peerId": "p", "payload": {"entries": [' + b",".join([b'{"event":"x"}'] * 101) + b"]}}",
        b'{"peerId": "\xff", "payload": {}}',
        b'{"peerId": "p", "payload": ' + b'{"entries":[{"event":"x","metaData":' + b"[" * 100_000,
    ],
)
def test_what_clients_never_post_is_refused(body: bytes):
    with pytest.raises(Invalid):
        intake.read(body)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        "x",
        [],
        [None],
        {},
        1e308,
        -1,
        {"deviceList": [None, 5, {}]},
        {"producerStats": [[], 5, None]},
    ],
)
def test_values_of_other_kinds_are_dropped(value: Any):
    names = (
        "call_join",
        "precall_end",
        "ping_stat",
        "audio_devices_updates",
        "selected_camera_update",
        "new",
    )
    parts = (
        "peerMetaData",
        "connectionInfo",
        "producerStats",
        "consumerStats",
        "producingTransportStats",
        "device",
    )
    known, measured = entries(
        *(
            {"event": name, "metaData": value, "timestamp": value if isinstance(value, str) else "no"}
            for name in names
        ),
        *({"event": name, "metaData": dict.fromkeys(parts, value)} for name in names),
    )
    assert [each.samples for each in measured] == [{}, {}]
    assert known.device_info == {}
    assert known.candidate_pairs == {}


def test_numbers_that_are_none_are_dropped():
    sample = {"ssrc": float("1e400"), "packetsLost": "5", "packetsReceived": True, "jitter": 2**60}
    consumer = {"consumerId": "c", "audioStats": [sample]}
    with pytest.raises(Invalid):  # JSON has no infinity
        entries({"event": "ping_stat", "metaData": {"consumerStats": [consumer]}})
    sample["ssrc"] = 1
    _, (measured,) = entries({"event": "ping_stat", "metaData": {"consumerStats": [consumer]}})
    (kept,) = measured.samples[Stream.AUDIO_CONSUMER]
    assert kept.keys() == {"timestamp", "_at", "ssrc", "consumer_id"}


def test_texts_and_lists_are_short():
    long = "x" * 10_000
    devices = [{"deviceId": f"{long}{number}", "label": f"a\x00b{long}"} for number in range(500)]
    known, _ = entries(
        {"event": "audio_devices_updates", "metaData": {"deviceList": devices}},
        *({"event": "tab_change", "metaData": {f"{long}{n}": long for n in range(100)}} for n in range(90)),
    )
    (update,) = known.audio_devices_updates
    assert len(update.added) <= intake.MAX_DEVICES
    assert all(len(device.label) <= values.TEXT and "\x00" not in device.label for device in update.added)
    assert all(len(event.metadata) <= intake.MAX_DETAILS for event in known.events)


def test_events_and_updates_end_at_a_limit():
    known = Metadata()
    body = json.dumps({"peerId": "p", "payload": {"entries": [{"event": "tab_change"}] * 100}}).encode()
    for _ in range(20):
        intake.take(intake.read(body), known, NOW)
    assert len(known.events) == intake.MAX_EVENTS


@pytest.mark.parametrize(
    "told", ["1999-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-11-21T19:49:00", "soon"]
)
def test_times_that_cannot_be_are_ours(told: str):
    known, _ = entries({"event": "tab_change", "timestamp": told})
    assert known.events[0].timestamp == "2026-11-21T19:49:00.000Z"


def test_who_receives_much_has_it_kept_less_often():
    consumers = [
        {"consumerId": str(number), "audioStats": [{"ssrc": number, "packetsReceived": 1}]}
        for number in range(30)
    ]
    sent = [{"producerId": "p", "audioStats": [{"ssrc": 99, "packetsSent": 1}]}]
    stats = {"consumerStats": consumers, "producerStats": sent}
    body = json.dumps({"peerId": "p", "payload": {"entries": [{"event": "ping_stat", "metaData": stats}]}})
    known, kept = Metadata(), []
    for number in range(7):
        (measured,) = intake.take(intake.read(body.encode()), known, NOW + number * measuring.EVERY)
        kept.append(sorted(stream.value for stream in measured.samples))
    both, one = ["audio_consumer", "audio_producer"], ["audio_producer"]
    assert kept == [both, one, one, both, one, one, both]


def test_what_is_posted_again_counts_once():
    known, measured = taken("joined", "measured", "joined", "measured")
    assert len(measured) == 1
    assert len(known.events) == len(taken("joined")[0].events)
