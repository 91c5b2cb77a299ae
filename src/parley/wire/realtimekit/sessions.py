"""Sessions and who was in them (`realtimekit.md` section 8)."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from parley.accounts.scope import AppScope
from parley.base.errors import Invalid, NotFound, StateForbids
from parley.base.ids import MeetingId, PeerId, SessionId
from parley.base.paging import Order
from parley.base.times import iso_ms
from parley.meetings.history import service
from parley.meetings.history.model import (
    PeerFilter,
    PeerReport,
    PeerSort,
    PeerView,
    SessionFilter,
    SessionReport,
    SessionSort,
)
from parley.meetings.model import SessionStatus
from parley.quality.model import CallData
from parley.wire.realtimekit.answers import One, Paging, Timestamp, Uuid
from parley.wire.realtimekit.endpoint import AppCall, Routes
from parley.wire.realtimekit.peers import (
    Filter,
    PeerDetails,
    PeerReportShape,
    PeerShape,
    peer_details,
    peer_report,
    peer_shape,
)
from parley.wire.realtimekit.reading import Instant, PageQuery, time_range
from parley.wire.realtimekit.session_shapes import SessionDetails, SessionShape, details_of, shape_of

_RANGE = re.compile(r"(\d{0,9}):(\d{0,9})", re.ASCII)


class Sessions(msgspec.Struct, frozen=True):
    """The sessions of a page."""

    sessions: Sequence[SessionShape]


class SessionList(msgspec.Struct, frozen=True):
    """A page of sessions."""

    data: Sessions
    paging: Paging
    success: bool = True


class Participants(msgspec.Struct, frozen=True):
    """The peers of a page."""

    participants: Sequence[PeerShape]
    paging: Paging


class ParticipantList(msgspec.Struct, frozen=True):
    """A page of the peers of a session."""

    data: Participants
    paging: Paging
    success: bool = True


class SessionQuery(PageQuery, frozen=True, kw_only=True):
    """Which sessions."""

    sort_by: Literal["minutesConsumed", "createdAt"] = "createdAt"
    sort_order: Literal["ASC", "DESC"] = "DESC"
    start_time: Instant = ""
    end_time: Instant = ""
    participants: str = ""
    """`min:max` of how many were there at most; either side may be empty."""
    status: Literal["LIVE", "ENDED"] | UnsetType = UNSET
    search: str = ""
    associated_id: str = ""


class DetailsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What else of a session."""

    include_breakout_rooms: bool = False


class PeersQuery(PageQuery, frozen=True, kw_only=True):
    """Which peers of a session."""

    search: str = ""
    sort_by: Literal["joinedAt", "duration"] = "joinedAt"
    sort_order: Literal["ASC", "DESC"] = "ASC"
    include_peer_events: bool = False
    view: Literal["raw", "consolidated"] = "raw"


class PeerQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What else of a peer."""

    filters: list[Filter] = []
    include_peer_events: bool = False


class ChatLink(msgspec.Struct, frozen=True):
    """Where the chat of a session can be downloaded."""

    chat_download_url: str
    chat_download_url_expiry: Timestamp


class TranscriptLink(msgspec.Struct, frozen=True):
    """Where the transcript of a session can be downloaded."""

    session_id: Uuid = msgspec.field(name="sessionId")
    transcript_download_url: str
    transcript_download_url_expiry: Timestamp


class SummaryLink(msgspec.Struct, frozen=True, rename="camel"):
    """Where the summary of a session can be downloaded."""

    session_id: Uuid
    summary_download_url: str
    summary_download_url_expiry: Timestamp


class SummaryStarted(msgspec.Struct, frozen=True):
    """How the summary stands."""

    session_id: Uuid
    status: Literal["IN_PROGRESS", "COMPLETED"]


class TranscriptQuery(msgspec.Struct, frozen=True, kw_only=True):
    """In which form."""

    format: Literal["SRT", "VTT", "JSON", "CSV", "srt", "vtt", "json", "csv"] = "CSV"


async def _load(scope: AppScope, path: Mapping[str, str]) -> SessionReport:
    return await service.get_session(scope, SessionId(path["session_id"]))


routes = Routes("Sessions", loads={"session": _load})


def _peer_range(text: str) -> tuple[int | None, int | None]:
    if not text:
        return None, None
    found = _RANGE.fullmatch(text)
    if found is None:
        raise Invalid('"participants" must look like min:max', field="participants")
    low, high = (int(part) if part else None for part in found.groups())
    return low, high


@routes.get("{app}/sessions")
async def list_sessions(call: AppCall, query: SessionQuery) -> SessionList:
    """List sessions.

    `search` is part of a title, or a whole session or meeting id; `participants` is a range such as `2:10`;
    times are those of creation. Sessions of breakout rooms are shown in the details of their parent.
    """
    start, end = time_range(query.start_time, query.end_time)
    low, high = _peer_range(query.participants)
    wanted = SessionFilter(
        search=query.search or None,
        meeting_id=MeetingId(query.associated_id) if query.associated_id else None,
        status=None if query.status is UNSET else SessionStatus(query.status),
        created_from=start,
        created_to=end,
        min_peers=low,
        max_peers=high,
        sort=SessionSort(query.sort_by),
        order=Order(query.sort_order),
    )
    page = await service.list_sessions(call.scope, wanted, query.page())
    return SessionList(Sessions([shape_of(report) for report in page.rows]), Paging.of(page))


@routes.get("{app}/sessions/{session_id}")
async def get_session(call: AppCall, session: SessionReport, query: DetailsQuery) -> One[SessionDetails]:
    """Get a session.

    A running session is counted up to now.
    """
    rooms: list[SessionReport] | None = None
    if query.include_breakout_rooms:
        rooms = await service.breakout_sessions(call.scope, session.session.id)
    return One(details_of(session, rooms))


@routes.get("{app}/sessions/{session_id}/participants")
async def list_session_participants(
    call: AppCall, session: SessionReport, query: PeersQuery
) -> ParticipantList:
    """List who was in a session.

    One row for each connection, whose `id` is that of the peer; with `view=consolidated` one row for each
    participant, over this session and its breakout rooms. `search` is part of a name or custom id, or a whole
    participant or peer id.
    """
    wanted = PeerFilter(
        search=query.search or None,
        view=PeerView(query.view),
        sort=PeerSort(query.sort_by),
        order=Order(query.sort_order),
    )
    page = await service.list_peers(call.scope, session.session.id, wanted, query.page())
    events: Mapping[PeerId, Any] = {}
    if query.include_peer_events:
        events = await service.events_of(call.scope, session.session.id, page.rows, wanted.view)
    rows = [peer_shape(peer, events.get(peer.id)) for peer in page.rows]
    paging = Paging.of(page)
    return ParticipantList(Participants(rows, paging), paging)


@routes.get("{app}/sessions/{session_id}/participants/{participant_id}")
async def get_session_participant(
    call: AppCall, session: SessionReport, participant_id: str, query: PeerQuery
) -> One[PeerDetails]:
    """Get somebody who was in a session.

    The id is that of a peer, or of a participant, whose latest connection is told then.
    """
    peer = await service.peer_of_session(call.scope, session.session.id, participant_id)
    events, measured = await _known(call, peer)
    return One(peer_details(peer, events, measured, query.filters, query.include_peer_events))


@routes.get("{app}/sessions/{session_id}/chat")
async def get_session_chat(call: AppCall, session: SessionReport) -> One[ChatLink]:
    """Get the chat of an ended session.

    A link to a CSV file, made anew each time, that works for a week or for as long as the chat is kept.
    404 while the session runs, when nothing was written in it, and when its time is over.
    """
    link = await call.context.chat_dumps.link(call.scope, session.session)
    return One(ChatLink(link.url, iso_ms(link.expires_at)))


@routes.get("{app}/sessions/{session_id}/transcript")
async def get_session_transcript(
    call: AppCall, session: SessionReport, query: TranscriptQuery
) -> One[TranscriptLink]:
    """Get the transcript of a session.

    404 when there is none: nothing transcribes meetings on this server yet.
    """
    raise NotFound(f"No transcript found for session with id {session.session.id}")


@routes.get("{app}/sessions/{session_id}/summary")
async def get_session_summary(call: AppCall, session: SessionReport) -> One[SummaryLink]:
    """Get the summary of a session.

    404 when there is none: a summary is made of a transcript.
    """
    raise NotFound(f"No summary found for session with id {session.session.id}")


@routes.post("{app}/sessions/{session_id}/summary")
async def summarize_session(call: AppCall, session: SessionReport) -> One[SummaryStarted]:
    """Make a summary of a session's transcript.

    400 while the session runs, 404 without a transcript.
    """
    if session.session.status is SessionStatus.LIVE:
        raise StateForbids("The session is still running")
    raise NotFound(f"No transcript found for session with id {session.session.id}")


@routes.get("{app}/sessions/peer-report/{peer_id}")
async def get_peer_report(call: AppCall, peer_id: str, query: PeerQuery) -> One[PeerReportShape]:
    """Get the report of a peer.

    Only what was measured is told; `filters` limits it to some parts.
    """
    peer = await service.get_peer(call.scope, PeerId(peer_id))
    events, measured = await _known(call, peer)
    return One(peer_report(peer, events, measured, query.filters, query.include_peer_events))


async def _known(call: AppCall, peer: PeerReport) -> tuple[Sequence[Any], CallData]:
    found = await service.events_of(call.scope, peer.session_id, [peer], PeerView.RAW)
    return found[peer.id], await call.context.quality.call_of(call.scope, peer.session_id, peer.id)
