"""Samples measured against each other, and whole calls."""

from __future__ import annotations

from typing import Any

import pytest

from parley.base.ids import PeerId
from parley.quality.cumulative import cumulative, distribution
from parley.quality.model import CallData, ClientEvent, Metadata, Sample, Stream
from parley.quality.streams import DELAY, LOSS, derive, shown
from parley.quality.verdict import Verdict, judge


def heard(received: int, lost: int, **more: Any) -> Sample:
    return {"timestamp": "t", "ssrc": 1, "packets_received": received, "packets_lost": lost, **more}


def call(streams: dict[Stream, list[Sample]], known: Metadata | None = None) -> CallData:
    return CallData(PeerId("p"), known or Metadata(), derive(streams))


def test_loss_is_that_since_the_sample_before():
    first, second = derive({Stream.AUDIO_CONSUMER: [heard(90, 10), heard(190, 10)]})[Stream.AUDIO_CONSUMER]
    assert (first[LOSS], second[LOSS]) == (0.1, 0.0)
    assert first["mos_quality"] < second["mos_quality"]


def test_a_counter_that_went_back_began_anew():
    _, second = derive({Stream.AUDIO_CONSUMER: [heard(90, 10), heard(99, 1)]})[Stream.AUDIO_CONSUMER]
    assert second[LOSS] == pytest.approx(0.1)


def test_streams_are_told_apart_by_their_ssrc():
    samples = [heard(90, 10), {**heard(50, 0), "ssrc": 2}, heard(190, 10)]
    made = derive({Stream.AUDIO_CONSUMER: samples})[Stream.AUDIO_CONSUMER]
    assert [sample[LOSS] for sample in made] == [0.1, 0.0, 0.0]


def test_of_a_stream_that_stands_still_nothing_is_said():
    _, second = derive({Stream.AUDIO_CONSUMER: [heard(90, 0), heard(90, 0)]})[Stream.AUDIO_CONSUMER]
    assert "mos_quality" not in second


def test_waiting_is_seconds_for_each_packet_played():
    samples = [heard(1, 0, jitter_buffer_delay=4.0, jitter_buffer_emitted_count=100)]
    (sample,) = derive({Stream.AUDIO_CONSUMER: samples})[Stream.AUDIO_CONSUMER]
    assert sample[DELAY] == 0.04


def test_what_the_engine_misses_stands_in_for_what_a_browser_does_not_tell():
    sent = [
        {"timestamp": "t", "_at": at, "mid": "0", "ssrc": 1, "packets_sent": n}
        for at, n in ((900, 10), (2000, 90))
    ]
    uplink = [
        {
            "timestamp": "t",
            "_at": 1000,
            "mid": "0",
            "packets_received": 60,
            "packets_lost": 20,
            "jitter": 0.01,
        }
    ]
    before, after = derive({Stream.AUDIO_PRODUCER: sent, Stream.UPLINK: uplink})[Stream.AUDIO_PRODUCER]
    assert LOSS not in before
    assert (after[LOSS], after["packets_lost"], after["jitter"]) == (0.25, 20, 0.01)


LINKS: dict[Stream, list[Sample]] = {
    Stream.UPLINK: [
        {"timestamp": "t", "_at": 1000 * n, "mid": "0", "kind": "video", "producer_id": "p"}
        | {"packets_received": 75 * n, "packets_lost": 25 * n, "bytes_received": 100, "rtt": 0.4}
        for n in (1, 2)
    ],
    Stream.DOWNLINK: [
        {"timestamp": "t", "_at": 1000, "kind": kind, "packets_received": 90, "packets_lost": 10, **more}
        for kind, more in (("audio", {"rtt": 0.2}), ("video", {"rtt": 0.2, "screen": True}))
    ],
}
"""What the media engine tells of a peer."""


