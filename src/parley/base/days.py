"""Whole days in UTC: ranges, and counts of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from parley.base.times import to_ms

DAY_MS = 86_400_000
_FIRST = date(1970, 1, 1)
_DAY = timedelta(days=1)


class DayCount(NamedTuple):
    """What began on one day."""

    number: int = 0
    ms: int = 0
    """How long it all took, in milliseconds."""


class Days(NamedTuple):
    """From a day to another, both included."""

    first: date
    last: date

    @property
    def start_ms(self) -> int:
        """The first moment, in milliseconds since 1970."""
        return to_ms(datetime.combine(self.first, datetime.min.time(), UTC))

    @property
    def end_ms(self) -> int:
        """The first moment after it."""
        return to_ms(datetime.combine(self.last, datetime.min.time(), UTC)) + DAY_MS

    @property
    def length(self) -> int:
        """How many days they are."""
        return (self.last - self.first).days + 1

    def each(self) -> Iterator[date]:
        """Every day, in order."""
        for number in range(self.length):
            yield self.first + number * _DAY

    def filled(self, counted: Mapping[int, DayCount]) -> dict[date, DayCount]:
        """Every day with its count; `counted` has the days since 1970 on which something was."""
        return {day: counted.get((day - _FIRST).days, DayCount()) for day in self.each()}
