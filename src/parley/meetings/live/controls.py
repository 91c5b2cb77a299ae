"""What hosts do to others: kick, mute, pin, change permissions, broadcast; and renaming oneself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from parley.base.errors import Invalid, NotFound
from parley.base.ids import ParticipantId, PeerId
from parley.base.text import clean_line
from parley.base.times import to_ms
from parley.meetings.live import store
from parley.meetings.live.notices import Broadcast, PermissionsChanged, Pinned
from parley.meetings.live.peer import LivePeer, merge, patched
from parley.meetings.model import EndReason
from parley.meetings.presets import Permissions, require

if TYPE_CHECKING:
    from parley.meetings.live.meeting import LiveMeeting

NAME_LIMIT = 256
SPOTLIGHT = "spotlight"
"""Broadcast type by which the official client pushes its view to everybody."""


class Controls:
    """Host actions, each checked against the host's permissions."""

    def __init__(self, live: LiveMeeting) -> None:
        self._live = live
        self.pinned: PeerId | None = None

    def forget(self) -> None:
        """The session is over."""
        self.pinned = None

    def peer_left(self, peer: LivePeer) -> None:
        """Nobody who left stays pinned."""
        if self.pinned == peer.id:
            self.pinned = None
            self._live.tell(Pinned(None))

    def kick(self, host: LivePeer, peer_ids: Iterable[str]) -> None:
        """Remove peers; those that are gone already do not matter (clients ask twice)."""
        host.require(host.permissions.kick_participant, "remove participants")
        for peer_id in dict.fromkeys(peer_ids):
            peer = self._live.peers.get(PeerId(peer_id))
            if peer is not None and (peer.is_joined or peer in self._live.lobby.waiting()):
                self._live.remove(peer)

    async def kick_all(self, host: LivePeer) -> None:
        """End the session for everybody."""
        host.require(host.permissions.kick_participant, "end the meeting for everybody")
        await self._live.end(EndReason.HOST_ENDED_MEETING)

    async def mute(self, host: LivePeer, peer_id: str | None, media: Iterable[str]) -> None:
        """Mute one peer, or everybody else.

        Args:
            host: who asks.
            peer_id: whom; None = all others.
            media: of audio, video, screenshare.
        """
        may = host.permissions
        allowed = {
            "audio": may.disable_participant_audio,
            "video": may.disable_participant_video,
            "screenshare": may.disable_participant_screensharing,
        }
        wanted = set(media)
        for medium in wanted:
            host.require(allowed[medium], f"stop the {medium} of others")
        host.require_joined()
        if peer_id is None:
            targets = [peer for peer in self._live.joined() if peer is not host]
        else:
            target = self._live.peers.get(PeerId(peer_id))
            if target is None or not target.is_joined:
                raise NotFound("No such peer.")
            targets = [target]
        for target in targets:
            await self._live.publishing.mute_by_host(target, wanted, host.id)

    def pin(self, host: LivePeer, peer_id: str) -> None:
        """Pin a peer for everybody; an empty id unpins."""
        host.require(host.permissions.pin_participant, "pin participants")
        if peer_id and self._live.peers.get(PeerId(peer_id)) not in self._live.visible():
            raise NotFound("No such peer.")
        self.pinned = PeerId(peer_id) if peer_id else None
        self._live.tell(Pinned(self.pinned))

    async def rename(self, peer: LivePeer, name: str) -> None:
        """Change one's own display name; before joining it only takes effect for the join."""
        require(peer.permissions.can_edit_display_name, "change your name")
        name = clean_line(name, limit=NAME_LIMIT)
        if not name:
            raise Invalid("The name is empty.", field="display_name")
        peer.name = name
        session = self._live.session
        if peer.is_joined and session is not None:
            async with self._live.scope.change() as change:
                await store.rename_peer(change, session.id, peer.id, name)

    async def change_permissions(
        self, host: LivePeer, changes: Mapping[ParticipantId, Mapping[str, Any]]
    ) -> PermissionsChanged:
        """Change what participants may do for the rest of this session.

        Raises:
            Invalid: a value that the permission does not have.
        """
        host.require(host.permissions.can_change_participant_permissions, "change permissions")
        for participant_id, patch in changes.items():  # all of them, or none
            self._patched_peers(participant_id, patch)
        for participant_id, patch in changes.items():
            role = self._live.roles.of(participant_id)
            merged = merge(role.permission_changes, dict(patch))
            effective = self._patched_peers(participant_id, patch)
            now = self._live.scope.now()
            await self._live.roles.put(
                msgspec.structs.replace(role, permission_changes=merged, updated_at=now)
            )
            for peer, permissions in effective.items():
                peer.permissions = permissions
                await self._live.publishing.enforce(peer)
        notice = PermissionsChanged(changes)
        self._live.tell(notice, but=host, to=lambda peer: peer.participant.id in changes)
        return notice

    def _patched_peers(
        self, participant_id: ParticipantId, patch: Mapping[str, Any]
    ) -> dict[LivePeer, Permissions]:
        """The joined peers of a participant with what they may do after a change."""
        peers = self._live.peers_of([participant_id])
        if not peers:
            raise NotFound("No such participant in this session.")
        merged = merge(self._live.roles.of(participant_id).permission_changes, dict(patch))
        try:
            return {peer: patched(peer.preset.permissions, merged) for peer in peers}
        except msgspec.ValidationError as error:
            raise Invalid(f"This permission cannot have that value: {error}") from error

    def broadcast(
        self, peer: LivePeer, kind: str, payload: bytes, *, to_peers: Iterable[str] | None = None
    ) -> Broadcast:
        """Relay a client's message to all others, or to some peers (its sender included if named)."""
        peer.require_joined()
        if kind == SPOTLIGHT:
            peer.require(peer.permissions.can_spotlight, "show your view to everybody")
        notice = Broadcast(kind, payload, to_ms(self._live.scope.now()))
        if to_peers is None:
            self._live.tell(notice, but=peer)
            self._live.family.broadcast(self._live, kind, payload)
        else:
            wanted = set(to_peers)
            self._live.tell(notice, to=lambda other: other.id in wanted)
        return notice
