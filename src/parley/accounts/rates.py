"""Messages per second of each app, in this server process: token buckets (`realtime-block.md` 3.2)."""

from __future__ import annotations

from typing import NamedTuple

from parley.base.clock import Clock
from parley.base.errors import TooMany
from parley.base.ids import AppId

_REMEMBERED = 10_000


class Allowance(NamedTuple):
    """What an app may still send."""

    limit: int
    remaining: int
    full_at_s: float
    """When the bucket is full again; seconds since 1970."""


class MessageRates:
    """A bucket per app: capacity and refill per second are the plan's number."""

    def __init__(self, clock: Clock, *, share: float = 1.0) -> None:
        """Prepare.

        Args:
            clock: measures the refill.
            share: this process's part of each app's number, where several processes serve it.
        """
        self._clock = clock
        self._share = share
        self._buckets: dict[AppId, tuple[float, float]] = {}

    def take(self, app_id: AppId, rate: int | None, count: int = 1) -> Allowance | None:
        """Use `count` messages, all or none; returns what is left, None without a limit.

        Raises:
            TooMany: not so many are left; says when they will be.
        """
        if rate is None:
            return None
        capacity = max(1.0, rate * self._share)
        now = self._clock.monotonic()
        tokens, since = self._buckets.get(app_id, (capacity, now))
        tokens = min(capacity, tokens + (now - since) * capacity)
        if tokens < count:
            self._buckets[app_id] = (tokens, now)
            raise TooMany(
                f"This app sends at most {rate} messages per second.",
                retry_after_s=(count - tokens) / capacity,
                limit=rate,
                full_at_s=self._at_s((capacity - tokens) / capacity),
            )
        if len(self._buckets) >= _REMEMBERED and app_id not in self._buckets:
            self._buckets.clear()
        tokens -= count
        self._buckets[app_id] = (tokens, now)
        return Allowance(rate, int(tokens), self._at_s((capacity - tokens) / capacity))

    def _at_s(self, in_s: float) -> float:
        return self._clock.now().timestamp() + in_s
