"""A bus for one process, with no server beside it."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from datetime import timedelta
from typing import Generic, TypeVar

from parley.base.clock import Clock, SystemClock
from parley.bus.local import LocalSubscription, LocalTopics
from parley.bus.ports import Callback, Draw, OnGap, Part, Parts, Wanted

T = TypeVar("T")
BUCKET_S = 3.0
"""Longer than any bucket takes to become full again: two seconds, from the deepest debt."""


def seconds_of(ttl: timedelta) -> float:
    """The length of a time to live.

    Raises:
        ValueError: it is not positive.
    """
    seconds = ttl.total_seconds()
    if seconds <= 0:
        raise ValueError("the time to live must be positive")
    return seconds


class _Expiring(Generic[T]):
    """A dictionary whose entries leave by themselves: every write first sweeps out what has expired."""

    __slots__ = ("_clock", "_due", "_entries")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[str, tuple[float, T]] = {}
        self._due: list[tuple[float, str]] = []

    def __contains__(self, key: str) -> bool:
        entry = self._entries.get(key)
        return entry is not None and entry[0] > self._clock.monotonic()

    def get(self, key: str) -> T | None:
        entry = self._entries.get(key)
        return entry[1] if entry is not None and entry[0] > self._clock.monotonic() else None

    def put(self, key: str, value: T, ttl_s: float) -> None:
        now = self._clock.monotonic()
        self._sweep(now)
        self._entries[key] = (now + ttl_s, value)
        heapq.heappush(self._due, (now + ttl_s, key))

    def alive(self) -> list[tuple[str, T]]:
        """What is there."""
        now = self._clock.monotonic()
        return [(key, value) for key, (end, value) in self._entries.items() if end > now]

    def replace(self, key: str, value: T) -> None:
        """Another value for what is there, with the end unchanged."""
        self._entries[key] = (self._entries[key][0], value)

    def pop(self, key: str) -> T | None:
        value = self.get(key)
        self._entries.pop(key, None)
        return value

    def _sweep(self, now: float) -> None:
        while self._due and self._due[0][0] <= now:
            _, key = heapq.heappop(self._due)
            entry = self._entries.get(key)
            if entry is not None and entry[0] <= now:  # not when it was put anew meanwhile
                del self._entries[key]


class MemoryBus:
    """See `ports.Bus`. Never loses a message, so `on_gap` is never called and `dropped` stays 0."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._topics = LocalTopics()
        self._facts = _Expiring[bytes](self._clock)
        self._leases = _Expiring[tuple[int, str]](self._clock)
        self._counts = _Expiring[int](self._clock)
        self._seen = _Expiring[None](self._clock)
        self._last_fence = 0
        self._parts = _Expiring[dict[str, int]](self._clock)
        """By holder."""
        self._buckets = _Expiring[tuple[float, float]](self._clock)
        """What a bucket held, and when; one that has expired is full."""

    @property
    def dropped(self) -> int:
        """See `ports.Bus.dropped`."""
        return 0

    async def close(self) -> None:
        """See `ports.Bus.close`."""
        self._topics.clear()

    async def subscribe(
        self, topic: str, callback: Callback, *, on_gap: OnGap | None = None
    ) -> LocalSubscription:
        """See `ports.Bus.subscribe`."""
        subscription = LocalSubscription(topic, callback, on_gap, self._unsubscribe)
        self._topics.add(subscription)
        return subscription

    async def _unsubscribe(self, subscription: LocalSubscription) -> None:
        self._topics.remove(subscription)

    def publish(self, topic: str, payload: bytes) -> None:
        """See `ports.Bus.publish`."""
        self._topics.publish(topic, payload)

    async def lease(self, name: str, ttl: timedelta, holder: str) -> MemoryLease | None:
        """See `ports.Bus.lease`."""
        ttl_s = seconds_of(ttl)
        held = self._leases.get(name)
        if held is not None and held[1] != holder:
            return None
        self._last_fence = max(self._last_fence + 1, int(self._clock.now().timestamp() * 1_000_000))
        self._leases.put(name, (self._last_fence, holder), ttl_s)
        return MemoryLease(self._leases, name, holder, self._last_fence, ttl_s)

    async def holder_of(self, name: str) -> str | None:
        """See `ports.Bus.holder_of`."""
        held = self._leases.get(name)
        return held[1] if held else None

    async def put(self, key: str, value: bytes, ttl: timedelta) -> None:
        """See `ports.Bus.put`."""
        self._facts.put(key, bytes(value), seconds_of(ttl))

    async def get(self, key: str) -> bytes | None:
        """See `ports.Bus.get`."""
        return self._facts.get(key)

    async def delete(self, key: str) -> None:
        """See `ports.Bus.delete`."""
        self._facts.pop(key)

    async def take(self, key: str) -> bytes | None:
        """See `ports.Bus.take`."""
        return self._facts.pop(key)

    async def count(self, key: str, window: timedelta) -> int:
        """See `ports.Bus.count`."""
        window_s = seconds_of(window)
        seen = self._counts.get(key)
        if seen is None:
            self._counts.put(key, 1, window_s)
            return 1
        self._counts.replace(key, seen + 1)
        return seen + 1

    async def add_once(self, key: str, ttl: timedelta) -> bool:
        """See `ports.Bus.add_once`."""
        ttl_s = seconds_of(ttl)
        if key in self._seen:
            return False
        self._seen.put(key, None, ttl_s)
        return True

    async def share(self, holder: str, wanted: Mapping[str, Wanted], ttl: timedelta) -> Parts:
        """See `ports.Bus.share`."""
        ttl_s = seconds_of(ttl)
        own = self._parts.get(holder)
        is_known = own is not None
        own = own if own is not None else {}
        self._parts.put(holder, own, ttl_s)
        others = [parts for name, parts in self._parts.alive() if name != holder]
        made: dict[str, Part] = {}
        for name, (amount, limit, least) in wanted.items():
            elsewhere = sum(parts.get(name, 0) for parts in others)
            granted = amount if limit is None else min(amount, max(limit - elsewhere, least))
            own[name] = granted
            if not granted:
                del own[name]
            made[name] = Part(granted, elsewhere)
        return Parts(is_known, made)

    async def withdraw(self, holder: str) -> None:
        """See `ports.Bus.withdraw`."""
        self._parts.pop(holder)

    async def draw(self, draws: Mapping[str, Draw]) -> dict[str, float]:
        """See `ports.Bus.draw`."""
        now = self._clock.monotonic()
        left: dict[str, float] = {}
        for name, (tokens, rate) in draws.items():
            level, since = self._buckets.get(name) or (float(rate), now)
            level = max(min(float(rate), level + (now - since) * rate) - tokens, -float(rate))
            self._buckets.put(name, (level, now), BUCKET_S)
            left[name] = level
        return left


class MemoryLease:
    """See `ports.Lease`."""

    __slots__ = ("_fence", "_holder", "_leases", "_name", "_ttl_s")

    def __init__(
        self, leases: _Expiring[tuple[int, str]], name: str, holder: str, fence: int, ttl_s: float
    ) -> None:
        self._leases = leases
        self._name = name
        self._holder = holder
        self._fence = fence
        self._ttl_s = ttl_s

    @property
    def name(self) -> str:
        """See `ports.Lease.name`."""
        return self._name

    @property
    def holder(self) -> str:
        """See `ports.Lease.holder`."""
        return self._holder

    @property
    def fence(self) -> int:
        """See `ports.Lease.fence`."""
        return self._fence

    async def renew(self) -> bool:
        """See `ports.Lease.renew`."""
        if not await self.still_mine():
            return False
        self._leases.put(self._name, (self._fence, self._holder), self._ttl_s)
        return True

    async def release(self) -> None:
        """See `ports.Lease.release`."""
        if await self.still_mine():
            self._leases.pop(self._name)

    async def still_mine(self) -> bool:
        """See `ports.Lease.still_mine`."""
        return self._leases.get(self._name) == (self._fence, self._holder)
