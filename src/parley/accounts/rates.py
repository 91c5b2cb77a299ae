"""Messages per second of each app: token buckets (`realtime-block.md` 3.2).

With a bus, all server processes draw from the same buckets. None of them waits for the bus: a process goes by
what was left when it last heard, takes off what it has used since and adds what has come back, and settles
every `SETTLE_S` while messages are sent. So the long run is exact, and a burst through several processes may
be over by what they let through within one such time, which is paid off before more is let through. While the
bus does not answer, each process counts for itself.
"""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import NamedTuple

import structlog

from parley.base.clock import Clock
from parley.base.errors import TooMany, Unavailable
from parley.base.ids import AppId
from parley.base.tasks import cancel_and_wait
from parley.bus import Bus
from parley.bus.ports import MAX_NAMES, Draw

log = structlog.get_logger(__name__)
SETTLE_S = 0.02
ANSWER_S = 1.0
"""For the bus."""
PAUSE_S = 2.0
"""After it did not answer."""
_REMEMBERED = 10_000


class Allowance(NamedTuple):
    """What an app may still send."""

    limit: int
    remaining: int
    full_at_s: float
    """When the bucket is full again; seconds since 1970."""


class MessageRates:
    """A bucket per app: capacity and refill per second are the plan's number."""

    def __init__(self, clock: Clock, bus: Bus | None = None) -> None:
        """Prepare.

        Args:
            clock: measures the refill.
            bus: has the buckets of all processes; None when there is one only.
        """
        self._clock = clock
        self._bus = bus
        self._buckets: dict[AppId, tuple[float, float]] = {}
        self._used: dict[AppId, Draw] = {}
        """Since it was last settled."""
        self._settler: asyncio.Task[None] | None = None

    async def stop(self) -> None:
        """Settle no more."""
        await cancel_and_wait([self._settler])

    def take(self, app_id: AppId, rate: int | None, count: int = 1) -> Allowance | None:
        """Use `count` messages, all or none; returns what is left, None without a limit.

        Raises:
            TooMany: not so many are left; says when they will be.
        """
        if rate is None:
            return None
        capacity = max(1.0, rate)
        now = self._clock.monotonic()
        tokens, since = self._buckets.get(app_id, (capacity, now))
        tokens = min(capacity, tokens + (now - since) * capacity)
        if tokens < count:
            self._buckets[app_id] = (tokens, now)
            never = f", so never {count} at once" if count > capacity else ""
            raise TooMany(
                f"This app sends at most {rate} messages per second{never}.",
                retry_after_s=(count - tokens) / capacity,
                limit=rate,
                remaining=int(tokens),
                full_at_s=self._at_s((capacity - tokens) / capacity),
            )
        if len(self._buckets) >= _REMEMBERED and app_id not in self._buckets:
            self._buckets.clear()
        tokens -= count
        self._buckets[app_id] = (tokens, now)
        if self._bus is not None:
            used = self._used.get(app_id)
            self._used[app_id] = Draw(count if used is None else used.tokens + count, max(1, rate))
            if self._settler is None or self._settler.done():
                self._settler = asyncio.create_task(self._settle(self._bus), name="message rates")
        return Allowance(rate, int(tokens), self._at_s((capacity - tokens) / capacity))

    async def _settle(self, bus: Bus) -> None:
        """Until nothing is left to settle."""
        while self._used:
            used = dict(islice(self._used.items(), MAX_NAMES))
            for app_id in used:
                del self._used[app_id]
            try:
                async with asyncio.timeout(ANSWER_S):
                    left = await bus.draw({f"messages:{app_id}": draw for app_id, draw in used.items()})
            except (Unavailable, TimeoutError):
                log.warning("message_rates_wait_for_bus")
                await asyncio.sleep(PAUSE_S)
                continue
            now = self._clock.monotonic()
            for app_id in used:
                since = self._used.get(app_id)
                here = 0 if since is None else since.tokens
                self._buckets[app_id] = (left[f"messages:{app_id}"] - here, now)
            await asyncio.sleep(SETTLE_S)

    def _at_s(self, in_s: float) -> float:
        return self._clock.now().timestamp() + in_s
