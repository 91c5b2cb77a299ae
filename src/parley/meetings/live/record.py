"""The running session as it is stored: who came and went, for how long, and its one beginning and end.

Every method is one transaction with its events; nothing in memory changes before it has committed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from parley.accounts.scope import AppScope, Change
from parley.base.errors import Conflict
from parley.base.ids import PeerId, SessionId, new_uuid
from parley.meetings.events import MeetingEnded, MeetingStarted, ParticipantJoined, ParticipantLeft
from parley.meetings.history.chat.dump import DUMP_QUEUE
from parley.meetings.live import store
from parley.meetings.live.peer import LivePeer
from parley.meetings.model import (
    EndReason,
    LeaveReason,
    Meeting,
    Peer,
    PeerEventName,
    Session,
    SessionSettings,
)
from parley.store.errors import AlreadyExists

_MS = timedelta(milliseconds=1)


class SessionRecord:
    """Writes the life of a meeting's sessions, one after the other."""

    def __init__(self, scope: AppScope) -> None:
        self._scope = scope
        self.session: Session | None = None
        """The running one."""
        self.lost: dict[PeerId, Peer] = {}
        """Peers of before a restart that may still come back; they count as present."""
        self._ending: SessionId | None = None
        """The session that ends, or ended last."""

    def count(self, present: Iterable[LivePeer]) -> int:
        """How many peers there are; hidden service peers do not count."""
        ids = {peer.id for peer in present if not peer.is_service}
        return len(ids | {row.id for row in self.lost.values() if not row.is_hidden})

    async def join(
        self, peer: LivePeer, present: Sequence[LivePeer], meeting: Meeting, parent_id: SessionId | None
    ) -> None:
        """A peer joins; the first one (that is no service peer) starts a session.

        Args:
            peer: who joins; its `joined_at` is set.
            present: who is there, without the peer.
            meeting: whose settings a new session copies.
            parent_id: the main meeting's session, for a breakout room.
        """
        peer.joined_at = self._scope.now()
        async with self._scope.change() as change:
            session = self.session
            if session is None and not peer.is_service:
                session = await self._start(change, meeting, peer.joined_at, parent_id)
            if session is not None:
                for entering in [*(p for p in present if not p.is_recorded), peer]:
                    await self._add(change, session, entering)
                session = await self._counted(change, session, self.count([*present, peer]))
        self.lost.pop(peer.id, None)
        self.session = session
        if session is not None:
            for entering in (*present, peer):
                entering.is_recorded = True

    async def _start(
        self, change: Change, meeting: Meeting, at: datetime, parent_id: SessionId | None
    ) -> Session:
        session = Session(
            id=SessionId(new_uuid()),
            app_id=self._scope.app_id,
            meeting_id=meeting.id,
            parent_id=parent_id,
            title=meeting.title or "",
            settings=SessionSettings(
                session_keep_alive_s=meeting.session_keep_alive_s,
                persist_chat=meeting.persist_chat,
                record_on_start=meeting.record_on_start,
                live_stream_on_start=meeting.live_stream_on_start,
                summarize_on_end=meeting.summarize_on_end,
                transcribe_on_end=meeting.transcribe_on_end,
                recording_config=meeting.recording_config,
                ai_config=meeting.ai_config,
            ),
            started_at=at,
            created_at=at,
            updated_at=at,
        )
        try:
            await store.insert_session(change, session)
        except AlreadyExists as elsewhere:
            raise Conflict("This meeting is being served by another server.") from elsewhere
        change.announce(MeetingStarted(**_session_fields(session)))
        return session

    async def _add(self, change: Change, session: Session, peer: LivePeer) -> None:
        row = self._row(peer, session)
        before = self.lost.get(peer.id)
        if before is not None:  # a restarted server sees it again: it never left
            peer.joined_at = before.joined_at
            row = msgspec.structs.replace(row, joined_at=before.joined_at)
        await store.put_peer(change, row)
        for step in (PeerEventName.PEER_CREATED, PeerEventName.PEER_JOINING):
            await store.add_peer_event(change, row, step, peer.socket_session_id, change.now())
        if not row.is_hidden and before is None:
            change.announce(ParticipantJoined(**_peer_fields(session, row)))

    def _row(self, peer: LivePeer, session: Session) -> Peer:
        assert peer.joined_at is not None
        return Peer(
            session_id=session.id,
            id=peer.id,
            app_id=self._scope.app_id,
            participant_id=peer.participant.id,
            custom_participant_id=peer.participant.custom_participant_id,
            display_name=peer.name,
            preset_id=peer.preset.id,
            preset_name=peer.preset.name,
            view_type=peer.preset.config.view_type,
            is_hidden=peer.is_service,
            joined_at=peer.joined_at,
            created_at=peer.joined_at,
            updated_at=peer.joined_at,
        )

    async def leave(self, peer: LivePeer, present: Sequence[LivePeer], reason: LeaveReason) -> None:
        """A peer left; `present` are those who stay."""
        if self.session is not None and peer.is_recorded:
            rows = [self._row(peer, self.session)]
            await self._close(self.session, rows, self._scope.now(), present, reason)

    async def give_up_lost(self, present: Sequence[LivePeer]) -> None:
        """Peers that did not return after a restart left when the old server was last alive."""
        session, rows = self.session, list(self.lost.values())
        if session is not None and rows:
            self.lost = {}
            try:
                await self._close(session, rows, session.updated_at, present, LeaveReason.LOST)
            except BaseException:
                self.lost = {row.id: row for row in rows}
                raise

    async def _close(
        self,
        session: Session,
        rows: Sequence[Peer],
        at: datetime,
        present: Sequence[LivePeer],
        reason: LeaveReason,
    ) -> None:
        async with self._scope.change() as change:
            connected = await self._close_rows(change, session, rows, at, reason)
            session = await self._counted(change, session, self.count(present), connected)
        self.session = session

    async def end(self, present: Sequence[LivePeer], reason: EndReason) -> Session | None:
        """End the session for everybody present; returns what it was. Twice is fine."""
        session = self.session
        if session is None:
            return None
        now = self._scope.now()
        rows = [self._row(peer, session) for peer in present if peer.is_recorded] + list(self.lost.values())
        self._ending = session.id
        async with self._scope.change() as change:
            connected = await self._close_rows(change, session, rows, now, LeaveReason.ENDED)
            await self._counted(change, session, 0, connected)
            if await store.end_session(change, session.id, reason):
                change.announce(MeetingEnded(**_session_fields(session), ended_at=now, reason=reason))
                await change.enqueue(DUMP_QUEUE, session.id, {"session_id": session.id})
        self.session = None
        self.lost.clear()
        return session

    async def chatted(self, session_id: SessionId) -> None:
        """A message of a session is stored: if the session has just ended, its chat is written once more."""
        if self._ending == session_id:
            async with self._scope.change() as change:
                await change.enqueue(DUMP_QUEUE, session_id, {"session_id": session_id})

    async def _close_rows(
        self, change: Change, session: Session, rows: Sequence[Peer], at: datetime, reason: LeaveReason
    ) -> int:
        """Close peers' rows; returns the connected time of those that count, in milliseconds."""
        connected = 0
        for row in rows:
            left_at = max(at, row.joined_at)
            if not await store.close_peer(change, session.id, row.id, left_at, reason):
                continue
            await store.add_peer_event(change, row, PeerEventName.PEER_LEAVING, "", left_at)
            if not row.is_hidden:
                connected += (left_at - row.joined_at) // _MS
                change.announce(ParticipantLeft(**_peer_fields(session, row), left_at=left_at))
        return connected

    async def _counted(self, change: Change, session: Session, live: int, connected_ms: int = 0) -> Session:
        """Store the counts; returns the session with them."""
        idle_since = None if live else session.idle_since or change.now()
        most = max(live, session.max_concurrent_participants)
        await store.count_session(
            change, session.id, live=live, most=most, connected_ms=connected_ms, idle_since=idle_since
        )
        return msgspec.structs.replace(
            session,
            live_participants=live,
            max_concurrent_participants=most,
            connected_ms=session.connected_ms + connected_ms,
            idle_since=idle_since,
        )

    async def recover(self, session: Session) -> None:
        """Take up a session that a server left running."""
        self.session = session
        self.lost = {row.id: row for row in await store.open_peers(self._scope, session.id)}

    async def mark_alive(self) -> None:
        """Note that the session is running, so that a restarted server knows when this one went away."""
        if self.session is not None and not self.lost:
            async with self._scope.change() as change:
                await store.mark_alive(change, self.session.id)


def _session_fields(session: Session) -> dict[str, Any]:
    return {
        "meeting_id": session.meeting_id,
        "session_id": session.id,
        "title": session.title,
        "started_at": session.started_at,
        "created_at": session.created_at,
    }


def _peer_fields(session: Session, row: Peer) -> dict[str, Any]:
    return {
        **_session_fields(session),
        "peer_id": row.id,
        "participant_id": row.participant_id,
        "custom_participant_id": row.custom_participant_id,
        "display_name": row.display_name,
        "preset_name": row.preset_name,
        "joined_at": row.joined_at,
    }
