"""Taking in what clients measure, and reporting it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from datetime import timedelta

from parley.accounts.scope import AppScope
from parley.base.clock import Clock
from parley.base.errors import NotAllowed, NotFound, TooMany
from parley.base.ids import ParticipantId, PeerId, SessionId
from parley.meetings.history import service as history
from parley.meetings.history.model import PeerReport
from parley.quality import intake, store, streams, verdict
from parley.quality.model import CallData, Metadata, Stream

BURST, PER_SECOND = 40.0, 0.5
"""Posts of one participant; clients send one each seven seconds, and about ten when they join or leave."""
REMEMBERED = 20_000
"""Participants whose rate is known."""
TRIES, TRY_EVERY_S = 8, 0.25
"""A client may post before its join is stored; it gives up after three seconds."""
LATE = timedelta(minutes=5)
"""After leaving, until when a peer's posts count."""


class Quality:
    """What is measured of calls."""

    def __init__(self, clock: Clock, *, is_limited: bool = True) -> None:
        """Prepare.

        Args:
            clock: for the rate of posts.
            is_limited: whether there is such a rate.
        """
        self._clock = clock
        self._is_limited = is_limited
        self._rates: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allow(self, participant_id: ParticipantId) -> None:
        """Count a post.

        Raises:
            TooMany: of this participant, in this process.
        """
        if not self._is_limited:
            return
        now = self._clock.monotonic()
        left, at = self._rates.pop(participant_id, (BURST, now))
        left = min(BURST, left + (now - at) * PER_SECOND)
        self._rates[participant_id] = (max(0.0, left - 1), now)
        while len(self._rates) > REMEMBERED:
            self._rates.popitem(last=False)
        if left < 1:
            raise TooMany("Too many statistics.", retry_after_s=1 / PER_SECOND)

    async def take(self, scope: AppScope, participant_id: ParticipantId, body: bytes) -> None:
        """Keep what a client has posted about its call.

        Raises:
            Invalid: not what clients post.
            NotAllowed: the peer is not this participant's.
            NotFound: no such peer, or it left long ago.
        """
        post = intake.read(body)
        peer = await self._peer(scope, PeerId(post.peer_id))
        if peer.participant_id != participant_id:
            raise NotAllowed("This peer is somebody else.")
        if peer.left_at is not None and scope.now() - peer.left_at > LATE:
            raise NotFound("This peer has left.")
        async with scope.change() as change:
            known = await store.lock_metadata(change, peer.session_id, peer.id)
            measured = intake.take(post, known, change.now())
            left = intake.MAX_BYTES - known.kept_bytes
            known.kept_bytes += await store.add_samples(
                change, peer.session_id, peer.id, measured, most_bytes=left
            )
            await store.put_metadata(change, peer.session_id, peer.id, known)

    @staticmethod
    async def _peer(scope: AppScope, peer_id: PeerId) -> PeerReport:
        for _ in range(TRIES):
            try:
                return await history.get_peer(scope, peer_id)
            except NotFound:
                await asyncio.sleep(TRY_EVERY_S)
        return await history.get_peer(scope, peer_id)

    async def call_of(self, scope: AppScope, session_id: SessionId, peer_id: PeerId) -> CallData:
        """Everything measured of a peer, with scores."""
        known = await store.metadata(scope, session_id, peer_id)
        call = await self._derived(scope, session_id, peer_id, known)
        _tell_round_trips(call)
        return call

    async def judge(
        self, scope: AppScope, session_id: SessionId, peers: Sequence[PeerReport]
    ) -> list[verdict.Judged]:
        """How the calls of peers were, and why."""
        known = await store.metadata_of(scope, session_id, [peer.id for peer in peers])
        judged = []
        for peer in peers:
            metadata = known.get(peer.id, Metadata())
            judged.append(verdict.judge(await self._derived(scope, session_id, peer.id, metadata)))
        return judged

    async def _derived(
        self, scope: AppScope, session_id: SessionId, peer_id: PeerId, known: Metadata
    ) -> CallData:
        rows = await store.samples(scope, session_id, peer_id)
        if not rows:
            return CallData(peer_id, known, {})
        return CallData(peer_id, known, await asyncio.to_thread(_derive, rows))


def _tell_round_trips(call: CallData) -> None:
    """Complete pairs of candidates that the media engine told, by the last that it has measured."""
    rtts = [sample["rtt"] for sample in call.samples.get(Stream.DOWNLINK, ()) if "rtt" in sample]
    for pair in (pair for pairs in call.metadata.candidate_pairs.values() for pair in pairs):
        if rtts and "local_candidate_id" not in pair:
            pair.setdefault("current_round_trip_time", rtts[-1])


def _derive(rows: Sequence[tuple[str, str]]) -> dict[Stream, list[dict[str, object]]]:
    """A long call takes a second of work: away from the sockets."""
    return streams.derive(store.decoded(rows))
