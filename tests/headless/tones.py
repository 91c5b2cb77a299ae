"""Which tone is in decoded sound."""

from __future__ import annotations

import array
import math
from collections.abc import Sequence

import av

RATE = 48_000


def mono(frames: Sequence[av.AudioFrame]) -> list[int]:
    """The first channel of packed 16 bit frames."""
    samples: list[int] = []
    for frame in frames:
        assert frame.format.name == "s16"
        channels = len(frame.layout.channels)
        values = array.array("h", bytes(frame.planes[0])[: frame.samples * channels * 2])
        samples += values[::channels]
    return samples


def strength(samples: Sequence[int], hz: float) -> float:
    """How much of the power is in one frequency, 0 to 1 (one bin of a Fourier transform)."""
    step = 2 * math.pi * hz / RATE
    real = sum(sample * math.cos(step * i) for i, sample in enumerate(samples))
    imaginary = sum(sample * math.sin(step * i) for i, sample in enumerate(samples))
    power = sum(sample * sample for sample in samples)
    return 2 * (real**2 + imaginary**2) / (len(samples) * power) if power else 0.0
