"""One running meeting: its roster and its session, from the first join to the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import msgspec
import structlog

from parley.accounts.scope import AppScope
from parley.base.errors import NotAllowed, StateForbids
from parley.base.ids import MeetingId, ParticipantId, PeerId, SessionId
from parley.base.tasks import cancel_and_wait
from parley.base.text import clean_line
from parley.media.pool import MediaPool
from parley.meetings.live import store
from parley.meetings.live.breakout import Breakout
from parley.meetings.live.chat import Chat
from parley.meetings.live.controls import Controls
from parley.meetings.live.lobby import Lobby
from parley.meetings.live.media import Media
from parley.meetings.live.notices import Kicked, MediaJoined, Notice, PeerJoined, PeerLeft, SessionEnded
from parley.meetings.live.peer import Link, LivePeer, PeerState, patched
from parley.meetings.live.polls import Polls
from parley.meetings.live.ports import Family
from parley.meetings.live.publishing import Publishing
from parley.meetings.live.record import SessionRecord
from parley.meetings.live.stage import StageManager
from parley.meetings.live.values import SharedValues
from parley.meetings.live.watching import Watching
from parley.meetings.model import (
    EndReason,
    LeaveReason,
    Meeting,
    MeetingStatus,
    Participant,
    Session,
    SessionRole,
    StageState,
)
from parley.meetings.presets import Preset
from parley.meetings.service import get_meeting
from parley.stream.closing import Close

log = structlog.get_logger(__name__)

GRACE_S = 20.0
"""How long a peer whose connection broke stays; a Wi-Fi to cellular switch takes up to 15 s."""
NAME_LIMIT = 256
FAREWELL_S = 1.5
"""Between telling a peer that it has to go and closing its socket; it normally closes first."""

MOVED = "the meeting moved to another server"
REMOVED = "You were removed from this meeting; load the page again to come back."


class LiveMeeting:
    """The owner of a running meeting's state.

    Joining, leaving and ending exclude each other (`_lifecycle`); everything else only needs the event loop.
    """

    def __init__(self, scope: AppScope, meeting: Meeting, pool: MediaPool, family: Family) -> None:
        self.scope = scope
        self.meeting = meeting
        self.family = family
        self.record = SessionRecord(scope)
        self.peers: dict[PeerId, LivePeer] = {}
        self.roles: dict[ParticipantId, SessionRole] = {}
        self.lobby = Lobby(self)
        self.stage = StageManager(self)
        self.chat = Chat(self)
        self.polls = Polls(self)
        self.values = SharedValues(self)
        self.controls = Controls(self)
        self.breakout = Breakout(self)
        self.media = Media(self, pool)
        self.publishing = Publishing(self)
        self.watching = Watching(self)
        self._lifecycle = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None
        self._giving_up: asyncio.TimerHandle | None = None
        """Runs while peers of before a restart may come back."""
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_abandoned = False
        """Another server runs it now; connections are sent there."""
        self._removed: set[PeerId] = set()
        """Kicked since the meeting was opened here; those who had joined are known to the store as well."""

    @property
    def id(self) -> MeetingId:
        """The meeting's id."""
        return self.meeting.id

    @property
    def session(self) -> Session | None:
        """The running session, if somebody has joined."""
        return self.record.session

    # --- who is there -------------------------------------------------------------------------

    def joined(self) -> list[LivePeer]:
        """Peers inside the meeting, those with a connection lost for a moment included."""
        return [peer for peer in self.peers.values() if peer.is_joined]

    def visible(self) -> list[LivePeer]:
        """Joined peers that others may see."""
        return [peer for peer in self.joined() if not peer.permissions.hidden_participant]

    def seen_by(self, peer: LivePeer) -> list[LivePeer]:
        """Whom a peer may see: without the list permission, only those on stage, and itself."""
        if peer.permissions.show_participant_list:
            return self.visible()
        return [other for other in self.visible() if other is peer or other.stage is StageState.ON_STAGE]

    def peers_of(self, participant_ids: Iterable[str]) -> list[LivePeer]:
        """Joined peers of these participants."""
        wanted = set(participant_ids)
        return [peer for peer in self.joined() if peer.participant.id in wanted]

    def tell(
        self,
        notice: Notice,
        *,
        but: LivePeer | None = None,
        to: Callable[[LivePeer], bool] | None = None,
    ) -> None:
        """Notify everybody inside, or those chosen by `to`, except one."""
        for peer in list(self.peers.values()):
            if peer.is_joined and peer is not but and (to is None or to(peer)):
                peer.notify(notice)

    @property
    def is_deserted(self) -> bool:
        """Nothing here is worth keeping in memory."""
        return self.session is None and not self.peers

    def update(self, title: str | None, status: MeetingStatus) -> None:
        """Settings that apply at once, also to the running session; its row is changed already."""
        self.meeting = msgspec.structs.replace(self.meeting, title=title, status=status)
        if self.record.session is not None:
            self.record.session = msgspec.structs.replace(self.record.session, title=title or "")

    # --- connections --------------------------------------------------------------------------

    async def check_peer_id(self, participant_id: ParticipantId, peer_id: PeerId) -> None:
        """Refuse a peer id that is not this participant's to use.

        Raises:
            NotAllowed: it belongs to another participant, or was removed.
        """
        here = self.peers.get(peer_id)
        owner = here.participant.id if here else await store.peer_owner(self.scope, peer_id)
        was_kicked = peer_id in self._removed
        if here is None and owner is not None and not was_kicked:  # another server may have run it then
            was_kicked = await store.was_kicked(self.scope, self.id, peer_id)
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
        if peer_id in self._removed:
            raise NotAllowed(REMOVED)
        known = self.peers.get(peer_id)
        if known is not None:
            if known.participant.id != participant.id:
                raise NotAllowed("This peer id belongs to another participant.")
            self._rebind(known, link, socket_session_id)
            self.media.connected(known)
            return known
        name = participant.name or "Guest"
        peer = LivePeer(peer_id, participant, preset, preset.permissions, name, link, socket_session_id)
        if self.is_abandoned:
            peer.state = PeerState.GONE
            link.close(Close.RESTART, MOVED)
            return peer
        self._apply_role(peer)
        self.peers[peer_id] = peer
        self.media.connected(peer)
        return peer

    def _apply_role(self, peer: LivePeer) -> None:
        """Give a peer what its participant was granted in this session, and take what was revoked."""
        role = self.roles.get(peer.participant.id)
        changes = role.permission_changes if role else {}
        permissions = peer.preset.permissions
        peer.permissions = patched(permissions, changes) if changes else permissions
        peer.stage = self.stage.initial(peer)

    def _rebind(self, peer: LivePeer, link: Link, socket_session_id: str) -> None:
        if peer.grace is not None:
            peer.grace.cancel()
            peer.grace = None
        if peer.link is not None:
            peer.link.close(Close.RTK_REPLACED, "another connection took over this peer")
        peer.link = link
        peer.socket_session_id = socket_session_id

    def disconnected(self, peer: LivePeer, link: Link, code: int) -> None:
        """A connection ended; a peer that did not say goodbye may come back for `GRACE_S`."""
        if peer.link is not link or self.peers.get(peer.id) is not peer:
            return
        peer.link = None
        said_goodbye = code in (Close.NORMAL, Close.GOING_AWAY)
        if said_goodbye or not peer.is_joined:
            self.spawn(self.leave(peer, LeaveReason.LEFT if said_goodbye else LeaveReason.LOST))
            return
        loop = asyncio.get_running_loop()
        peer.grace = loop.call_later(GRACE_S, lambda: self.spawn(self.leave(peer, LeaveReason.LOST)))

    def spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine that this meeting owns; what it raises is logged."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._spawned_ended)

    def _spawned_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("live_meeting_task_failed", meeting=self.id, exc_info=task.exception())

    # --- joining ------------------------------------------------------------------------------

    async def join(self, peer: LivePeer, name: str | None = None) -> bool:
        """Enter the meeting; False when the peer has to wait to be admitted. Joining again is fine.

        Raises:
            NotAllowed: the meeting is inactive.
        """
        async with self._lifecycle:
            if peer.state is PeerState.GONE:
                raise StateForbids("This peer has left; connect again.")
            if peer.is_joined:
                self._tell_joined(peer)
                return True
            meeting = await get_meeting(self.scope, self.id)
            if meeting.status is MeetingStatus.INACTIVE:
                raise NotAllowed("Meeting is inactive")
            self.meeting = meeting
            self._apply_role(peer)  # it may have changed since the peer connected
            self._take_name(peer, name)
            if self.lobby.holds(peer):
                self.lobby.enter(peer)
                return False
            parent_id = await self.family.session_of_parent(self)
            is_first = self.session is None
            await self.record.join(peer, self.joined(), meeting, parent_id)
            peer.state = PeerState.JOINED
            if is_first and self.session is not None:
                for role in list(self.roles.values()):  # granted by a service peer before it began
                    await self.put_role(role)
            self._cancel_idle()
        self._tell_joined(peer)
        self.lobby.somebody_joined(peer)
        self.breakout.changed()
        return True

    def _take_name(self, peer: LivePeer, name: str | None) -> None:
        if name and peer.permissions.can_edit_display_name:
            peer.name = clean_line(name, limit=NAME_LIMIT) or peer.name

    def _tell_joined(self, peer: LivePeer) -> None:
        if not peer.permissions.hidden_participant:
            is_on_stage = peer.stage is StageState.ON_STAGE
            peer.was_on_stage |= is_on_stage
            self.tell(
                PeerJoined(peer.info()),
                but=peer,
                to=lambda other: is_on_stage or other.permissions.show_participant_list,
            )

    def introduce(self, peer: LivePeer) -> None:
        """A peer steps on the stage: make it known to those who only see the stage."""
        if peer.permissions.hidden_participant:
            return
        peer.was_on_stage = True
        self.tell(PeerJoined(peer.info()), but=peer, to=_sees_only_stage)
        if peer.media.is_joined:
            notice = MediaJoined(peer.info(), [p.info() for p in peer.media.producers.values()])
            self.tell(notice, but=peer, to=lambda x: _sees_only_stage(x) and x.media.is_joined)

    # --- leaving ------------------------------------------------------------------------------

    async def leave(self, peer: LivePeer, reason: LeaveReason) -> None:
        """Take a peer out, whatever it is doing; twice is fine."""
        async with self._lifecycle:
            if peer.state is PeerState.GONE:
                return
            if peer.link is not None and reason is LeaveReason.LOST:
                return  # it came back while the grace period ended
            was = peer.state
            peer.state = PeerState.GONE
            if peer.grace is not None:
                peer.grace.cancel()
            self.peers.pop(peer.id, None)
            self.spawn(self.media.release(peer))
            try:
                if was is PeerState.JOINED:
                    await self.record.leave(peer, self.joined(), reason)
                    self.watch_idle()
            finally:
                if was is PeerState.JOINED:
                    self._tell_left(peer)
                elif was is PeerState.WAITING:
                    self.lobby.changed()
        self.family.peer_left(self)

    def _tell_left(self, peer: LivePeer) -> None:
        if not peer.permissions.hidden_participant:
            known_to_all = peer.was_on_stage
            self.tell(PeerLeft(peer.info()), to=lambda x: known_to_all or x.permissions.show_participant_list)
        self.stage.peer_left(peer)
        self.controls.peer_left(peer)
        self.breakout.changed()

    def remove(self, peer: LivePeer) -> None:
        """Kick: tell the peer, then take it out; this page load cannot come back."""
        self._removed.add(peer.id)
        link = peer.link
        peer.notify(Kicked(peer.info()))
        self._close_later(link, Close.RTK_REMOVED, "removed by a host")
        self.spawn(self.leave(peer, LeaveReason.KICKED))

    def _close_later(self, link: Link | None, code: int, reason: str) -> None:
        if link is not None:
            asyncio.get_running_loop().call_later(FAREWELL_S, link.close, code, reason)

    # --- the session's end --------------------------------------------------------------------

    def _cancel_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def watch_idle(self) -> None:
        """End the session when nobody comes within its keep-alive."""
        session = self.session
        if session is None or self.record.count(self.joined()) or self.family.has_children_live(self):
            self._cancel_idle()
            return
        if self._idle is None:
            seconds = session.keep_alive.total_seconds()
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(seconds, lambda: self.spawn(self._end_idle()))

    async def _end_idle(self) -> None:
        self._idle = None
        await self._give_up_lost()
        if not self.record.count(self.joined()) and not self.family.has_children_live(self):
            await self.end(EndReason.ALL_PARTICIPANTS_LEFT)

    async def end(self, reason: EndReason) -> int:
        """End the session for everybody; returns how many peers were taken out. Twice is fine."""
        async with self._lifecycle:
            leaving = self.joined()
            session = await self.record.end(leaving, reason)
            if session is None:
                return 0
            self._forget_session()
            for peer in [*leaving, *self.lobby.waiting()]:
                self._dismiss(peer)
        await self.family.session_ended(self, session.id, reason)
        return len([peer for peer in leaving if not peer.is_service])

    def _dismiss(self, peer: LivePeer) -> None:
        peer.notify(SessionEnded())
        self._close_later(peer.link, Close.RTK_ENDED, "the session was ended")
        if peer.grace is not None:
            peer.grace.cancel()
        peer.state = PeerState.GONE
        self.peers.pop(peer.id, None)
        self.spawn(self.media.release(peer))

    def _forget_session(self) -> None:
        self._cancel_idle()
        self._stop_giving_up()
        self.roles.clear()
        self.polls.forget()
        self.values.forget()
        self.controls.forget()

    # --- restart ------------------------------------------------------------------------------

    async def recover(self) -> None:
        """Take up the session that a server left running; its peers have the keep-alive to come back."""
        session = await store.live_session(self.scope, self.id)
        if session is None:
            return
        await self.record.recover(session)
        self.media.recovered()
        self.roles = {role.participant_id: role for role in await store.roles(self.scope, session.id)}
        await self.polls.load(session.id)
        await self.values.load(session.id)
        seconds = session.keep_alive.total_seconds()
        loop = asyncio.get_running_loop()
        self._idle = loop.call_later(seconds, lambda: self.spawn(self._end_idle()))
        if self.record.lost:
            self._giving_up = loop.call_later(seconds, lambda: self.spawn(self._give_up_lost()))

    async def _give_up_lost(self) -> None:
        self._stop_giving_up()
        async with self._lifecycle:
            await self.record.give_up_lost(self.joined())
        self.watch_idle()

    def _stop_giving_up(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None

    async def put_role(self, role: SessionRole) -> None:
        """Keep what a participant was granted for as long as the session lasts."""
        if self.session is not None:
            role = msgspec.structs.replace(role, session_id=self.session.id)
        self.roles[role.participant_id] = role
        if self.session is not None:
            async with self.scope.change() as change:
                await store.put_role(change, role)

    def role_of(self, participant_id: ParticipantId) -> SessionRole:
        """What a participant was granted so far."""
        known = self.roles.get(participant_id)
        if known is not None:
            return known
        return SessionRole(
            session_id=self.session.id if self.session else SessionId(""),
            participant_id=participant_id,
            app_id=self.scope.app_id,
            permission_changes={},
            updated_at=self.scope.now(),
        )

    def detach(self) -> None:
        """Nobody is here and no session runs: forget the timers and free the media room."""
        self._cancel_idle()
        self.spawn(self.media.close())

    def abandon(self) -> None:
        """Another server runs the meeting now: send the clients there, write nothing."""
        self.is_abandoned = True
        self._cancel_idle()
        self._stop_giving_up()
        for peer in list(self.peers.values()):
            if peer.grace is not None:
                peer.grace.cancel()
            peer.state = PeerState.GONE
            if peer.link is not None:
                peer.link.close(Close.RESTART, MOVED)
        self.peers.clear()
        self.spawn(self.media.close())

    async def close(self) -> None:
        """Stop serving (the process ends); the session stays LIVE in the store and is recovered later."""
        self._cancel_idle()
        self._stop_giving_up()
        for peer in list(self.peers.values()):
            if peer.grace is not None:
                peer.grace.cancel()
        await cancel_and_wait(list(self._tasks))
        await self.media.close()


def _sees_only_stage(peer: LivePeer) -> bool:
    return not peer.permissions.show_participant_list
