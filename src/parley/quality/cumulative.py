"""A stream over a whole call (`realtimekit.md` 8.9): averages, percentiles, and how often it was how bad.

Loss is in percent, round trips and delays in seconds, fractions from 0 to 1 of all samples. A percentile is
the value that so many percent of the samples do not exceed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from parley.quality.model import Sample, Stream
from parley.quality.streams import BY_ENGINE, DELAY, FEEDBACK, LOSS

LOW_WIDTH, LOW_SCREEN_WIDTH = 240, 720
LOW_FPS, LOW_SCREEN_FPS = 8, 3
"""The official client's own limits of a picture that is poor, and of one that lags."""
MANY_REQUESTS = 3
"""Requests for a key frame between two samples that tell of a picture others could not decode."""
_LOSSES = (5, 10, 25, 50)
_DELAYS_MS = (100, 250, 500)


def cumulative(stream: Stream, samples: Sequence[Sample]) -> dict[str, Any]:
    """Everything that can be said of them; what was not measured is left out."""
    told: dict[str, Any] = {
        "packet_loss": _exceeding([100 * loss for loss in _values(samples, LOSS)], _LOSSES, "{}", 1),
        "quality_mos": distribution(_values(samples, "mos_quality")),
    }
    if stream.is_producer:
        told["rtt"] = _exceeding(_values(samples, "rtt"), _DELAYS_MS, "{}ms", 1000)
    else:
        told["jitter_buffer_delay"] = _exceeding(_values(samples, DELAY), _DELAYS_MS, "{}ms", 1000)
    seen = [sample for sample in samples if BY_ENGINE not in sample]  # the engine does not look at pictures
    if seen and not stream.is_audio:
        told |= _picture(stream, seen)
    return {key: value for key, value in told.items() if value not in (None, {})}


def _picture(stream: Stream, samples: Sequence[Sample]) -> dict[str, Any]:
    coded = "encoded" if stream.is_producer else "decoded"
    rates, widths = _values(samples, "frames_per_second"), _values(samples, "frame_width")
    low_width = LOW_SCREEN_WIDTH if stream.is_screen else LOW_WIDTH
    low_rate = LOW_SCREEN_FPS if stream.is_screen else LOW_FPS
    issues = {
        "no_video_fraction": fraction(samples, lambda sample: not sample.get("frames_per_second")),
        "poor_resolution_fraction": fraction(
            samples, lambda sample: sample.get("frame_width", low_width) < low_width
        ),
    }
    told: dict[str, Any] = {
        "frame_per_second": distribution(rates),
        "frame_width": distribution(widths),
        f"key_frames_{coded}_fraction": _key_frames(samples, coded),
        "issues": issues,
    }
    if stream.is_producer:
        reasons = [sample.get("quality_limitation_reason", "none") for sample in samples]
        issues |= {
            "bandwidth_quality_limitation_fraction": _share(reasons.count("bandwidth"), len(reasons)),
            "cpu_quality_limitation_fraction": _share(reasons.count("cpu"), len(reasons)),
            "quality_limitation_fraction": _share(len(reasons) - reasons.count("none"), len(reasons)),
        }
        told["high_negative_feedback_fraction"] = fraction(
            samples, lambda sample: sample.get(FEEDBACK, 0) >= MANY_REQUESTS
        )
    else:
        issues["lag_fraction"] = fraction(
            samples, lambda sample: 0 < sample.get("frames_per_second", low_rate) < low_rate
        )
    return told


def _key_frames(samples: Sequence[Sample], coded: str) -> float | None:
    last = {sample.get("ssrc"): sample for sample in samples}.values()
    frames = sum(sample.get(f"frames_{coded}", 0) for sample in last)
    keys = sum(sample.get(f"key_frames_{coded}", 0) for sample in last)
    return min(1.0, keys / frames) if frames else None


def _values(samples: Sequence[Sample], name: str) -> list[float]:
    return [sample[name] for sample in samples if name in sample]


def fraction(samples: Sequence[Sample], is_so: Any) -> float:
    """The part of the samples of which something is so."""
    return _share(sum(1 for sample in samples if is_so(sample)), len(samples))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _exceeding(
    values: Sequence[float], limits: Sequence[int], label: str, scale: float
) -> dict[str, float] | None:
    if not values:
        return None
    told = {
        f"{label.format(limit)}_or_greater_event_fraction": _share(
            sum(1 for value in values if value * scale >= limit), len(values)
        )
        for limit in limits
    }
    return told | {"avg": sum(values) / len(values)}


def distribution(values: Sequence[float]) -> dict[str, float] | None:
    """Average and percentiles; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return {"avg": sum(values) / len(values)} | {
        f"p{percent}": ordered[max(0, math.ceil(percent * len(ordered) / 100) - 1)]
        for percent in (50, 75, 90)
    }
