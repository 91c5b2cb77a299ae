"""The waiting room (`realtimekit.md` 6.3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from parley.meetings.live.notices import Admitted, Denied, WaitingList
from parley.meetings.live.peer import LivePeer, PeerState

if TYPE_CHECKING:
    from parley.meetings.live.meeting import LiveMeeting


class Lobby:
    """Who waits, and who lets them in."""

    def __init__(self, live: LiveMeeting) -> None:
        self._live = live

    def waiting(self) -> list[LivePeer]:
        """Everybody in the waiting room."""
        return [peer for peer in self._live.peers.values() if peer.state is PeerState.WAITING]

    def holds(self, peer: LivePeer) -> bool:
        """Whether the peer has to wait now."""
        kind = peer.permissions.waiting_room_type
        if peer.id in self._live.record.lost:
            return False  # it was inside before the server restarted
        if kind == "SKIP" or self._live.roles.of(peer.participant.id).is_admitted:
            return False
        if kind == "ON_PRIVILEGED_USER_ENTRY":
            return not any(other.is_privileged for other in self._live.joined())
        return True

    def enter(self, peer: LivePeer) -> None:
        """Let the peer wait, and tell those who may admit it."""
        peer.state = PeerState.WAITING
        self.changed()

    def changed(self) -> None:
        """Tell the hosts who waits now."""
        self._live.tell(self.view(), to=lambda peer: peer.is_privileged)

    def view(self) -> WaitingList:
        """Who waits now."""
        return WaitingList([peer.info() for peer in self.waiting()])

    def somebody_joined(self, peer: LivePeer) -> None:
        """A privileged person opens the door for those who wait for one."""
        if peer.is_privileged:
            automatic = [
                p for p in self.waiting() if p.permissions.waiting_room_type == "ON_PRIVILEGED_USER_ENTRY"
            ]
            for waiting in automatic:
                self._admit(waiting)
            self.changed()

    def list_for(self, host: LivePeer) -> WaitingList:
        """Who waits, for somebody who may admit.

        Raises:
            NotAllowed: the preset does not allow it.
        """
        host.require(host.is_privileged, "see the waiting room")
        return self.view()

    async def accept(self, host: LivePeer, participant_ids: Iterable[str]) -> None:
        """Admit these participants; they need not be accepted again in this session."""
        host.require(host.is_privileged, "admit people from the waiting room")
        wanted = set(participant_ids)
        for peer in [p for p in self.waiting() if p.participant.id in wanted]:
            role = self._live.roles.of(peer.participant.id)
            role = msgspec.structs.replace(role, is_admitted=True, updated_at=self._live.scope.now())
            await self._live.roles.put(role)
            if peer.state is PeerState.WAITING:
                self._admit(peer)
        self.changed()

    async def deny(self, host: LivePeer, participant_ids: Iterable[str]) -> None:
        """Turn these participants away."""
        host.require(host.is_privileged, "turn people away from the waiting room")
        wanted = set(participant_ids)
        for peer in [p for p in self.waiting() if p.participant.id in wanted]:
            peer.state = PeerState.CONNECTED
            peer.notify(Denied())
        self.changed()

    def _admit(self, peer: LivePeer) -> None:
        peer.state = PeerState.CONNECTED  # its client asks to join again
        peer.notify(Admitted())
