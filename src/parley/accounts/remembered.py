"""What was looked up a moment ago: kept for a short time, and looked up once however many ask."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from parley.base.clock import Clock

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
_LIMIT = 10_000


class Remembered(Generic[K, V]):
    """Answers by key, each at most `kept_s` old; failures are not kept."""

    def __init__(self, clock: Clock, kept_s: float, look_up: Callable[[K], Awaitable[V]]) -> None:
        self._clock = clock
        self._kept_s = kept_s
        self._look_up = look_up
        self._known: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._asked: dict[K, asyncio.Future[V]] = {}

    async def get(self, key: K) -> V:
        """The answer; raises what the look-up raises."""
        known = self._known.get(key)
        if known is not None and known[0] > self._clock.monotonic():
            return known[1]
        asked = self._asked.get(key)
        if asked is None:
            asked = self._asked[key] = asyncio.ensure_future(self._ask(key))
            asked.add_done_callback(lambda done: self._answered(key, done))
        # Whoever stops waiting must not take the answer from the others.
        return await asyncio.shield(asked)

    def forget(self, key: K) -> None:
        """The answer may be another one now; so may the one that is on its way."""
        self._known.pop(key, None)
        self._asked.pop(key, None)

    def clear(self) -> None:
        """The same for all answers."""
        self._known.clear()
        self._asked.clear()

    async def _ask(self, key: K) -> V:
        return await self._look_up(key)

    def _answered(self, key: K, done: asyncio.Future[V]) -> None:
        failed = done.cancelled() or done.exception() is not None
        if self._asked.get(key) is not done:
            return  # it was to be forgotten
        del self._asked[key]
        if not failed:
            self._known[key] = (self._clock.monotonic() + self._kept_s, done.result())
            self._known.move_to_end(key)
            if len(self._known) > _LIMIT:
                self._known.popitem(last=False)
