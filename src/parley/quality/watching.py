"""How what people send arrives at the media engine, asked every few seconds, kept with their statistics."""

from __future__ import annotations

import asyncio
import ipaddress
from datetime import datetime

import structlog

from parley.accounts.scope import Change
from parley.base.errors import ParleyError
from parley.base.ids import MeetingId, PeerId, SessionId
from parley.base.tasks import cancel_and_wait
from parley.base.times import iso_ms, to_ms
from parley.media.ports import Arriving
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
                told = [(each.peer_id, await self._arriving(each)) for each in live.publishers()]
                async with live.scope.change() as change:
                    for peer_id, arriving in told:
                        if arriving is not None and arriving.streams:
                            rows = [(change.now(), {Stream.UPLINK: _samples(arriving, change.now())})]
                            await store.add_samples(change, session.id, peer_id, rows)
                            await _tell_path(change, session.id, peer_id, arriving)
            except ParleyError as away:
                log.info("uplinks_not_kept", meeting=live.id, reason=away.message)
            except Exception:
                log.exception("uplinks_not_kept", meeting=live.id)

    @staticmethod
    async def _arriving(publisher: Publisher) -> Arriving | None:
        if publisher.sender is None or not publisher.streams:
            return None
        try:
            return await publisher.sender.statistics()
        except ParleyError:
            return None  # it has just gone, or its engine tells nothing


def _samples(arriving: Arriving, now: datetime) -> list[Sample]:
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
        for each in arriving.streams
    ]


async def _tell_path(change: Change, session_id: SessionId, peer_id: PeerId, arriving: Arriving) -> None:
    """Note the way that media takes, of a client that does not tell it itself."""
    if arriving.path is None:
        return
    known = await store.lock_metadata(change, session_id, peer_id)
    ours, theirs = arriving.path
    pair = {
        "nominated": True,
        "local_candidate_address": half(theirs.address),
        "local_candidate_port": theirs.port,
        "local_candidate_type": theirs.kind,
        "local_candidate_protocol": theirs.protocol,
        "remote_candidate_address": ours.address,
        "remote_candidate_port": ours.port,
        "remote_candidate_type": ours.kind,
        "remote_candidate_protocol": ours.protocol,
    }
    if known.candidate_pairs.setdefault("producing_transport", []):
        return
    known.candidate_pairs["producing_transport"].append(pair)
    await store.put_metadata(change, session_id, peer_id, known)


def half(address: str) -> str:
    """As much of an address as clients tell: the first half of one of IPv4, the network of one of IPv6."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""  # a name of mDNS
    kept = 16 if found.version == 4 else 48
    return str(ipaddress.ip_network(f"{found}/{kept}", strict=False).network_address)
