"""What one peer may ask for in a time (`realtimekit.md` section 16)."""

from __future__ import annotations

from dataclasses import dataclass

from parley.base.errors import TooMany


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once, refilled evenly."""

    count: float
    per_s: float


ANY_REQUEST = Rate(200, 5)
"""Frames of any kind; a joining client sends about thirty at once."""
CHAT = Rate(180, 60)
CHAT_FILE = Rate(20, 60)
SHARED = Rate(25, 5)
"""Store writes and broadcasts: 5 a second, bursts of a few seconds allowed."""


class TokenBuckets:
    """Token buckets of one connection."""

    def __init__(self, *, enabled: bool = True) -> None:
        self._enabled = enabled
        self._levels: dict[Rate, tuple[float, float]] = {}

    def take(self, rate: Rate, now: float) -> None:
        """Use one; `now` in monotonic seconds.

        Raises:
            TooMany: none is left; says when to try again.
        """
        if not self._enabled:
            return
        level, at = self._levels.get(rate, (rate.count, now))
        refill = rate.count / rate.per_s
        level = min(rate.count, level + (now - at) * refill)
        if level < 1:
            raise TooMany("Too many requests; slow down.", retry_after_s=(1 - level) / refill)
        self._levels[rate] = (level - 1, now)
