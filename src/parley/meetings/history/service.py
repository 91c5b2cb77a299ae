"""Questions about what ran."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from parley.accounts.scope import AppScope
from parley.base.days import DayCount, Days
from parley.base.errors import NotFound
from parley.base.ids import MeetingId, PeerId, SessionId
from parley.base.paging import Page, PageRequest
from parley.meetings.history import store
from parley.meetings.history.model import PeerFilter, PeerReport, PeerView, SessionFilter, SessionReport
from parley.meetings.model import PeerEvent


async def list_sessions(scope: AppScope, wanted: SessionFilter, page: PageRequest) -> Page[SessionReport]:
    """A page of the app's sessions; those of breakout rooms belong to their parent (`breakout_sessions`)."""
    return await store.list_sessions(scope, wanted, page)


async def get_session(scope: AppScope, session_id: SessionId) -> SessionReport:
    """One session.

    Raises:
        NotFound: no such session in this app.
    """
    found = await store.get_session(scope, session_id)
    if found is None:
        raise NotFound(f"No session found with id {session_id}")
    return found


async def active_session(scope: AppScope, meeting_id: MeetingId) -> SessionReport:
    """The session that runs in a meeting now.

    Raises:
        NotFound: none runs.
    """
    found = await store.live_session(scope, meeting_id)
    if found is None:
        raise NotFound(f"No active session found for meeting_id {meeting_id}")
    return found


async def breakout_sessions(scope: AppScope, session_id: SessionId) -> list[SessionReport]:
    """The sessions of a session's breakout rooms, oldest first."""
    return await store.breakout_sessions(scope, session_id)


async def list_peers(
    scope: AppScope, session_id: SessionId, wanted: PeerFilter, page: PageRequest
) -> Page[PeerReport]:
    """A page of the peers, or participants, of a session."""
    return await store.list_peers(scope, session_id, wanted, page)


async def peer_of_session(scope: AppScope, session_id: SessionId, some_id: str) -> PeerReport:
    """A peer of a session, by its own id or by that of its participant (their latest peer then).

    Raises:
        NotFound: neither was in the session.
    """
    peer = await store.peer_of_session(scope, session_id, some_id)
    if peer is None:
        raise NotFound(f"No participant found with id {some_id}")
    return PeerReport.of(peer, scope.now())


async def get_peer(scope: AppScope, peer_id: PeerId) -> PeerReport:
    """A peer of any session of the app; of several with that id the latest.

    Raises:
        NotFound: no such peer in this app.
    """
    peer = await store.find_peer(scope, peer_id)
    if peer is None:
        raise NotFound(f"No peer found with id {peer_id}")
    return PeerReport.of(peer, scope.now())


async def events_of(
    scope: AppScope, session_id: SessionId, peers: Sequence[PeerReport], view: PeerView
) -> Mapping[PeerId, list[PeerEvent]]:
    """The steps of each report's life by its id: of that peer, or of all peers of the participant."""
    sessions: Iterable[SessionId] = {peer.session_id for peer in peers}
    if view is PeerView.CONSOLIDATED:
        sessions = await store.family_of(scope, session_id)
    events = await store.peer_events(scope, sessions, {peer.participant_id for peer in peers})
    if view is PeerView.CONSOLIDATED:
        return {
            peer.id: [event for event in events if event.participant_id == peer.participant_id]
            for peer in peers
        }
    return {
        peer.id: [
            event for event in events if (event.peer_id, event.session_id) == (peer.id, peer.session_id)
        ]
        for peer in peers
    }


async def sessions_by_day(scope: AppScope, days: Days) -> dict[date, DayCount]:
    """How many sessions began on each day, those of breakout rooms too, and how long people were in them.

    A session that runs is counted up to now.
    """
    return await store.sessions_by_day(scope, days)
