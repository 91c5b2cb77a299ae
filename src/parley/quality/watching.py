"""How media gets from people to the media engine and back: asked every few seconds, and kept."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import structlog

from parley.accounts.scope import Change
from parley.base.errors import ParleyError
from parley.base.ids import MeetingId, PeerId, SessionId
from parley.base.tasks import cancel_and_wait
from parley.base.times import iso_ms, to_ms
from parley.media.ports import PathEnd, ReceiveTransport, SendTransport, Source, TransportStatistics
from parley.meetings.ports import Publisher, RunningMeeting
from parley.quality import store
from parley.quality.downlinks import Carried, Downlink
from parley.quality.model import Sample, Stream
from parley.quality.streams import AT, SCREEN

log = structlog.get_logger(__name__)
EVERY_S = 10.0
AT_ONCE = 8
"""Meetings asked at one time."""
PEERS_AT_ONCE = 25
"""Peers of one meeting that are stored in one transaction: nobody else waits long for it."""
Told = tuple[str, tuple[PathEnd, PathEnd]]
"""A transport, as reports name it, and the way its media takes."""


class _Known:
    """What is remembered of a peer between two questions."""

    def __init__(self) -> None:
        self.downlink = Downlink()
        self.told: set[Told] = set()


class _Measured(NamedTuple):
    """Of one peer, at one time."""

    sending: TransportStatistics | None
    receiving: TransportStatistics | None

    def paths(self) -> list[Told]:
        """The ways that media takes."""
        return [
            (name, statistics.path)
            for name, statistics in (
                ("producing_transport", self.sending),
                ("consuming_transport", self.receiving),
            )
            if statistics is not None and statistics.path is not None
        ]


class EngineStatistics:
    """Follows the meetings of this process (`meetings.ports.Observer`)."""

    def __init__(self, *, every_s: float = EVERY_S) -> None:
        self._every_s = every_s
        self._meetings: dict[MeetingId, RunningMeeting] = {}
        self._known: dict[SessionId, dict[PeerId, _Known]] = {}
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
        self._task = asyncio.create_task(self._run(), name="engine statistics")

    async def stop(self) -> None:
        """End."""
        await cancel_and_wait([self._task])

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            await self.measure()

    async def measure(self) -> None:
        """Ask about everybody who sends or receives now."""
        running = {
            live.session.id: live for live in list(self._meetings.values()) if live.session is not None
        }
        self._meetings = {live.id: live for live in running.values()}
        self._known = {session_id: self._known.get(session_id, {}) for session_id in running}
        await asyncio.gather(*(self._meeting(live, session_id) for session_id, live in running.items()))

    async def _meeting(self, live: RunningMeeting, session_id: SessionId) -> None:
        async with self._room:
            try:
                inside = live.publishers()
                carried = {
                    Source(each.sender.id, stream.mid): Carried(stream.id, stream.is_screen_share)
                    for each in inside
                    if each.sender is not None
                    for stream in each.streams
                }
                before = self._known.get(session_id, {})
                known = {each.peer_id: before.get(each.peer_id) or _Known() for each in inside}
                self._known[session_id] = known  # those who left are forgotten
                for start in range(0, len(inside), PEERS_AT_ONCE):
                    told = [(each, await _measured(each)) for each in inside[start : start + PEERS_AT_ONCE]]
                    async with live.scope.change() as change:
                        for each, measured in told:
                            await _keep(change, session_id, each, measured, known[each.peer_id], carried)
            except ParleyError as away:
                log.info("engine_statistics_not_kept", meeting=live.id, reason=away.message)
            except Exception:
                log.exception("engine_statistics_not_kept", meeting=live.id)


async def _keep(
    change: Change,
    session_id: SessionId,
    publisher: Publisher,
    measured: _Measured,
    known: _Known,
    carried: Mapping[Source, Carried],
) -> None:
    samples = _samples(publisher, measured, known, carried, change.now())
    if samples:
        await store.add_samples(change, session_id, publisher.peer_id, [(change.now(), samples)])
    fresh = [path for path in measured.paths() if path not in known.told]
    if fresh:
        await _tell_paths(change, session_id, publisher.peer_id, fresh)
        known.told.update(fresh)


async def _measured(publisher: Publisher) -> _Measured:
    sender = publisher.sender if publisher.streams else None
    return _Measured(await _asked(sender), await _asked(publisher.receiver))


async def _asked(transport: SendTransport | ReceiveTransport | None) -> TransportStatistics | None:
    if transport is None:
        return None
    try:
        return await transport.statistics()
    except ParleyError:
        return None  # it has just gone, or its engine tells nothing


def _samples(
    publisher: Publisher,
    measured: _Measured,
    known: _Known,
    carried: Mapping[Source, Carried],
    now: datetime,
) -> dict[Stream, Sequence[Sample]]:
    """Both ways. What comes from a browser has the round trip of what goes there: Janus knows no other."""
    stamp: Sample = {"timestamp": iso_ms(now), AT: to_ms(now)}
    samples: dict[Stream, Sequence[Sample]] = {}
    rtts: list[float] = []
    if measured.receiving is not None and measured.receiving.sections:
        rtts = [each.rtt_s for each in measured.receiving.sections if each.rtt_s is not None]
        samples[Stream.DOWNLINK] = known.downlink.samples(measured.receiving.sections, carried, stamp)
    if measured.sending is not None and measured.sending.sections and publisher.sender is not None:
        samples[Stream.UPLINK] = [
            {
                **stamp,
                "mid": each.mid,
                "kind": each.kind,
                "bytes_received": each.bytes,
                "packets_received": each.packets,
                "packets_lost": each.lost,
                "jitter": each.jitter_s,
                **({"rtt": sum(rtts) / len(rtts)} if rtts else {}),
                **_named(carried.get(Source(publisher.sender.id, each.mid))),
            }
            for each in measured.sending.sections
        ]
    return samples


def _named(carried: Carried | None) -> Sample:
    if carried is None:
        return {}
    return {"producer_id": carried.producer_id} | ({SCREEN: True} if carried.is_screen else {})


async def _tell_paths(change: Change, session_id: SessionId, peer_id: PeerId, paths: Sequence[Told]) -> None:
    """Note the ways that media takes, of a client that does not tell them itself."""
    known = await store.lock_metadata(change, session_id, peer_id)
    fresh = [each for each in paths if not known.candidate_pairs.get(each[0])]
    for transport, (ours, theirs) in fresh:
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
        known.candidate_pairs[transport] = [pair]
    if fresh:
        await store.put_metadata(change, session_id, peer_id, known)


def half(address: str) -> str:
    """As much of an address as clients tell: the first half of one of IPv4, the network of one of IPv6."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""  # a name of mDNS
    kept = 16 if found.version == 4 else 48
    return str(ipaddress.ip_network(f"{found}/{kept}", strict=False).network_address)
