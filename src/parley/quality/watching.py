"""How what people send arrives at the media engine, asked every few seconds, kept with their statistics."""

from __future__ import annotations

import asyncio

import structlog

from parley.base.errors import ParleyError
from parley.base.ids import MeetingId
from parley.base.tasks import cancel_and_wait
from parley.base.times import iso_ms, to_ms
from parley.meetings.ports import Publisher, RunningMeeting
from parley.quality import store
from parley.quality.model import Sample, Stream
from parley.quality.streams import AT

log = structlog.get_logger(__name__)
EVERY_S = 10.0
AT_ONCE = 8
"""Meetings asked at one time."""


class Uplinks:
    """Follows the meetings of this process (`meetings.ports.Observer`)."""

    def __init__(self, *, every_s: float = EVERY_S) -> None:
        self._every_s = every_s
        self._meetings: dict[MeetingId, RunningMeeting] = {}
        self._task: asyncio.Task[None] | None = None
        self._room = asyncio.Semaphore(AT_ONCE)

    def changed(self, live: RunningMeeting) -> None:
        """See `Observer.changed`."""
        if live.session is None:
            self._meetings.pop(live.id, None)
        else:
            self._meetings[live.id] = live

    def broadcast(self, live: RunningMeeting, kind: str, payload: bytes) -> None:
        """See `Observer.broadcast`."""

    async def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="uplink statistics")

    async def stop(self) -> None:
        """End."""
        await cancel_and_wait([self._task])

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            await self.measure()

    async def measure(self) -> None:
        """Ask about everybody who sends now."""
        meetings = list(self._meetings.values())
        await asyncio.gather(*(self._meeting(live) for live in meetings))

    async def _meeting(self, live: RunningMeeting) -> None:
        session = live.session
        if session is None:
            self._meetings.pop(live.id, None)
            return
        async with self._room:
            try:
                told = [(each, await self._arriving(live, each)) for each in live.publishers()]
                async with live.scope.change() as change:
                    for publisher, samples in told:
                        if samples:
                            rows = [(change.now(), {Stream.UPLINK: samples})]
                            await store.add_samples(change, session.id, publisher.peer_id, rows)
            except ParleyError as away:
                log.info("uplinks_not_kept", meeting=live.id, reason=away.message)
            except Exception:
                log.exception("uplinks_not_kept", meeting=live.id)

    @staticmethod
    async def _arriving(live: RunningMeeting, publisher: Publisher) -> list[Sample]:
        if publisher.sender is None or not publisher.streams:
            return []
        try:
            arriving = await publisher.sender.statistics()
        except ParleyError:
            return []  # it has just gone, or its engine tells nothing
        now = live.scope.now()
        return [
            {
                "timestamp": iso_ms(now),
                AT: to_ms(now),
                "mid": each.mid,
                "kind": each.kind,
                "bytes_received": each.bytes,
                "packets_received": each.packets,
                "packets_lost": max(0, each.lost),
                "jitter": each.jitter_s,
            }
            for each in arriving
        ]