def test_of_a_client_that_tells_nothing_the_engine_tells_all():
    made = derive(LINKS)
    (first, second) = made[Stream.VIDEO_PRODUCER]
    assert (first["packets_sent"], first[LOSS], second[LOSS], first["rtt"]) == (100, 0.25, 0.25, 0.4)
    assert first["mos_quality"] < 3
    assert (made[Stream.AUDIO_CONSUMER][0][LOSS], len(made[Stream.SCREENSHARE_VIDEO_CONSUMER])) == (0.1, 1)
    told = cumulative(Stream.VIDEO_PRODUCER, made[Stream.VIDEO_PRODUCER])
    assert (told["packet_loss"]["avg"], told["rtt"]["avg"]) == (25, 0.4)
    assert "issues" not in told  # nobody has looked at the pictures


def test_what_a_client_tells_of_a_direction_is_not_told_again():
    made = derive({**LINKS, Stream.AUDIO_PRODUCER: [{"_at": 3000, "mid": "0", "packets_sent": 9, "ssrc": 1}]})
    assert Stream.VIDEO_PRODUCER not in made
    assert made[Stream.AUDIO_PRODUCER][0]["rtt"] == 0.4
    assert Stream.AUDIO_CONSUMER in made


def test_a_call_is_judged_by_the_engine_where_the_client_tells_nothing():
    judged = judge(call(LINKS))
    assert (judged.sending.rtt, judged.receiving.rtt, judged.receiving.packet_loss) == (0.4, 0.2, 0.1)
    assert any("took 400 ms" in reason for reason in judged.reasons)


def test_what_is_derived_is_not_shown():
    made = derive({Stream.AUDIO_CONSUMER: [heard(90, 10, _at=5)]})[Stream.AUDIO_CONSUMER]
    assert shown(made)[0].keys() == {"timestamp", "ssrc", "packets_received", "packets_lost", "mos_quality"}


# --- cumulative -------------------------------------------------------------------------------


def test_percentiles_are_values_that_so_many_do_not_exceed():
    assert distribution([float(n) for n in range(1, 11)]) == {"avg": 5.5, "p50": 5, "p75": 8, "p90": 9}
    assert distribution([3.0]) == {"avg": 3.0, "p50": 3.0, "p75": 3.0, "p90": 3.0}
    assert distribution([]) is None


def test_losses_are_counted_above_each_limit():
    samples = [heard(100, 0), heard(190, 10), heard(260, 40), heard(300, 100)]  # 0, 10, 30 and 60 %
    told = cumulative(Stream.AUDIO_CONSUMER, derive({Stream.AUDIO_CONSUMER: samples})[Stream.AUDIO_CONSUMER])
    assert told["packet_loss"] == {
        "5_or_greater_event_fraction": 0.75,
        "10_or_greater_event_fraction": 0.75,
        "25_or_greater_event_fraction": 0.5,
        "50_or_greater_event_fraction": 0.25,
        "avg": pytest.approx(25.0),
    }
    assert "rtt" not in told


def test_round_trips_are_counted_above_each_limit():
    samples = [
        {"packets_sent": 10 * n, "ssrc": 1, "rtt": rtt} for n, rtt in enumerate((0.05, 0.1, 0.3, 0.6), 1)
    ]
    told = cumulative(Stream.AUDIO_PRODUCER, derive({Stream.AUDIO_PRODUCER: samples})[Stream.AUDIO_PRODUCER])
    assert told["rtt"] == {
        "100ms_or_greater_event_fraction": 0.75,
        "250ms_or_greater_event_fraction": 0.5,
        "500ms_or_greater_event_fraction": 0.25,
        "avg": pytest.approx(0.2625),
    }


