"""Samples of a stream, measured against the ones before: what was lost since, and how good it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from parley.quality import mos
from parley.quality.model import CallData, Sample, Stream

LOSS, DELAY = "_loss", "_buffer_delay"
"""Derived: the fraction lost since the sample before, and seconds that packets waited to be played."""
FROZEN, FEEDBACK, MADE_UP = "_frozen", "_feedback", "_made_up"
"""Derived: seconds of frozen pictures, requests for key frames, and the fraction of sound made up."""


def derive(streams: Mapping[Stream, Sequence[Sample]]) -> dict[Stream, list[Sample]]:
    """Every sample with `mos_quality` and what was derived; the samples themselves stay as they are."""
    rtt = _last_rtt(streams)
    return {
        stream: _derived(stream, samples, rtt)
        for stream, samples in streams.items()
        if stream is not Stream.UPLINK
    }


def _last_rtt(streams: Mapping[Stream, Sequence[Sample]]) -> float:
    """Seconds to the server and back, for streams that do not tell it themselves."""
    rtts = [sample["rtt"] for samples in streams.values() for sample in samples if "rtt" in sample]
    return sum(rtts) / len(rtts) if rtts else 0.0


def _derived(stream: Stream, samples: Sequence[Sample], rtt: float) -> list[Sample]:
    before: dict[Any, Sample] = {}
    made = []
    for sample in samples:
        key = sample.get("ssrc") or sample.get("consumer_id") or sample.get("mid")
        last = before.get(key, {})
        before[key] = sample
        made.append(_one(stream, sample, last, rtt))
    return made


def _one(stream: Stream, sample: Sample, last: Sample, rtt: float) -> Sample:
    one = dict(sample)
    lost = _since(sample, last, "packets_lost")
    if stream.is_producer:
        moved = _since(sample, last, "packets_sent")
        sent = moved
    else:
        moved = _since(sample, last, "packets_received")
        sent = None if moved is None else moved + (lost or 0)
    loss = None
    if lost is not None and sent:
        loss = one[LOSS] = min(1.0, max(0.0, lost / sent))
    emitted, waited = (
        _since(sample, last, name) for name in ("jitter_buffer_emitted_count", "jitter_buffer_delay")
    )
    if emitted and waited is not None:
        one[DELAY] = waited / emitted
    for name, parts in ((FROZEN, ["total_freezes_duration"]), (FEEDBACK, ["pli_count", "fir_count"])):
        changed = [value for part in parts if (value := _since(sample, last, part)) is not None]
        if changed:
            one[name] = sum(changed)
    made_up, played = (_since(sample, last, name) for name in ("concealed_samples", "total_samples_received"))
    if made_up is not None and played:
        one[MADE_UP] = min(1.0, made_up / played)
    if moved:  # of a stream that stands still nothing can be said
        delay_ms = 1000 * (sample.get("rtt", rtt) / 2 + one.get(DELAY, 0.0)) + mos.FRAMING_MS
        score = (
            mos.speech(loss or 0.0, delay_ms)
            if stream.is_audio
            else mos.picture(
                loss or 0.0, delay_ms, sample.get("frames_per_second"), is_screen=stream.is_screen
            )
        )
        one["mos_quality"] = round(score, 2)
    return one


def _since(sample: Sample, last: Sample, name: str) -> float | None:
    """How far a counter went since the sample before; a counter that went back began anew."""
    value = sample.get(name)
    if value is None:
        return None
    before = last.get(name, 0)
    return float(value - before if value >= before else max(0.0, value))


def shown(samples: Sequence[Sample]) -> list[Sample]:
    """Without what was derived for our own use."""
    return [{key: value for key, value in sample.items() if key[0] != "_"} for sample in samples]


def derived(data: CallData) -> CallData:
    """A peer's call with its samples derived."""
    return CallData(data.peer_id, data.metadata, derive(data.samples))
