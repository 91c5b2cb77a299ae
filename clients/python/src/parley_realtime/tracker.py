"""A client's place in a channel: what is new, what came twice, what is missing."""

from __future__ import annotations

from enum import Enum


class Verdict(Enum):
    """What to do with a publication."""

    DELIVER = "deliver"
    DROP = "drop"
    """It came before, or it is one's own and was not asked for."""
    MISSING = "missing"
    """Something lies between the place and this one."""


class Tracker:
    """The place of the last publication seen.

    Publications sent without an echo do not come back, but they have places: `skip` tells of them, and
    they may be heard of before or after their neighbours.
    """

    __slots__ = ("_skipped", "epoch", "offset")

    def __init__(self) -> None:
        self.epoch = ""
        """Empty = nothing is known yet."""
        self.offset = 0
        self._skipped: set[int] = set()

    def set(self, epoch: str, offset: int) -> None:
        """Continue behind this place."""
        if epoch != self.epoch:
            self._skipped.clear()
        self.epoch, self.offset = epoch, offset
        self._advance()

    def skip(self, epoch: str, offset: int) -> None:
        """This one will not come, and is not missing."""
        if epoch == self.epoch and offset > self.offset:
            self._skipped.add(offset)
            self._advance()

    def judge(self, epoch: str, offset: int) -> Verdict:
        """What to do with a publication; `DELIVER` does not move the place, `seen` does."""
        if epoch != self.epoch:
            return Verdict.MISSING
        if offset <= self.offset or offset in self._skipped:
            return Verdict.DROP
        return Verdict.DELIVER if offset == self.offset + 1 else Verdict.MISSING

    def seen(self, offset: int) -> None:
        """The next one has been delivered."""
        self.offset = offset
        self._advance()

    def _advance(self) -> None:
        while self.offset + 1 in self._skipped:
            self.offset += 1
            self._skipped.discard(self.offset)
        if self._skipped:
            self._skipped = {offset for offset in self._skipped if offset > self.offset}
