"""Every meeting that runs in this process: opens, finds, recovers and closes them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec
import structlog

from parley.accounts.scope import AppScope
from parley.accounts.service import app_scope
from parley.base.errors import Invalid, NotFound, ParleyError, Unavailable
from parley.base.events import Event
from parley.base.ids import AppId, MeetingId, PeerId, SessionId
from parley.base.tasks import cancel_and_wait
from parley.media.pool import MediaPool
from parley.meetings.events import MeetingUpdated, ParticipantRemoved
from parley.meetings.live import store as live_store
from parley.meetings.live.meeting import LiveMeeting
from parley.meetings.live.notices import PollView
from parley.meetings.live.peer import LivePeer
from parley.meetings.live.placement import Placement
from parley.meetings.model import EndReason, Participant, Session
from parley.meetings.ports import Observer
from parley.meetings.service import get_meeting
from parley.meetings.tokens import ParticipantTokens
from parley.store.core import Store

log = structlog.get_logger(__name__)
ALIVE_EVERY_S = 15.0
"""How often running sessions are marked; after a crash, people left at the last mark."""


class Reached(msgspec.Struct, frozen=True):
    """Somebody on whom a REST call had its effect."""

    participant: Participant


class MeetingRegistry:
    """The running meetings; also the `LiveMeetings` that the REST side acts on."""

    def __init__(
        self, store: Store, pool: MediaPool, tokens: ParticipantTokens, placement: Placement
    ) -> None:
        self.store = store
        self.placement = placement
        self._pool = pool
        self._tokens = tokens
        self._meetings: dict[MeetingId, LiveMeeting] = {}
        self.observers: list[Observer] = []
        self._opening = asyncio.Lock()
        self._heart: asyncio.Task[None] | None = None
        pool.on_lost(self._engine_lost)
        placement.on_moved(self._moved_away)

    # --- life ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take up the sessions that were running when the last server went away."""
        await self._adopt_orphans()
        self._heart = asyncio.create_task(self._beat(), name="running meetings")

    async def stop(self) -> None:
        """Stop serving; sessions stay LIVE and are taken up by the next start."""
        await cancel_and_wait([self._heart])
        for live in list(self._meetings.values()):
            await live.close()
        self._meetings.clear()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(ALIVE_EVERY_S)
            try:
                await self._adopt_orphans()
            except ParleyError as away:
                log.warning("orphans_not_adopted", reason=away.message)
            for live in list(self._meetings.values()):
                self.drop_if_deserted(live)  # opened for somebody who never connected
                try:
                    await live.record.mark_alive()
                except Exception:
                    log.exception("session_not_marked", meeting=live.id)

    async def _adopt_orphans(self) -> None:
        """Take up running sessions that no server runs: of before a restart, or of a dead server."""
        for app_id, meeting_id in await live_store.all_live(self.store.database):
            if meeting_id not in self._meetings:
                scope = await app_scope(self.store, AppId(app_id), "system")
                if await self.home(scope, meeting_id) == self.placement.node_id:
                    await self.open(scope, meeting_id)

    def _moved_away(self, root_id: MeetingId) -> None:
        for live in list(self._meetings.values()):
            if root_id in (live.id, live.meeting.parent_id):
                del self._meetings[live.id]
                live.abandon()

    def _engine_lost(self, node_id: str, room_ids: frozenset[str]) -> None:
        for live in self._meetings.values():
            if live.media.room_id in room_ids:
                live.media.engine_lost()

    def heard(self, happened: Event) -> None:
        """An event of any server: new titles are taken over; who is not invited any more is disconnected."""
        if isinstance(happened, MeetingUpdated):
            live = self._meetings.get(happened.meeting_id)
            if live is not None:
                live.update(happened.title, happened.status)
        elif isinstance(happened, ParticipantRemoved):
            for live in self._meetings.values():
                for peer in list(live.peers.values()):
                    if peer.participant.id == happened.participant_id:
                        live.remove(peer)

    def observe(self, observer: Observer) -> None:
        """Tell somebody of every meeting that runs here."""
        self.observers.append(observer)

    def tell_observers(self, live: LiveMeeting) -> None:
        """Something of it changed, or it was opened."""
        for observer in self.observers:
            observer.changed(live)

    # --- meetings -----------------------------------------------------------------------------

    async def open(self, scope: AppScope, meeting_id: MeetingId) -> LiveMeeting:
        """The running meeting, opened from the store when it is not running here yet.

        Raises:
            NotFound: no such meeting in the app.
            Unavailable: another server runs it.
        """
        known = self.find(scope, meeting_id)
        if known is not None:
            return known
        if await self.home(scope, meeting_id) != self.placement.node_id:
            raise Unavailable("Another server runs this meeting; connect again.")
        async with self._opening:
            known = self._meetings.get(meeting_id)
            if known is None:
                meeting = await get_meeting(scope, meeting_id)
                family = _Family(self, scope)
                known = LiveMeeting(scope, meeting, self._pool, family)
                await known.recover()
                self._meetings[meeting_id] = known
                self.tell_observers(known)
        return known

    async def home(self, scope: AppScope, meeting_id: MeetingId) -> str:
        """The server that runs a meeting and its breakout rooms; this one if nobody did.

        Raises:
            NotFound: no such meeting in the app.
        """
        return await self.placement.home(await self.root_of(scope, meeting_id))

    async def root_of(self, scope: AppScope, meeting_id: MeetingId) -> MeetingId:
        """The main meeting of a breakout room, or the meeting itself."""
        live = self.find(scope, meeting_id)
        meeting = live.meeting if live else await get_meeting(scope, meeting_id)
        return meeting.parent_id or meeting.id

    def find(self, scope: AppScope, meeting_id: MeetingId) -> LiveMeeting | None:
        """The meeting if it runs here and belongs to the app."""
        live = self._meetings.get(meeting_id)
        return live if live is not None and live.scope.app_id == scope.app_id else None

    def running_meeting(self, meeting_id: MeetingId) -> LiveMeeting | None:
        """The meeting, if it runs here."""
        return self._meetings.get(meeting_id)

    def running(self) -> list[LiveMeeting]:
        """Every meeting that is open here."""
        return list(self._meetings.values())

    def drop_if_deserted(self, live: LiveMeeting) -> None:
        """Free a meeting in which nothing is going on."""
        if live.is_deserted and self._meetings.get(live.id) is live:
            del self._meetings[live.id]
            live.detach()
            root_id = live.meeting.parent_id or live.id
            if not any(root_id in (m.id, m.meeting.parent_id) for m in self._meetings.values()):
                live.spawn(self.placement.release(root_id))

    def hold(self, live: LiveMeeting) -> LiveMeeting:
        """The meeting object to connect to: between a handshake and its end it may have been freed.

        One that another server runs since then stays as it is, and sends its connections there.
        """
        if live.id not in self._meetings:
            if live.is_abandoned:
                return live
            self._meetings[live.id] = live
            live.spawn(self._take_again(live.meeting.parent_id or live.id))  # its lease went with it
        return self._meetings[live.id]

    async def _take_again(self, root_id: MeetingId) -> None:
        try:
            home = await self.placement.home(root_id)
        except Unavailable as away:
            log.warning("meeting_not_taken_again", meeting=root_id, reason=away.message)
            home = ""
        if home != self.placement.node_id:
            self._moved_away(root_id)

    # --- what REST asks -----------------------------------------------------------------------

    async def _with_session(self, scope: AppScope, meeting_id: MeetingId) -> tuple[LiveMeeting, Session]:
        live = self.find(scope, meeting_id)
        if live is None or live.session is None:
            raise NotFound(f"No active session found for meeting_id {meeting_id}")
        return live, live.session

    async def kick(
        self,
        scope: AppScope,
        meeting_id: MeetingId,
        participant_ids: Sequence[str],
        custom_participant_ids: Sequence[str],
    ) -> list[Reached]:
        """Remove every peer of these participants (peer ids are taken too), or nobody.

        Raises:
            NotFound: no session, or one of them is not in it.
        """
        live, _ = await self._with_session(scope, meeting_id)
        chosen = _choose(live, participant_ids, custom_participant_ids)
        for peer in chosen:
            live.remove(peer)
        return _reached(chosen)

    async def kick_all(self, scope: AppScope, meeting_id: MeetingId) -> int:
        """End the session for everybody; returns how many peers were there."""
        live, _ = await self._with_session(scope, meeting_id)
        return await live.end(EndReason.HOST_ENDED_MEETING)

    async def create_poll(
        self,
        scope: AppScope,
        meeting_id: MeetingId,
        question: str,
        options: Sequence[str],
        *,
        anonymous: bool,
        hide_votes: bool,
        created_by: str,
    ) -> PollView:
        """Open a poll in the running session."""
        live, _ = await self._with_session(scope, meeting_id)
        return await live.polls.add(
            question,
            options,
            anonymous=anonymous,
            hide_votes=hide_votes,
            created_by=created_by,
            created_by_id=scope.app_id,
        )

    async def mute(
        self,
        scope: AppScope,
        meeting_id: MeetingId,
        participant_ids: Sequence[str],
        custom_participant_ids: Sequence[str],
    ) -> list[Reached]:
        """Mute the microphones of these participants."""
        live, _ = await self._with_session(scope, meeting_id)
        chosen = _choose(live, participant_ids, custom_participant_ids)
        for peer in chosen:
            await live.publishing.mute_by_host(peer, ["audio"], None)
        return _reached(chosen)

    async def mute_all(self, scope: AppScope, meeting_id: MeetingId, *, allow_unmute: bool) -> int:
        """Mute every microphone; returns how many participants are muted now."""
        live, _ = await self._with_session(scope, meeting_id)
        for peer in live.joined():
            await live.publishing.mute_by_host(peer, ["audio"], None, allow_unmute=allow_unmute)
        return len({peer.participant.id for peer in live.joined()})

    def issue_token(self, app_id: AppId, meeting_id: MeetingId, peer: LivePeer) -> str:
        """A participant token for another room of the same meeting."""
        return self._tokens.issue(
            app_id=app_id,
            meeting_id=meeting_id,
            participant_id=peer.participant.id,
            preset_id=peer.preset.id,
        )


