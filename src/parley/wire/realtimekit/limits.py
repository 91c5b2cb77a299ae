"""How often one token may ask (`realtimekit.md` section 16)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from parley.base.errors import TooMany

LIMIT, WINDOW = 3500, timedelta(minutes=5)
_REMEMBERED = 10_000
"""Callers whose window is known here; beyond it all are forgotten, and waits are told too long."""


class RateLimiter(Protocol):
    """Counts requests."""

    async def take(self, caller: str) -> None:
        """Use one.

        Raises:
            TooMany: none is left; says when to try again.
        """
        ...


class Counter(Protocol):
    """`bus.Bus.count`: the uses of a key in its present window, this one included."""

    async def count(self, key: str, window: timedelta) -> int:
        """See `parley.bus.ports.Bus.count`."""
        ...


class WindowLimiter:
    """A fixed window for each caller, counted on the bus, so that all processes count together."""

    def __init__(
        self,
        counter: Counter,
        monotonic: Callable[[], float],
        *,
        limit: int = LIMIT,
        window: timedelta = WINDOW,
    ) -> None:
        self._counter = counter
        self._monotonic = monotonic
        self._limit = limit
        self._window = window
        self._began: dict[str, tuple[int, float]] = {}

    async def take(self, caller: str) -> None:
        """See `RateLimiter.take`."""
        used = await self._counter.count(f"rest:{caller}", self._window)
        now = self._monotonic()
        before, began = self._began.get(caller, (used, now))
        if used <= before:  # a new window
            began = now
        if len(self._began) >= _REMEMBERED and caller not in self._began:
            self._began.clear()
        self._began[caller] = (used, began)
        if used > self._limit:
            left = self._window.total_seconds() - (now - began)
            raise TooMany("Too many requests", retry_after_s=max(1.0, left))
