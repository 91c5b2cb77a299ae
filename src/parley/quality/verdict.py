"""Why a call was bad, in plain words.

Limits follow what people notice: ITU-T G.109 calls a speech score of 4.0 satisfying and 3.6 the end of what
many accept; losses of 3 % are heard, round trips of 300 ms make people talk at the same time (ITU-T G.114).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

from parley.quality.model import OF_ENGINE, CallData, Metadata, Sample, Stream
from parley.quality.streams import DELAY, FROZEN, LOSS, MADE_UP, SPAN

GOOD, FAIR = 4.0, 3.6
LOSS_NOTICED, RTT_NOTICED_S, BUFFER_NOTICED_S = 0.03, 0.3, 0.25
FROZEN_NOTICED, MADE_UP_NOTICED, LIMITED_NOTICED = 0.02, 0.05, 0.2
"""Fractions of the time."""
LAG_FPS = 8


class Verdict(StrEnum):
    """How it was."""

    GOOD = "good"
    FAIR = "fair"
    POOR = "poor"
    UNKNOWN = "unknown"
    """Nothing was measured."""


class Direction(msgspec.Struct, frozen=True):
    """What one peer sent, or what it got; None where nothing was measured."""

    packet_loss: float | None
    """The fraction of packets that was lost."""
    rtt: float | None
    """Seconds to the server and back, on average."""
    mos: float | None
    """Average score of everything in this direction."""
    worst_mos: float | None
    """The score that one sample in ten fell short of."""
    freezes: int | None
    """How often a picture stood still."""
    frozen_seconds: float | None
    frames_per_second: float | None


class Judged(NamedTuple):
    """A peer's call."""

    verdict: Verdict
    reasons: list[str]
    sending: Direction
    receiving: Direction


def judge(data: CallData) -> Judged:
    """What a peer's samples (derived, see `streams`) say."""
    sent: dict[Stream, Sequence[Sample]] = {
        stream: each for stream, each in data.samples.items() if stream.is_producer
    }
    got: dict[Stream, Sequence[Sample]] = {
        stream: each
        for stream, each in data.samples.items()
        if not stream.is_producer and stream not in OF_ENGINE
    }
    uplink, downlink = (data.samples.get(stream, ()) for stream in OF_ENGINE)
    sending, receiving = _direction(sent, uplink), _direction(got, downlink)
    scores = [each.mos for each in (sending, receiving) if each.mos is not None]
    if not scores:
        return Judged(
            Verdict.UNKNOWN, ["Nothing was measured: the client sent no statistics."], sending, receiving
        )
    reasons = [
        *_of_sending(sending, sent),
        *_of_receiving(receiving, got),
        *_of_path(data.metadata),
    ]
    worst = min(scores)
    verdict = Verdict.GOOD if worst >= GOOD else Verdict.FAIR if worst >= FAIR else Verdict.POOR
    if verdict is Verdict.GOOD and reasons:
        verdict = Verdict.FAIR
    if verdict is not Verdict.GOOD and not reasons:
        reasons = ["Several small things came together; none of them stands out."]
    return Judged(verdict, reasons, sending, receiving)


