"""Instants of the recording, and their places in outputs that have no pauses."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from itertools import accumulate

from parley.compositor.plan import Span


class Timeline:
    """The spans that were recorded, joined to one another. Media time counts milliseconds from 0."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = spans
        self._begins = [0, *accumulate(stop - start for start, stop in spans)]
        self.duration_ms = self._begins.pop()

    def wall_ms(self, media_ms: float) -> float:
        """The instant shown at that media time; past the end time simply goes on."""
        place = max(bisect.bisect_right(self._begins, media_ms) - 1, 0)
        return self._spans[place][0] + media_ms - self._begins[place]

    def media_ms(self, wall_ms: float) -> float | None:
        """Where that instant is to be found; None if it was not recorded."""
        for begin, (start, stop) in zip(self._begins, self._spans, strict=True):
            if start <= wall_ms < stop:
                return begin + wall_ms - start
        return None

    def pieces(self, first: int, last: int, rate: int) -> Iterator[tuple[float, int]]:
        """The samples from `first` up to `last`, cut where the recording was: (instant of the first, how
        many)."""
        while first < last:
            place = max(bisect.bisect_right(self._begins, first * 1000 / rate) - 1, 0)
            until = last
            if place + 1 < len(self._begins):
                until = min(last, max(-(-self._begins[place + 1] * rate // 1000), first + 1))
            yield self._spans[place][0] + first * 1000 / rate - self._begins[place], until - first
            first = until
