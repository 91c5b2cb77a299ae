"""What participants were granted during the session: admission, a place on the stage, other permissions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from parley.base.ids import ParticipantId, SessionId
from parley.meetings.live import store
from parley.meetings.live.peer import LivePeer, patched
from parley.meetings.model import SessionRole

if TYPE_CHECKING:
    from parley.meetings.live.meeting import LiveMeeting


class Roles:
    """The grants of one meeting's session; they survive reconnects and restarts."""

    def __init__(self, live: LiveMeeting) -> None:
        self._live = live
        self._roles: dict[ParticipantId, SessionRole] = {}

    async def load(self, session_id: SessionId) -> None:
        """Take up those of a recovered session."""
        found = await store.roles(self._live.scope, session_id)
        self._roles = {role.participant_id: role for role in found}

    def forget(self) -> None:
        """The session is over."""
        self._roles.clear()

    def of(self, participant_id: ParticipantId) -> SessionRole:
        """What a participant was granted so far."""
        known = self._roles.get(participant_id)
        if known is not None:
            return known
        session = self._live.session
        return SessionRole(
            session_id=session.id if session else SessionId(""),
            participant_id=participant_id,
            app_id=self._live.scope.app_id,
            permission_changes={},
            updated_at=self._live.scope.now(),
        )

    async def put(self, role: SessionRole) -> None:
        """Keep what a participant was granted for as long as the session lasts."""
        session = self._live.session
        if session is not None:
            role = msgspec.structs.replace(role, session_id=session.id)
        self._roles[role.participant_id] = role
        if session is not None:
            async with self._live.scope.change() as change:
                await store.put_role(change, role)

    async def session_began(self) -> None:
        """Keep what a service peer granted before anybody else was there."""
        for role in list(self._roles.values()):
            await self.put(role)

    def apply(self, peer: LivePeer) -> None:
        """Give a peer what its participant was granted in this session, and take what was revoked."""
        changes = self.of(peer.participant.id).permission_changes
        permissions = peer.preset.permissions
        peer.permissions = patched(permissions, changes) if changes else permissions
        peer.stage = self._live.stage.initial(peer)
