"""When the content of a packet was captured, found from when packets arrived.

RTP timestamps tell the distance between packets exactly but not where they lie on the wall clock; arrivals
tell where, but late by a delay that varies. The least delay within half a minute is nearly constant, and
alike for the sound and the pictures of one sender: so each stretch is placed by its earliest packets. Slow
differences between the sender's clock and ours are followed, sudden delays are not.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_WINDOW_S = 15
"""To each side. A clock that is wrong by 100 ppm goes wrong by 1.5 ms in that time."""
_JUMP_MS = 2_000.0
"""Between one packet and the next: the sender began to count anew. A network that stalls looks the same at
first; then another stretch begins, which the burst after the stall places where the old one was."""
_ROUND = 1 << 32


class Place(NamedTuple):
    """Where a packet stands among the packets of one clock."""

    stretch: int
    """Another one begins with an unknown SSRC, and where the count jumps."""
    ticks: int
    """Since the first packet of the stretch, over wraps of the 32 bits."""


class _Counting:
    def __init__(self, stretch: int, timestamp: int, arrived_ms: float) -> None:
        self.stretch, self.timestamp, self.offset_ms, self.ticks = stretch, timestamp, arrived_ms, 0


class Counter:
    """Counts ticks; fed twice with the same packets it says the same twice."""

    def __init__(self, rate: int) -> None:
        self._ms_per_tick = 1000 / rate
        self._by_ssrc: dict[int, _Counting] = {}
        self._stretches = 0

    def place(self, arrived_ms: float, ssrc: int, timestamp: int) -> Place:
        """Of one packet, in the order of arrival."""
        known = self._by_ssrc.get(ssrc)
        if known is not None:
            step = (timestamp - known.timestamp + _ROUND // 2) % _ROUND - _ROUND // 2
            ticks = known.ticks + step
            offset_ms = arrived_ms - ticks * self._ms_per_tick
            if abs(offset_ms - known.offset_ms) <= _JUMP_MS:
                known.timestamp, known.ticks, known.offset_ms = timestamp, ticks, offset_ms
                return Place(known.stretch, ticks)
        self._by_ssrc[ssrc] = _Counting(self._stretches, timestamp, arrived_ms)
        self._stretches += 1
        return Place(self._stretches - 1, 0)


class _Stretch(NamedTuple):
    seconds: Sequence[int]
    """Of the content, ascending."""
    offsets_ms: Sequence[float]
    """Wall clock less content, in each of them."""


class Clock:
    """Ticks of a track and the wall clock."""

    def __init__(self, rate: int, stretches: Sequence[_Stretch]) -> None:
        self._rate, self._stretches = rate, stretches

    def wall_ms(self, place: Place) -> float:
        """When that was captured, later by the least delay of its time."""
        second = place.ticks / self._rate
        seconds, offsets = self._stretches[place.stretch]
        # Between the middles of the seconds there is a straight line, so that time makes no steps.
        middle = second - 0.5
        right = bisect.bisect_left(seconds, middle)
        if right == 0:
            offset = offsets[0]
        elif right == len(seconds):
            offset = offsets[-1]
        else:
            x0, x1, y0, y1 = seconds[right - 1], seconds[right], offsets[right - 1], offsets[right]
            offset = y0 + (y1 - y0) * (middle - x0) / (x1 - x0)
        return offset + second * 1000


class ClockFinder:
    """Collects what a `Clock` is made of; memory is one number for each second of content."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._counter = Counter(rate)
        self._least: list[dict[int, float]] = []
        """For each stretch: second of the content -> least offset."""

    def take(self, arrived_ms: float, ssrc: int, timestamp: int) -> Place:
        """One packet, in the order of arrival."""
        place = self._counter.place(arrived_ms, ssrc, timestamp)
        if place.stretch == len(self._least):
            self._least.append({})
        least = self._least[place.stretch]
        second, offset_ms = place.ticks // self._rate, arrived_ms - place.ticks * 1000 / self._rate
        if offset_ms < least.get(second, float("inf")):
            least[second] = offset_ms
        return place

    def finish(self) -> Clock:
        """What was found."""
        return Clock(self._rate, [_smooth(least) for least in self._least])


def _smooth(least: Mapping[int, float]) -> _Stretch:
    """The least within the window around each second."""
    seconds = sorted(least)
    offsets: list[float] = []
    low = high = 0
    for second in seconds:
        while seconds[low] < second - _WINDOW_S:
            low += 1
        while high < len(seconds) and seconds[high] <= second + _WINDOW_S:
            high += 1
        offsets.append(min(least[other] for other in seconds[low:high]))
    return _Stretch(seconds, offsets)
