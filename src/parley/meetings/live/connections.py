"""Which connection belongs to which peer: binding, coming back, going away."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from parley.base.errors import NotAllowed
from parley.base.ids import ParticipantId, PeerId
from parley.meetings.live import store
from parley.meetings.live.peer import Link, LivePeer, PeerState
from parley.meetings.model import LeaveReason, Participant
from parley.meetings.presets import Preset
from parley.stream.closing import Close

if TYPE_CHECKING:
    from parley.meetings.live.meeting import LiveMeeting

GRACE_S = 20.0
"""How long a peer whose connection broke stays; a Wi-Fi to cellular switch takes up to 15 s."""
FAREWELL_S = 1.5
"""Between telling a peer that it has to go and closing its socket; it normally closes first."""

MOVED = "the meeting moved to another server"
REMOVED = "You were removed from this meeting; load the page again to come back."


class Connections:
    """Binds connections to the peers of one meeting."""

    def __init__(self, live: LiveMeeting) -> None:
        self._live = live
        self._removed: set[PeerId] = set()
        """Kicked since the meeting was opened here; those who had joined are known to the store as well."""

    async def check_peer_id(self, participant_id: ParticipantId, peer_id: PeerId) -> None:
        """Refuse a peer id that is not this participant's to use.

        Raises:
            NotAllowed: it belongs to another participant, or was removed.
        """
        live = self._live
        here = live.peers.get(peer_id)
        owner = here.participant.id if here else await store.peer_owner(live.scope, peer_id)
        was_kicked = peer_id in self._removed
        if here is None and owner is not None and not was_kicked:  # another server may have run it then
            was_kicked = await store.was_kicked(live.scope, live.id, peer_id)
        if was_kicked:
            raise NotAllowed(REMOVED)
        if owner not in (None, participant_id):
            raise NotAllowed("This peer id belongs to another participant.")

    def connect(
        self, participant: Participant, preset: Preset, peer_id: PeerId, link: Link, socket_session_id: str
    ) -> LivePeer:
        """Bind a connection to its peer: a new one, or one that comes back; `check_peer_id` went before.

        Raises:
            NotAllowed: the peer id belongs to another participant, or was removed since it was checked.
        """
        live = self._live
        if peer_id in self._removed:
            raise NotAllowed(REMOVED)
        known = live.peers.get(peer_id)
        if known is not None:
            if known.participant.id != participant.id:
                raise NotAllowed("This peer id belongs to another participant.")
            self._rebind(known, link, socket_session_id)
            live.media.connected(known)
            return known
        name = participant.name or "Guest"
        peer = LivePeer(peer_id, participant, preset, preset.permissions, name, link, socket_session_id)
        if live.is_abandoned:
            peer.state = PeerState.GONE
            link.close(Close.RESTART, MOVED)
            return peer
        live.roles.apply(peer)
        live.peers[peer_id] = peer
        live.media.connected(peer)
        return peer

    def _rebind(self, peer: LivePeer, link: Link, socket_session_id: str) -> None:
        peer.stop_grace()
        if peer.link is not None:
            peer.link.close(Close.RTK_REPLACED, "another connection took over this peer")
        peer.link = link
        peer.socket_session_id = socket_session_id

    def supersede(self, peer: LivePeer, former_id: PeerId) -> None:
        """A client came back under another peer id: the former peer, if it is its own, does not stay."""
        former = self._live.peers.get(former_id)
        if former is None or former is peer or former.participant.id != peer.participant.id:
            return
        if former.link is not None:
            former.link.close(Close.RTK_REPLACED, "another connection took over this peer")
            former.link = None
        self._live.spawn(self._live.leave(former, LeaveReason.LOST))

    def disconnected(self, peer: LivePeer, link: Link, code: int) -> None:
        """A connection ended; a peer that did not say goodbye may come back for `GRACE_S`."""
        live = self._live
        if peer.link is not link or live.peers.get(peer.id) is not peer:
            return
        peer.link = None
        said_goodbye = code in (Close.NORMAL, Close.GOING_AWAY)
        if said_goodbye or not peer.is_joined:
            live.spawn(live.leave(peer, LeaveReason.LEFT if said_goodbye else LeaveReason.LOST))
            return
        loop = asyncio.get_running_loop()
        peer.grace = loop.call_later(GRACE_S, lambda: live.spawn(live.leave(peer, LeaveReason.LOST)))

    def shut_out(self, peer_id: PeerId) -> None:
        """This page load cannot come back."""
        self._removed.add(peer_id)

    def close_later(self, link: Link | None, code: int, reason: str) -> None:
        """Close a connection after its client had time to do so itself."""
        if link is not None:
            asyncio.get_running_loop().call_later(FAREWELL_S, link.close, code, reason)
