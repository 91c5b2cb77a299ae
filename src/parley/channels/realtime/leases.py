"""Leases: what ends by itself unless it is touched again, on a timing wheel."""

from __future__ import annotations

import math
from typing import Generic, TypeVar

T = TypeVar("T")


class Leases(Generic[T]):
    """Any number of members that all may be silent for the same time.

    A touch is one write into a dictionary: it moves nothing on the wheel. When a member's spoke comes round,
    a member that was touched since is put on a later one, so that each costs one visit per term whatever the
    number of touches.

    Times are `Clock.monotonic` of the caller, who also calls `expire` now and then; there is no timer.
    """

    __slots__ = ("_end", "_index", "_per_s", "_spokes", "_term")

    def __init__(self, term_s: float, *, tick_s: float, now_s: float) -> None:
        """Prepare.

        Args:
            term_s: silence that ends a lease.
            tick_s: the wheel's grain: a lease ends between `term_s` and `term_s + 2 * tick_s` after the last
                touch, never earlier.
            now_s: the time.
        """
        self._per_s = 1.0 / tick_s
        self._term = math.ceil(term_s / tick_s) + 1
        self._index = int(now_s * self._per_s)
        self._spokes: list[dict[T, None]] = [{} for _ in range(self._term + 1)]
        self._end: dict[T, int] = {}

    def __len__(self) -> int:
        return len(self._end)

    def __contains__(self, member: T) -> bool:
        return member in self._end

    def touch(self, member: T, now_s: float) -> None:
        """Begin its term anew, or for the first time."""
        ends = self._end
        end = int(now_s * self._per_s) + self._term
        if member not in ends:
            spokes = self._spokes
            spokes[end % len(spokes)][member] = None
        ends[member] = end

    def drop(self, member: T) -> bool:
        """End it now, without `expire` naming it; False when there was none."""
        return self._end.pop(member, None) is not None

    def expire(self, now_s: float) -> list[T]:
        """The members whose term is over, in the order of their ends; they are gone then."""
        expired: list[T] = []
        spokes, ends = self._spokes, self._end
        target = int(now_s * self._per_s)
        # After a long pause one round visits everybody.
        for index in range(max(self._index + 1, target - len(spokes) + 1), target + 1):
            place = index % len(spokes)
            visited, spokes[place] = spokes[place], {}
            for member in visited:
                end = ends.get(member)
                if end is None:  # dropped
                    continue
                if end > target:
                    spokes[end % len(spokes)][member] = None
                else:
                    del ends[member]
                    expired.append(member)
        self._index = max(self._index, target)
        return expired
