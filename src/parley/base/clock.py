"""Time as an argument: the system's, or one that tests move by hand."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Two ways to read the time; never mix them."""

    def now(self) -> datetime:
        """Wall-clock time, UTC, aware.

        May jump when the operator or NTP sets the clock: for people and storage.
        """
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed moment of this process.

        Never goes back: for timeouts and intervals.
        """
        ...


class SystemClock:
    """The machine's clock."""

    __slots__ = ()

    def now(self) -> datetime:
        """See `Clock.now`."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return time.monotonic()


class ManualClock:
    """A clock that stands still until it is told to advance."""

    __slots__ = ("_elapsed_s", "_start")

    def __init__(self, start: datetime | None = None) -> None:
        """Stand at `start` (aware), by default 2026-01-01 00:00 UTC; `monotonic` begins at 0.

        Raises:
            ValueError: `start` has no time zone.
        """
        start = start if start is not None else datetime(2026, 1, 1, tzinfo=UTC)
        if start.tzinfo is None:
            raise ValueError("start needs a time zone")
        self._start = start.astimezone(UTC)
        self._elapsed_s = 0.0

    def now(self) -> datetime:
        """See `Clock.now`."""
        return self._start + timedelta(seconds=self._elapsed_s)

    def monotonic(self) -> float:
        """See `Clock.monotonic`."""
        return self._elapsed_s

    def advance(self, seconds: float) -> None:
        """Move both readings forward.

        Raises:
            ValueError: `seconds` is negative.
        """
        if seconds < 0:
            raise ValueError("time does not go back")
        self._elapsed_s += seconds
