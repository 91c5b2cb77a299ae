"""One running meeting: its roster and its session, from the first join to the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import msgspec
import structlog

from parley.accounts.scope import AppScope
from parley.base.errors import NotAllowed, StateForbids
from parley.base.ids import MeetingId, PeerId
from parley.base.tasks import cancel_and_wait
from parley.base.text import clean_line
from parley.media.pool import MediaPool
from parley.meetings.live import store
from parley.meetings.live.breakout import Breakout
from parley.meetings.live.chat import Chat
from parley.meetings.live.connections import MOVED, Connections
from parley.meetings.live.controls import Controls
from parley.meetings.live.idling import Idling
from parley.meetings.live.lobby import Lobby
from parley.meetings.live.media import Media
from parley.meetings.live.notices import (
    Kicked,
    MediaJoined,
    Notice,
    PeerJoined,
    PeerLeft,
    Pinned,
    ProducerAdded,
    ProducerClosed,
    ProducerToggled,
    SessionEnded,
    StageChanged,
)
from parley.meetings.live.on_air import OnAir, publisher_of
from parley.meetings.live.peer import LivePeer, PeerState
from parley.meetings.live.polls import Polls
from parley.meetings.live.ports import Family
from parley.meetings.live.publishing import Publishing
from parley.meetings.live.record import SessionRecord
from parley.meetings.live.roles import Roles
from parley.meetings.live.stage import StageManager
from parley.meetings.live.values import SharedValues
from parley.meetings.live.watching import Watching
from parley.meetings.model import (
    EndReason,
    LeaveReason,
    Meeting,
    MeetingStatus,
    Session,
    StageState,
)
from parley.meetings.ports import Publisher
from parley.meetings.service import get_meeting
from parley.stream.closing import Close

log = structlog.get_logger(__name__)

NAME_LIMIT = 256
FOLLOWED = (PeerJoined, PeerLeft, ProducerAdded, ProducerClosed, ProducerToggled, Pinned, StageChanged)
"""What those who record a meeting have to know."""


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
        self.roles = Roles(self)
        self.connections = Connections(self)
        self.idling = Idling(self)
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
        self.on_air = OnAir(self)
        self._lifecycle = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_abandoned = False
        """Another server runs it now; connections are sent there."""

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
        if isinstance(notice, FOLLOWED):
            self.family.changed(self)

    # --- for those who record it --------------------------------------------------------------

    @property
    def pinned(self) -> PeerId | None:
        """Who is pinned for everybody."""
        return self.controls.pinned

    def publishers(self) -> list[Publisher]:
        """See `ports.RunningMeeting`."""
        return [publisher_of(peer) for peer in self.visible() if not peer.is_service]

    @property
    def is_deserted(self) -> bool:
        """Nothing here is worth keeping in memory."""
        return self.session is None and not self.peers

    def update(self, title: str | None, status: MeetingStatus) -> None:
        """Settings that apply at once, also to the running session; its row is changed already."""
        self.meeting = msgspec.structs.replace(self.meeting, title=title, status=status)
        if self.record.session is not None:
            self.record.session = msgspec.structs.replace(self.record.session, title=title or "")

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
            self.roles.apply(peer)  # it may have changed since the peer connected
            self._take_name(peer, name)
            if self.lobby.holds(peer):
                self.lobby.enter(peer)
                return False
            parent_id = await self.family.session_of_parent(self)
            is_first = self.session is None
            await self.record.join(peer, self.joined(), meeting, parent_id)
            peer.state = PeerState.JOINED
            if is_first and self.session is not None:
                await self.roles.session_began()
            self.idling.somebody_came()
        self._tell_joined(peer)
        self.lobby.somebody_joined(peer)
        self.breakout.changed()
        return True

    def _take_name(self, peer: LivePeer, name: str | None) -> None:
        if name and peer.permissions.can_edit_display_name:
            peer.name = clean_line(name, limit=NAME_LIMIT) or peer.name

    def _tell_joined(self, peer: LivePeer) -> None:
        self.on_air.greet(peer)
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
            peer.stop_grace()
            self.peers.pop(peer.id, None)
            self.spawn(self.media.release(peer))
            try:
                if was is PeerState.JOINED:
                    await self.record.leave(peer, self.joined(), reason)
                    self.idling.watch()
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
        self.connections.shut_out(peer.id)
        link = peer.link
        peer.notify(Kicked(peer.info()))
        self.connections.close_later(link, Close.RTK_REMOVED, "removed by a host")
        self.spawn(self.leave(peer, LeaveReason.KICKED))

    # --- the session's end --------------------------------------------------------------------

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
            self.family.changed(self)
        await self.family.session_ended(self, session.id, reason)
        return len([peer for peer in leaving if not peer.is_service])

    def _dismiss(self, peer: LivePeer) -> None:
        peer.notify(SessionEnded())
        self.connections.close_later(peer.link, Close.RTK_ENDED, "the session was ended")
        peer.stop_grace()
        peer.state = PeerState.GONE
        self.peers.pop(peer.id, None)
        self.spawn(self.media.release(peer))

    def _forget_session(self) -> None:
        self.idling.stop()
        self.on_air.recordings.clear()
        self.roles.forget()
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
        await self.roles.load(session.id)
        await self.polls.load(session.id)
        await self.values.load(session.id)
        self.idling.recovered(session)

    async def give_up_lost(self) -> None:
        """Peers of before a restart have not come back: they left when they were last seen."""
        async with self._lifecycle:
            await self.record.give_up_lost(self.joined())

    def detach(self) -> None:
        """Nobody is here and no session runs: forget the timers and free the media room."""
        self.idling.stop()
        self.spawn(self.media.close())

    def abandon(self) -> None:
        """Another server runs the meeting now: send the clients there, write nothing."""
        self.is_abandoned = True
        self.idling.stop()
        for peer in list(self.peers.values()):
            peer.stop_grace()
            peer.state = PeerState.GONE
            if peer.link is not None:
                peer.link.close(Close.RESTART, MOVED)
        self.peers.clear()
        self.spawn(self.media.close())

    async def close(self) -> None:
        """Stop serving (the process ends); the session stays LIVE in the store and is recovered later."""
        self.idling.stop()
        for peer in list(self.peers.values()):
            peer.stop_grace()
        await cancel_and_wait(list(self._tasks))
        await self.media.close()


def _sees_only_stage(peer: LivePeer) -> bool:
    return not peer.permissions.show_participant_list
