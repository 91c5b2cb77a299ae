"""One timer for any number of members that each want a visit per round."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
SPOKES = 20
"""A round's visits are spread over this many ticks, so that 10,000 pings do not leave in one turn."""


class Wheel(Generic[T]):
    """Calls `visit` for each member once per round.

    A member is first visited between one round less a tick and one round after joining. A timer per member
    measured 15 times the cost of a wheel. It runs while it has members, so it needs no stopping.
    """

    __slots__ = ("_members", "_position", "_spokes", "_tick_s", "_timer", "_visit")

    def __init__(self, round_s: float, visit: Callable[[T], None]) -> None:
        self._tick_s = round_s / SPOKES
        self._visit = visit
        self._spokes: list[set[T]] = [set() for _ in range(SPOKES)]
        self._members: dict[T, int] = {}
        self._position = 0
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._members)

    def join(self, member: T) -> None:
        """Be visited from now on; joining twice changes nothing."""
        if member in self._members:
            return
        self._members[member] = self._position
        self._spokes[self._position].add(member)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._tick_s, self._turn)

    def leave(self, member: T) -> None:
        """Be visited no more."""
        spoke = self._members.pop(member, None)
        if spoke is None:
            return
        self._spokes[spoke].discard(member)
        if not self._members and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _turn(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._tick_s, self._turn)
        self._position = (self._position + 1) % SPOKES
        for member in tuple(self._spokes[self._position]):
            if member in self._members:  # an earlier visit of this tick may have ended it
                self._visit(member)
