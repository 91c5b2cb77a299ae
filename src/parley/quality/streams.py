"""Samples of a stream, measured against the ones before: what was lost since, and how good it was."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from parley.quality import mos
from parley.quality.model import OF_ENGINE, Sample, Stream

AT = "_at"
"""When a sample arrived, by the server's clock, in milliseconds."""
LOSS, DELAY = "_loss", "_buffer_delay"
"""Derived: the fraction lost since the sample before, and seconds that packets waited to be played."""
FROZEN, FEEDBACK, MADE_UP = "_frozen", "_feedback", "_made_up"
"""Derived: seconds of frozen pictures, requests for key frames, and the fraction of sound made up."""
SPAN, USUAL_SPAN_S = "_span", 7.0
"""Derived: seconds since the sample before."""
SCREEN = "screen"
"""Of a sample of the media engine: it is of a shared screen."""
BY_ENGINE = "_by_engine"
"""Derived: the sample is the media engine's, in place of those that the client did not tell."""


def derive(streams: Mapping[Stream, Sequence[Sample]]) -> dict[Stream, list[Sample]]:
    """Every sample with `mos_quality` and what was derived; the samples themselves stay as they are.

    Browsers do not tell what was lost of what they sent; the media engine does, so its figures stand in. Of a
    client that tells nothing of what it sends, or gets, all that is known is what the engine tells.
    """
    rtt = _usual_rtt(streams)
    uplink = _derived(Stream.UPLINK, streams.get(Stream.UPLINK, ()), rtt)
    arrived = _Arrived(uplink)
    made = {
        stream: uplink if stream is Stream.UPLINK else _derived(stream, _with(arrived, stream, samples), rtt)
        for stream, samples in streams.items()
    }
    for stream, samples in _of_engine(streams).items():
        made[stream] = _derived(stream, samples, rtt)
    return made


def _of_engine(streams: Mapping[Stream, Sequence[Sample]]) -> dict[Stream, list[Sample]]:
    """Samples as the client would have told them, of each direction of which it told nothing."""
    found: dict[Stream, list[Sample]] = {}
    told = [stream for stream in streams if stream not in OF_ENGINE]
    for source, role in ((Stream.UPLINK, "producer"), (Stream.DOWNLINK, "consumer")):
        if any(stream.value.endswith(role) for stream in told):
            continue
        for sample in streams.get(source, ()):
            if source is Stream.UPLINK and "producer_id" not in sample:
                continue  # muted, or of an older server: camera and screen cannot be told apart
            kind = f"{sample.get('kind')}_{role}"
            stream = Stream(f"screenshare_{kind}" if sample.get(SCREEN) else kind)
            found.setdefault(stream, []).append(_as_told(sample, stream))
    return found


def _as_told(sample: Sample, stream: Stream) -> Sample:
    one = {key: value for key, value in sample.items() if key not in ("kind", SCREEN)}
    if stream.is_producer:
        one["bytes_sent"] = one.pop("bytes_received")
        one["packets_sent"] = one.pop("packets_received") + one["packets_lost"]
    return one | {BY_ENGINE: True}


class _Arrived:
    """What the media engine told, by section and time."""

    def __init__(self, uplink: Sequence[Sample]) -> None:
        self._samples: dict[Any, list[Sample]] = {}
        for sample in uplink:
            self._samples.setdefault(sample.get("mid"), []).append(sample)

    def before(self, sample: Sample) -> Sample | None:
        """The latest that the engine told of the same section when a client's sample arrived."""
        told = self._samples.get(sample.get("mid"), [])
        place = bisect_right(told, sample.get(AT, 0), key=lambda each: each[AT])
        return told[place - 1] if place else None


def _with(arrived: _Arrived, stream: Stream, samples: Sequence[Sample]) -> Sequence[Sample]:
    if not stream.is_producer:
        return samples
    made = []
    for sample in samples:
        told = arrived.before(sample)
        if told is not None:
            names = () if "packets_lost" in sample else ("packets_lost", "jitter", LOSS)
            if "rtt" not in sample:
                names = (*names, "rtt")
            sample = {**sample, **{name: told[name] for name in names if name in told}}
        made.append(sample)
    return made


def _usual_rtt(streams: Mapping[Stream, Sequence[Sample]]) -> float:
    """Seconds to the server and back, for streams that do not tell it themselves."""
    rtts = [sample["rtt"] for samples in streams.values() for sample in samples if "rtt" in sample]
    return sum(rtts) / len(rtts) if rtts else 0.0


def _derived(stream: Stream, samples: Sequence[Sample], rtt: float) -> list[Sample]:
    before: dict[Any, Sample] = {}
    made = []
    for sample in samples:
        key = sample.get("ssrc") or sample.get("consumer_id") or sample.get("mid") or _kind(sample)
        last = before.get(key, {})
        before[key] = sample
        made.append(_one(stream, sample, last, rtt))
    return made


def _kind(sample: Sample) -> tuple[Any, bool]:
    return sample.get("kind"), SCREEN in sample


def _one(stream: Stream, sample: Sample, last: Sample, rtt: float) -> Sample:
    one = dict(sample)
    one[SPAN] = (sample[AT] - last[AT]) / 1000 if AT in sample and AT in last else USUAL_SPAN_S
    lost = _since(sample, last, "packets_lost")
    moved = _since(sample, last, "packets_sent" if stream.is_producer else "packets_received")
    if LOSS not in one and lost is not None and moved is not None:
        sent = moved if stream.is_producer else moved + lost
        if sent:
            one[LOSS] = min(1.0, lost / sent)
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
        one["mos_quality"] = round(_score(stream, one, rtt), 2)
    return one


def _score(stream: Stream, one: Sample, rtt: float) -> float:
    loss = one.get(LOSS, 0.0)
    delay_ms = 1000 * (one.get("rtt", rtt) / 2 + one.get(DELAY, 0.0)) + mos.FRAMING_MS
    if stream.is_audio or stream in OF_ENGINE:
        return mos.speech(loss, delay_ms)
    return mos.picture(loss, delay_ms, one.get("frames_per_second"), is_screen=stream.is_screen)


def _since(sample: Sample, last: Sample, name: str) -> float | None:
    """How far a counter went since the sample before; a counter that went back began anew."""
    value = sample.get(name)
    if value is None:
        return None
    before = last.get(name, 0)
    return max(0.0, float(value - before if value >= before else value))


def shown(samples: Sequence[Sample]) -> list[Sample]:
    """Without what was derived for our own use."""
    return [{key: value for key, value in sample.items() if key[0] != "_"} for sample in samples]
