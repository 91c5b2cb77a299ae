"""Who watches: how many now, and for how long all of them together."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from dataclasses import dataclass

import structlog

from parley.base.errors import ParleyError
from parley.base.loops import Periodic
from parley.bus.tally import Tally
from parley.livestreams.model import LivestreamId, Run, RunId
from parley.livestreams.service import Livestreams

log = structlog.get_logger(__name__)
TOLD_EVERY_S = 2.0
THERE_FOR_S = 10.0
"""A viewer is there for so long after fetching something; players ask for the playlist every second."""
KNOWN_FOR_S = 60.0
"""Longer than a segment can be fetched again."""
MOST_VIEWERS = 100_000
"""Remembered at once; of others a segment might count twice."""


@dataclass(slots=True)
class _Viewer:
    seen_at: float
    newest: int = -1
    """Number of the newest segment that was fetched."""


class Audience:
    """Counts the viewers that fetch from this server, and sums up what all servers count."""

    def __init__(self, streams: Livestreams, tally: Tally) -> None:
        self._streams, self._tally = streams, tally
        self._viewers: OrderedDict[tuple[LivestreamId, str], _Viewer] = OrderedDict()
        """By stream and number; who fetched last is last."""
        self._watched: dict[RunId, int] = {}
        """Milliseconds that are not told yet."""
        self._counted: set[LivestreamId] = set()
        """Streams of which the tally has a part of ours."""
        self._rounds = Periodic(self._tell, TOLD_EVERY_S, "livestream audience")

    async def start(self) -> None:
        """Begin to tell."""
        await self._tally.start()
        await self._rounds.start()

    async def stop(self) -> None:
        """Tell the rest."""
        await self._rounds.stop()
        await self._tell()
        await self._tally.stop()

    def watches(self, stream_id: LivestreamId, viewer: str) -> _Viewer:
        """A viewer fetches something."""
        key = (stream_id, viewer)
        now = asyncio.get_running_loop().time()
        found = self._viewers.setdefault(key, _Viewer(now))
        found.seen_at = now
        self._viewers.move_to_end(key)
        if len(self._viewers) > MOST_VIEWERS:
            self._viewers.popitem(last=False)
        return found

    def fetched(
        self, stream_id: LivestreamId, viewer: str, number: int, length_ms: int, run: Run | None
    ) -> None:
        """A viewer fetches a segment. It counts once: seeking back and fetching it again does not."""
        known = self.watches(stream_id, viewer)
        if number > known.newest and run is not None:
            known.newest = number
            self._watched[run.id] = self._watched.get(run.id, 0) + length_ms

    async def count(self, stream_id: LivestreamId) -> int:
        """How many watch a stream now, by all servers; a few seconds old."""
        return await self._tally.total(_name(stream_id))

    async def _tell(self) -> None:
        self._count_here()
        watched, self._watched = self._watched, {}
        for run_id, watched_ms in watched.items():
            try:
                await self._streams.watched(run_id, watched_ms)
            except ParleyError as away:
                log.warning("viewers_not_counted", reason=away.message)
                self._watched[run_id] = self._watched.get(run_id, 0) + watched_ms
            except Exception:
                log.exception("viewers_not_counted")

    def _count_here(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._viewers and next(iter(self._viewers.values())).seen_at < now - KNOWN_FOR_S:
            self._viewers.popitem(last=False)
        here: Counter[LivestreamId] = Counter()
        for (stream_id, _), viewer in reversed(self._viewers.items()):
            if viewer.seen_at < now - THERE_FOR_S:
                break
            here[stream_id] += 1
        for stream_id in self._counted - here.keys():
            self._tally.set(_name(stream_id), 0)
        for stream_id, number in here.items():
            self._tally.set(_name(stream_id), number)
        self._counted = set(here)


def _name(stream_id: LivestreamId) -> str:
    return f"livestream.viewers:{stream_id}"
