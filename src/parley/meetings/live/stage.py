"""The stage of webinars: who may publish, who asks for it (`realtimekit.md` 6.3).

OFF_STAGE ── request ──> REQUESTED ── grant ──> APPROVED ── join ──> ON_STAGE
    ^── deny, cancel, kick, leave ──┴──────────────┴───────────────────┘
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from parley.base.errors import StateForbids
from parley.meetings.live.notices import StageChanged, StageDecision, StageRequests
from parley.meetings.live.peer import LivePeer
from parley.meetings.model import StageState

if TYPE_CHECKING:
    from parley.meetings.live.meeting import LiveMeeting


class StageManager:
    """Moves peers on and off the stage."""

    def __init__(self, live: LiveMeeting) -> None:
        self._live = live

    def initial(self, peer: LivePeer) -> StageState:
        """Where a peer starts: what it was granted before in this session, or what its preset says."""
        permissions = peer.permissions
        if not permissions.stage_enabled:
            return StageState.ON_STAGE
        kept = self._live.roles.of(peer.participant.id).stage
        if kept is StageState.ON_STAGE or kept is StageState.APPROVED:
            return kept
        return StageState.ON_STAGE if permissions.stage_access == "ALLOWED" else StageState.OFF_STAGE

    def requests(self) -> StageRequests:
        """Who asks for the stage now."""
        return StageRequests(
            [peer.info() for peer in self._live.joined() if peer.stage is StageState.REQUESTED]
        )

    def requests_for(self, peer: LivePeer) -> StageRequests:
        """The same, for somebody who asks for the list; only managers see names of others."""
        peer.require_joined()
        if peer.permissions.manages_stage:
            return self.requests()
        return StageRequests([peer.info()] if peer.stage is StageState.REQUESTED else [])

    def by_state(self) -> dict[StageState, list[LivePeer]]:
        """Visible peers by their place."""
        places: dict[StageState, list[LivePeer]] = {state: [] for state in StageState}
        for peer in self._live.visible():
            places[peer.stage].append(peer)
        return places

    async def request(self, peer: LivePeer) -> None:
        """Ask for the stage; one that is open to the peer is granted at once."""
        async with peer.moving:
            peer.require(peer.permissions.stage_access != "NOT_ALLOWED", "join the stage")
            if peer.stage is not StageState.OFF_STAGE:
                return
            if peer.permissions.stage_access == "ALLOWED":
                await self._move(peer, StageState.APPROVED)
                peer.notify(StageDecision(is_granted=True))
            else:
                await self._move(peer, StageState.REQUESTED)

    async def cancel_request(self, peer: LivePeer) -> None:
        """Take a request back."""
        async with peer.moving:
            peer.require_joined()
            if peer.stage in (StageState.REQUESTED, StageState.APPROVED):
                await self._move(peer, StageState.OFF_STAGE)

    async def decide(self, host: LivePeer, participant_ids: Iterable[str], *, is_granted: bool) -> None:
        """Grant or deny the stage to participants who asked, or invite those who did not."""
        host.require(host.permissions.manages_stage, "decide who joins the stage")
        to = StageState.APPROVED if is_granted else StageState.OFF_STAGE
        for peer in self._live.peers_of(participant_ids):
            async with peer.moving:
                if not peer.is_joined or peer.stage is StageState.ON_STAGE:
                    continue
                if peer.permissions.stage_enabled:
                    await self._move(peer, to, tell=False)
                    peer.notify(StageDecision(is_granted=is_granted))
                    self._tell(peer, but=peer)
        self._tell_requests()

    async def join(self, peer: LivePeer) -> StageChanged:
        """Step on the stage; the answer is the peer's new place."""
        async with peer.moving:
            peer.require_joined()
            if peer.stage is StageState.ON_STAGE:
                return self._change_of(peer)
            free = peer.permissions.stage_access == "ALLOWED" or peer.permissions.manages_stage
            if not free and peer.stage is not StageState.APPROVED:
                raise StateForbids("Ask for the stage and wait until a host grants it.")
            await self._move(peer, StageState.ON_STAGE, tell=False)
            self._tell(peer, but=peer)
            return self._change_of(peer)

    async def leave(self, peer: LivePeer) -> StageChanged:
        """Step off the stage; the answer is the peer's new place."""
        async with peer.moving:
            peer.require_joined()
            if peer.permissions.stage_enabled:
                await self._move(peer, StageState.OFF_STAGE, tell=False)
                self._tell(peer, but=peer)
            return self._change_of(peer)

    async def remove(self, host: LivePeer, participant_ids: Iterable[str]) -> None:
        """Take others off the stage."""
        host.require(host.permissions.manages_stage, "remove people from the stage")
        for peer in self._live.peers_of(participant_ids):
            async with peer.moving:
                is_up = peer.is_joined and peer.stage is not StageState.OFF_STAGE
                if is_up and peer.permissions.stage_enabled:
                    await self._move(peer, StageState.OFF_STAGE)

    def peer_left(self, peer: LivePeer) -> None:
        """A request goes with the one who made it."""
        if peer.stage is StageState.REQUESTED:
            self._tell_requests()

    async def _move(self, peer: LivePeer, to: StageState, *, tell: bool = True) -> None:
        before, peer.stage = peer.stage, to
        if to is StageState.ON_STAGE:
            self._live.introduce(peer)
        if before is StageState.ON_STAGE:
            await self._live.publishing.take_off_stage(peer)
        role = self._live.roles.of(peer.participant.id)
        await self._live.roles.put(msgspec.structs.replace(role, stage=to, updated_at=self._live.scope.now()))
        if tell:
            self._tell(peer)
        if StageState.REQUESTED in (before, to):
            self._tell_requests()

    def _tell(self, peer: LivePeer, *, but: LivePeer | None = None) -> None:
        """Tell of a peer's new place; a hidden one's concerns nobody else."""
        is_shown = not peer.permissions.hidden_participant
        self._live.tell(self._change_of(peer), but=but, to=lambda x: is_shown or x is peer)

    def _tell_requests(self) -> None:
        self._live.tell(self.requests(), to=lambda peer: peer.permissions.manages_stage)

    @staticmethod
    def _change_of(peer: LivePeer) -> StageChanged:
        return StageChanged(peer.id, peer.participant.id, peer.stage)
