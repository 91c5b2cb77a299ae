"""Numbers that all server processes count together: sockets of an app, subscribers of a channel.

Each process tells the bus how large its own part is. It does so for all numbers that changed at once, one
call at a time, so that thousands of changes cost a handful of round trips. Its parts end with it: a killed
process is counted for `TERM` at most.

While the bus does not answer, this process goes by what it last heard of the others.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from datetime import timedelta

import structlog

from parley.base.errors import Unavailable
from parley.base.tasks import cancel_and_wait
from parley.bus.ports import MAX_NAMES, Bus, Parts, Wanted

log = structlog.get_logger(__name__)
TERM = timedelta(seconds=15)
BEAT_S = TERM.total_seconds() / 3
ANSWER_S = 1.0
"""For the bus; whoever wants a place waits no longer."""
PAUSE_S = 2.0
"""After the bus did not answer; meanwhile nobody waits for it."""
SPACING_S = 0.01
"""Between two calls when nobody waits for an answer."""
FRESH_S = 0.25
"""How long what others have is taken for true by those who only read it."""
_REMEMBERED = 20_000


class Tally:
    """This process's parts of numbers, and the whole numbers."""

    def __init__(self, bus: Bus | None, holder: str) -> None:
        """Prepare.

        Args:
            bus: what other processes count with; None when there are none.
            holder: names this process, for as long as it runs.
        """
        self._bus = bus
        self._holder = holder
        self._own: dict[str, int] = {}
        self._others: OrderedDict[str, tuple[int, float]] = OrderedDict()
        """What others had, and when; of names that were asked for."""
        self._changed: dict[str, None] = {}
        self._claims: dict[str, list[tuple[asyncio.Future[bool], int]]] = {}
        self._readers: dict[str, list[asyncio.Future[None]]] = {}
        self._away_until = 0.0
        self._teller: asyncio.Task[None] | None = None
        self._beater: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to keep this process's parts alive."""
        if self._bus is not None:
            self._beater = asyncio.create_task(self._beat_forever(), name="tally beat")

    async def stop(self) -> None:
        """Give up all parts."""
        await cancel_and_wait([self._teller, self._beater])
        for waiting in (*self._claims.values(),):
            for claim, _ in waiting:
                claim.cancel()
        for reader in [reader for readers in self._readers.values() for reader in readers]:
            reader.cancel()
        if self._bus is not None:
            try:
                async with asyncio.timeout(ANSWER_S):
                    await self._bus.withdraw(self._holder)
            except (Unavailable, TimeoutError):
                pass  # they end by themselves

    def own(self, name: str) -> int:
        """This process's part."""
        return self._own.get(name, 0)

    def set(self, name: str, amount: int) -> None:
        """This process's part is so large now, whatever others have."""
        if amount == self._own.get(name, 0):
            return
        if amount:
            self._own[name] = amount
        else:
            del self._own[name]
        if self._bus is not None:
            self._changed[name] = None
            self._tell_soon()

    def release(self, name: str) -> None:
        """One less here."""
        self.set(name, self._own.get(name, 0) - 1)

    async def claim(self, name: str, limit: int | None) -> bool:
        """One more here, unless all processes together have reached the limit."""
        if limit is None or self._bus is None or self._is_away():
            return self._claim_alone(name, limit)
        claim: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._claims.setdefault(name, []).append((claim, limit))
        self._tell_soon()
        try:
            return await claim
        except asyncio.CancelledError:
            if claim.done() and not claim.cancelled() and claim.result():
                self.release(name)  # it was given to somebody who has gone
            raise

    async def total(self, name: str) -> int:
        """The whole number."""
        return await self.others(name) + self.own(name)

    async def others(self, name: str) -> int:
        """What others have of it, or had less than `FRESH_S` ago."""
        if self._bus is None:
            return 0
        known = self._others.get(name)
        if (known is None or known[1] + FRESH_S <= _now()) and not self._is_away():
            reader: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._readers.setdefault(name, []).append(reader)
            self._tell_soon()
            await reader
            known = self._others.get(name)
        return known[0] if known else 0

    # --- telling the bus ----------------------------------------------------------------------

    def _is_away(self) -> bool:
        return _now() < self._away_until

    def _claim_alone(self, name: str, limit: int | None) -> bool:
        others = self._others.get(name)
        if limit is not None and self.own(name) + (others[0] if others else 0) >= limit:
            return False
        self.set(name, self.own(name) + 1)
        return True

    def _tell_soon(self) -> None:
        if self._teller is None or self._teller.done():
            self._teller = asyncio.create_task(self._tell(), name="tally")

    async def _tell(self) -> None:
        """Until the bus knows everything."""
        while True:
            names = self._next_names()
            if not names:
                return
            if self._is_away():
                self._answer_alone()
                await asyncio.sleep(max(0.0, self._away_until - _now()))
            else:
                await self._tell_of(names)
                if not self._claims and not self._readers:
                    await asyncio.sleep(SPACING_S)

    def _next_names(self) -> list[str]:
        """Those that somebody waits for come first."""
        names = dict.fromkeys((*self._claims, *self._readers))
        for name in self._changed:
            if len(names) >= MAX_NAMES:
                break
            names[name] = None
        return list(names)[:MAX_NAMES]

    async def _tell_of(self, names: list[str]) -> None:
        before = {name: self.own(name) for name in names}
        claims = {name: self._claims.pop(name, []) for name in names}
        wanted = {}
        for name in names:
            self._changed.pop(name, None)
            amount, limit = before[name], None
            if claims[name]:
                amount += len(claims[name])
                limit = claims[name][-1][1]
            wanted[name] = Wanted(amount, limit, before[name])
        try:
            parts = await self._share(wanted)
        except BaseException as failure:
            self._changed |= dict.fromkeys(names)
            for name in names:  # they are answered together with those who came meanwhile
                if claims[name]:
                    self._claims[name] = claims[name] + self._claims.get(name, [])
            if not isinstance(failure, Unavailable):
                raise
            self._answer_alone()
            return
        now = _now()
        for name, (granted, others) in parts.by_name.items():
            self._remember(name, others, now)
            self._answer_claims(name, claims[name], granted - before[name])
            if self.own(name) != granted:  # somebody went, or did not wait
                self._changed[name] = None
            for reader in self._readers.pop(name, ()):
                if not reader.done():
                    reader.set_result(None)

    async def _share(self, wanted: dict[str, Wanted]) -> Parts:
        """Tell the bus.

        Raises:
            Unavailable: it does not answer; nobody waits for it for a while.
        """
        assert self._bus is not None
        try:
            async with asyncio.timeout(ANSWER_S):
                parts = await self._bus.share(self._holder, wanted, TERM)
        except (Unavailable, TimeoutError) as away:
            self._away_until = _now() + PAUSE_S
            log.warning("tally_waits_for_bus")
            raise Unavailable("The bus does not answer.") from away
        if not parts.is_known:  # at first, or because the bus has lost its memory
            self._changed |= dict.fromkeys(name for name in self._own if name not in wanted)
        return parts

    def _answer_claims(
        self, name: str, claims: Iterable[tuple[asyncio.Future[bool], int]], granted: int
    ) -> None:
        for claim, _ in claims:
            if claim.done():
                continue
            if granted > 0:
                granted -= 1
                self._own[name] = self.own(name) + 1
                claim.set_result(True)
            else:
                claim.set_result(False)

    def _answer_alone(self) -> None:
        """Answer everybody who waits, by what is known here."""
        waiting, self._claims = self._claims, {}
        for name, claims in waiting.items():
            for claim, limit in claims:
                if not claim.done():
                    claim.set_result(self._claim_alone(name, limit))
        readers, self._readers = self._readers, {}
        for reader in [reader for several in readers.values() for reader in several]:
            if not reader.done():
                reader.set_result(None)

    def _remember(self, name: str, others: int, now: float) -> None:
        self._others[name] = (others, now)
        self._others.move_to_end(name)
        if len(self._others) > _REMEMBERED:
            self._others.popitem(last=False)

    async def _beat_forever(self) -> None:
        while True:
            if not self._is_away():
                try:
                    await self._share({})
                except Unavailable:
                    pass
                else:
                    if self._changed:
                        self._tell_soon()
            await asyncio.sleep(BEAT_S)


def _now() -> float:
    return asyncio.get_running_loop().time()