def _direction(streams: Mapping[Stream, Sequence[Sample]], link: Sequence[Sample]) -> Direction:
    """What the client's samples tell, and where they tell nothing those of the media engine."""
    every = [sample for samples in streams.values() for sample in samples]
    rtts = _values(every, "rtt") or _values(link, "rtt")
    scores = sorted(_values(every, "mos_quality") or _values(link, "mos_quality"))
    pictures = [sample for stream, each in streams.items() if not stream.is_audio for sample in each]
    last: dict[object, Sample] = {}
    for sample in pictures:
        last[sample.get("ssrc")] = sample
    freezes = _values(last.values(), "freeze_count")
    frozen = _values(pictures, FROZEN)
    rates = [rate for rate in _values(pictures, "frames_per_second") if rate]
    losses = _values(every, LOSS) or _values(link, LOSS)
    return Direction(
        packet_loss=_average(losses, 4),
        rtt=_average(rtts, 4),
        mos=_average(scores, 2),
        worst_mos=scores[len(scores) // 10] if scores else None,
        freezes=int(sum(freezes)) if freezes else None,
        frozen_seconds=round(sum(frozen), 1) if frozen else None,
        frames_per_second=_average(rates, 1),
    )


def _of_sending(told: Direction, streams: Mapping[Stream, Sequence[Sample]]) -> list[str]:
    reasons = []
    if (told.packet_loss or 0) >= LOSS_NOTICED:
        reasons.append(
            f"{told.packet_loss:.0%} of what this person sent was lost on the way to the server: "
            "their own connection was bad, and everybody saw and heard it."
        )
    if (told.rtt or 0) >= RTT_NOTICED_S:
        reasons.append(
            f"The way to the server and back took {1000 * (told.rtt or 0):.0f} ms: "
            "others heard this person late."
        )
    pictures = [sample for stream, each in streams.items() if not stream.is_audio for sample in each]
    limits = [sample.get("quality_limitation_reason", "none") for sample in pictures]
    for reason, words in (
        ("cpu", "This person's computer was too slow to encode the full picture"),
        ("bandwidth", "This person's upload was too slow for the full picture"),
    ):
        share = limits.count(reason) / len(limits) if limits else 0.0
        if share >= LIMITED_NOTICED:
            reasons.append(f"{words} for {share:.0%} of the time.")
    return reasons


def _of_receiving(told: Direction, streams: Mapping[Stream, Sequence[Sample]]) -> list[str]:
    reasons = []
    if (told.packet_loss or 0) >= LOSS_NOTICED:
        reasons.append(
            f"{told.packet_loss:.0%} of what others sent was lost on the way to this person: "
            "either this person's connection was bad, or that of those who sent."
        )
    waits = _values((sample for each in streams.values() for sample in each), DELAY)
    held = [wait for wait in waits if wait >= BUFFER_NOTICED_S]
    if waits and len(held) / len(waits) >= LIMITED_NOTICED:
        reasons.append(
            f"Packets arrived so unevenly that they were held {1000 * sum(held) / len(held):.0f} ms before "
            f"they were played, {len(held) / len(waits):.0%} of the time."
        )
    pictures = [sample for stream, each in streams.items() if not stream.is_audio for sample in each]
    if pictures and (told.frozen_seconds or 0) >= FROZEN_NOTICED * sum(_values(pictures, SPAN)):
        times = "once" if told.freezes == 1 else f"{told.freezes or 0} times"
        reasons.append(f"Pictures stood still {times}, {told.frozen_seconds} s altogether.")
    slow = [rate for rate in _values(pictures, "frames_per_second") if 0 < rate < LAG_FPS]
    if pictures and len(slow) / len(pictures) >= LIMITED_NOTICED:
        share = f"{len(slow) / len(pictures):.0%} of the time"
        reasons.append(f"Pictures came with fewer than {LAG_FPS} frames a second for {share}.")
    made_up = _values((sample for each in streams.values() for sample in each), MADE_UP)
    if made_up and sum(made_up) / len(made_up) >= MADE_UP_NOTICED:
        reasons.append(f"{sum(made_up) / len(made_up):.0%} of the sound was missing and had to be made up.")
    return reasons


def _of_path(known: Metadata) -> list[str]:
    reasons = []
    for pairs in known.candidate_pairs.values():
        for pair in pairs:
            relayed = "relay" in (pair.get("local_candidate_type"), pair.get("remote_candidate_type"))
            if pair.get("nominated") and pair.get("local_candidate_protocol") == "tcp":
                reasons.append("Media took TCP, where every lost packet holds up all that follow.")
            elif pair.get("nominated") and relayed:
                reasons.append("Media took a relay (TURN), because the direct way was closed.")
    lost = sum(1 for event in known.events if event.name == "reconnect_attempt")
    if lost:
        reasons.append(f"The client lost its connection and tried {lost} times to come back.")
    return list(dict.fromkeys(reasons))


def _values(samples: Iterable[Sample], name: str) -> list[float]:
    return [sample[name] for sample in samples if name in sample]


def _average(values: Sequence[float], digits: int) -> float | None:
    return round(sum(values) / len(values), digits) if values else None
