"""What one participant may ask for in a time (`realtimekit.md` section 16)."""

from __future__ import annotations

from dataclasses import dataclass

from parley.base.errors import TooMany
from parley.base.ids import ParticipantId


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
CONNECTED_ROOMS = Rate(60, 60)
PERMISSIONS = Rate(1000, 60)
_PARTICIPANTS_KEPT = 1_000
"""Beyond so many, those who have not used anything lately are forgotten now and then."""


class TokenBuckets:
    """Token buckets of one connection, or of one participant."""

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

    def is_full(self, now: float) -> bool:
        """Whether nothing would change if these buckets were forgotten."""
        return all(
            level + (now - at) * (rate.count / rate.per_s) >= rate.count
            for rate, (level, at) in self._levels.items()
        )


class ParticipantLimits:
    """The buckets of participants, whichever connections they use: a new one brings no new allowance."""

    def __init__(self, *, enabled: bool = True) -> None:
        self._enabled = enabled
        self._buckets: dict[ParticipantId, TokenBuckets] = {}
        self._tidy_at = _PARTICIPANTS_KEPT

    def of(self, participant_id: ParticipantId, now: float) -> TokenBuckets:
        """A participant's; `now` in monotonic seconds."""
        if len(self._buckets) >= self._tidy_at:
            self._buckets = {who: own for who, own in self._buckets.items() if not own.is_full(now)}
            self._tidy_at = max(_PARTICIPANTS_KEPT, 2 * len(self._buckets))
        return self._buckets.setdefault(participant_id, TokenBuckets(enabled=self._enabled))