def test_pictures_tell_what_was_wrong_with_them():
    samples: list[Sample] = [
        {"ssrc": 1, "frames_per_second": fps, "frame_width": width, "quality_limitation_reason": reason}
        | {"frames_encoded": 50, "key_frames_encoded": 5, "pli_count": pli}
        for fps, width, reason, pli in (
            (30, 640, "none", 0),
            (5, 160, "cpu", 5),
            (0, 160, "bandwidth", 5),
            (30, 640, "other", 5),
        )
    ]
    told = cumulative(Stream.VIDEO_PRODUCER, derive({Stream.VIDEO_PRODUCER: samples})[Stream.VIDEO_PRODUCER])
    assert told["issues"] == {
        "no_video_fraction": 0.25,
        "poor_resolution_fraction": 0.5,
        "bandwidth_quality_limitation_fraction": 0.25,
        "cpu_quality_limitation_fraction": 0.25,
        "quality_limitation_fraction": 0.75,
    }
    assert (told["high_negative_feedback_fraction"], told["key_frames_encoded_fraction"]) == (0.25, 0.1)
    assert (told["frame_width"]["p50"], told["frame_per_second"]["p90"]) == (160, 30)


# --- verdicts ---------------------------------------------------------------------------------


def test_a_call_of_which_nothing_is_known_is_unknown():
    judged = judge(call({}))
    assert (judged.verdict, judged.sending.mos, judged.receiving.mos) == (Verdict.UNKNOWN, None, None)
    assert "Nothing was measured" in judged.reasons[0]


def test_a_good_call_needs_no_reason():
    judged = judge(call({Stream.AUDIO_CONSUMER: [heard(100, 0), heard(200, 0)]}))
    assert (judged.verdict, judged.reasons, judged.receiving.packet_loss) == (Verdict.GOOD, [], 0.0)


def test_loss_on_the_way_to_a_person_is_named():
    judged = judge(call({Stream.AUDIO_CONSUMER: [heard(80, 20), heard(160, 40)]}))
    assert judged.verdict is Verdict.POOR
    assert judged.reasons[0].startswith("20% of what others sent was lost on the way to this person")


def test_loss_on_the_way_to_the_server_is_named_even_if_the_client_told_nothing():
    uplink = [{"mid": "0", "_at": 1, "packets_received": 70, "packets_lost": 30}]
    judged = judge(call({Stream.UPLINK: uplink}))
    assert judged.verdict is Verdict.POOR
    assert judged.sending.packet_loss == 0.3
    assert "30% of what this person sent was lost on the way to the server" in judged.reasons[0]


def test_a_slow_computer_is_told_from_a_slow_line():
    sample = {"ssrc": 1, "packets_sent": 100, "frames_per_second": 20}
    for reason, words in (("cpu", "computer was too slow"), ("bandwidth", "upload was too slow")):
        judged = judge(call({Stream.VIDEO_PRODUCER: [{**sample, "quality_limitation_reason": reason}]}))
        assert any(words in each for each in judged.reasons)
        assert judged.verdict is Verdict.FAIR


def test_frozen_and_slow_pictures_are_named():
    picture = heard(100, 0, frames_per_second=4, freeze_count=3, total_freezes_duration=2.5)
    judged = judge(call({Stream.VIDEO_CONSUMER: [picture]}))
    assert (judged.receiving.freezes, judged.receiving.frozen_seconds) == (3, 2.5)
    assert any("stood still 3 times, 2.5 s" in each for each in judged.reasons)
    assert any("fewer than 8 frames a second for 100% of the time" in each for each in judged.reasons)


def test_the_way_that_media_took_is_named():
    pair = {"nominated": True, "local_candidate_type": "relay", "local_candidate_protocol": "udp"}
    known = Metadata(
        candidate_pairs={"producing_transport": [pair, {**pair, "local_candidate_protocol": "tcp"}]},
        events=[ClientEvent("reconnect_attempt", "t")] * 2,
    )
    reasons = judge(call({Stream.AUDIO_CONSUMER: [heard(100, 0)]}, known)).reasons
    assert reasons == [
        "Media took a relay (TURN), because the direct way was closed.",
        "Media took TCP, where every lost packet holds up all that follow.",
        "The client lost its connection and tried 2 times to come back.",
    ]