def _reached(peers: Sequence[LivePeer]) -> list[Reached]:
    people = {peer.participant.id: peer.participant for peer in peers}
    return [Reached(person) for person in people.values()]


def _choose(live: LiveMeeting, ids: Sequence[str], custom_ids: Sequence[str]) -> list[LivePeer]:
    if not ids and not custom_ids:
        raise Invalid("At least one participant is needed.", field="participant_ids")
    chosen: dict[PeerId, LivePeer] = {}
    present = live.joined()
    for wanted in [*ids, *custom_ids]:
        found = [
            peer
            for peer in present
            if (wanted in ids and wanted in (peer.participant.id, peer.id))
            or (wanted in custom_ids and peer.participant.custom_participant_id == wanted)
        ]
        if not found:
            raise NotFound(f"No user found with id {wanted}")
        chosen.update((peer.id, peer) for peer in found)
    return list(chosen.values())


class _Family:
    """`live.ports.Family` over the registry."""

    def __init__(self, registry: MeetingRegistry, scope: AppScope) -> None:
        self._registry = registry
        self._scope = scope

    async def open(self, meeting_id: MeetingId) -> LiveMeeting:
        return await self._registry.open(self._scope, meeting_id)

    def running(self, root_id: MeetingId) -> list[LiveMeeting]:
        return [
            live
            for live in self._registry.running()
            if live.scope.app_id == self._scope.app_id and root_id in (live.id, live.meeting.parent_id)
        ]

    async def session_of_parent(self, live: LiveMeeting) -> SessionId | None:
        if live.meeting.parent_id is None:
            return None
        parent = await live_store.live_session(self._scope, live.meeting.parent_id)
        return parent.id if parent else None

    def has_children_live(self, live: LiveMeeting) -> bool:
        return any(child.meeting.parent_id == live.id and child.joined() for child in self.running(live.id))

    def changed(self, live: LiveMeeting) -> None:
        self._registry.tell_observers(live)

    def broadcast(self, live: LiveMeeting, kind: str, payload: bytes) -> None:
        for observer in self._registry.observers:
            observer.broadcast(live, kind, payload)

    def peer_left(self, live: LiveMeeting) -> None:
        parent_id = live.meeting.parent_id
        parent = self._registry.find(self._scope, parent_id) if parent_id else None
        if parent is not None:
            parent.idling.watch()
        self._registry.drop_if_deserted(live)

    async def session_ended(self, live: LiveMeeting, session_id: SessionId, reason: EndReason) -> None:
        for child in self.running(live.id):
            if child.meeting.parent_id == live.id:
                await child.end(reason)
        self._registry.drop_if_deserted(live)

    def issue_token(self, live: LiveMeeting, peer: LivePeer, meeting_id: MeetingId) -> str:
        return self._registry.issue_token(live.scope.app_id, meeting_id, peer)
