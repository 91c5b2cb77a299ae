"""Every statement that reads what ran."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from datetime import date
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
)

from parley.accounts.scope import AppScope
from parley.base.days import DAY_MS, DayCount, Days
from parley.base.ids import MeetingId, PeerId, SessionId
from parley.base.paging import Order, Page, PageRequest
from parley.base.times import from_ms, to_ms
from parley.meetings.history.model import (
    PeerFilter,
    PeerReport,
    PeerSort,
    PeerView,
    SessionFilter,
    SessionReport,
    SessionSort,
)
from parley.meetings.model import Peer, PeerEvent, PeerEventName, Session, SessionStatus
from parley.store.query import Query, in_list, json_list, like_pattern
from parley.store.rows import RowMap
from parley.store.schema import tables as t

_sessions = RowMap(Session, t.sessions)
_peers = RowMap(Peer, t.peers)
_events = RowMap(PeerEvent, t.peer_events)
s, p, e = t.sessions.c, t.peers.c, t.peer_events.c
_APP: Any = bindparam("app_id")
_NOW = cast(bindparam("now", type_=BigInteger), BigInteger)
_open_ms = (
    select(func.coalesce(func.sum(_NOW - p.joined_at), 0))
    .where(p.session_id == s.id, p.left_at.is_(None), p.is_hidden.is_(False))
    .correlate(t.sessions)
    .scalar_subquery()
)
_consumed_ms = case(
    (s.status == SessionStatus.LIVE, s.connected_ms + cast(_open_ms, BigInteger)), else_=s.connected_ms
)
_reports = select(*_sessions.columns, _consumed_ms.label("consumed_ms"))

# --- sessions ---------------------------------------------------------------------------------

_SESSION = Query(_reports.where(s.app_id == _APP, s.id == bindparam("id")))
_LIVE_SESSION = Query(
    _reports.where(s.app_id == _APP, s.meeting_id == bindparam("meeting"), s.status == SessionStatus.LIVE)
)
_BREAKOUT_SESSIONS = Query(
    _reports.where(s.app_id == _APP, s.parent_id == bindparam("id")).order_by(s.created_at, s.id)
)


def _range(given: frozenset[str], column: ColumnElement[int], low: str, high: str) -> list[Any]:
    wanted = []
    if low in given:
        wanted.append(column >= bindparam(low))
    if high in given:
        wanted.append(column <= bindparam(high))
    return wanted


@functools.cache
def _list_sessions(given: frozenset[str], sort: SessionSort, order: Order) -> tuple[Query, Query]:
    wanted: list[ColumnElement[bool]] = [s.app_id == _APP, s.parent_id.is_(None)]
    if "pattern" in given:
        whole: Any = bindparam("search")
        in_title = func.lower(s.title).like(bindparam("pattern"), escape="\\")
        wanted.append(or_(in_title, s.id == whole, s.meeting_id == whole))
    if "meeting" in given:
        wanted.append(s.meeting_id == bindparam("meeting"))
    if "status" in given:
        wanted.append(s.status == bindparam("status"))
    wanted += _range(given, s.created_at, "from_ms", "to_ms")
    wanted += _range(given, s.max_concurrent_participants, "min_peers", "max_peers")
    where = and_(*wanted)
    first: Any = _consumed_ms if sort is SessionSort.MINUTES_CONSUMED else s.created_at
    by = (first, s.id) if order is Order.ASC else (first.desc(), s.id.desc())
    return (
        Query(_reports.where(where).order_by(*by).limit(bindparam("size")).offset(bindparam("skip"))),
        Query(select(func.count()).select_from(t.sessions).where(where)),
    )


def _read_report(row: Any) -> SessionReport:
    return SessionReport(_sessions.read(row[:-1]), row[-1] / 60_000)


async def get_session(scope: AppScope, session_id: SessionId) -> SessionReport | None:
    """A session of the app."""
    row = await scope.one(_SESSION, id=session_id, now=to_ms(scope.now()))
    return _read_report(row) if row else None


async def live_session(scope: AppScope, meeting_id: MeetingId) -> SessionReport | None:
    """The session that runs in a meeting now."""
    row = await scope.one(_LIVE_SESSION, meeting=meeting_id, now=to_ms(scope.now()))
    return _read_report(row) if row else None


async def breakout_sessions(scope: AppScope, session_id: SessionId) -> list[SessionReport]:
    """The sessions of a session's breakout rooms, oldest first."""
    rows = await scope.all(_BREAKOUT_SESSIONS, id=session_id, now=to_ms(scope.now()))
    return [_read_report(row) for row in rows]


async def list_sessions(scope: AppScope, wanted: SessionFilter, page: PageRequest) -> Page[SessionReport]:
    """A page of the app's sessions; those of breakout rooms are reported with their parent."""
    optional = {
        "pattern": like_pattern(wanted.search) if wanted.search else None,
        "search": wanted.search or None,
        "meeting": wanted.meeting_id,
        "status": wanted.status.value if wanted.status else None,
        "from_ms": to_ms(wanted.created_from) if wanted.created_from else None,
        "to_ms": to_ms(wanted.created_to) if wanted.created_to else None,
        "min_peers": wanted.min_peers,
        "max_peers": wanted.max_peers,
    }
    params = {name: value for name, value in optional.items() if value is not None}
    rows, count = _list_sessions(frozenset(params), wanted.sort, wanted.order)
    found = await scope.all(rows, **params, size=page.size, skip=page.skip, now=to_ms(scope.now()))
    total = await scope.one(count, **params)
    assert total is not None
    return Page([_read_report(row) for row in found], total[0], page)


# --- peers ------------------------------------------------------------------------------------

_ONE_PEER = Query(
    select(*_peers.columns).where(
        p.app_id == _APP, p.session_id == bindparam("session"), p.id == bindparam("id")
    )
)
_LATEST_PEER_OF = Query(
    select(*_peers.columns)
    .where(p.app_id == _APP, p.session_id == bindparam("session"), p.participant_id == bindparam("id"))
    .order_by(p.joined_at.desc(), p.created_at.desc(), p.id.desc())
    .limit(1)
)
_PEER_ANYWHERE = Query(
    select(*_peers.columns)
    .where(p.app_id == _APP, p.id == bindparam("id"))
    .order_by(p.created_at.desc(), p.session_id)
    .limit(1)
)
_step = case((e.name == PeerEventName.PEER_CREATED, 0), (e.name == PeerEventName.PEER_JOINING, 1), else_=2)
"""A peer is created and joins within one millisecond."""
_EVENTS = Query(
    select(*_events.columns)
    .where(
        e.app_id == _APP,
        in_list(e.session_id, "sessions"),
        in_list(e.participant_id, "participants"),
    )
    .order_by(e.created_at, _step, e.id)
)
_FAMILY = Query(
    select(s.id).where(s.app_id == _APP, or_(s.id == bindparam("id"), s.parent_id == bindparam("id")))
)
_FIELDS = (
    "id",
    "session_id",
    "participant_id",
    "custom_participant_id",
    "display_name",
    "preset_name",
    "view_type",
    "joined_at",
    "left_at",
    "connected_ms",
    "created_at",
    "updated_at",
)
"""Columns of both views below, in the order of `PeerReport`."""


def _raw() -> Select[Any]:
    return select(
        *[p[name] for name in _FIELDS[:9]],
        (func.coalesce(p.left_at, _NOW) - p.joined_at).label("connected_ms"),
        p.created_at,
        p.updated_at,
    ).where(p.app_id == _APP, p.session_id == bindparam("session"))


def _consolidated() -> Select[Any]:
    """The latest connection of each participant, with times over all of them."""
    family = select(s.id).where(
        s.app_id == _APP, or_(s.id == bindparam("session"), s.parent_id == bindparam("session"))
    )
    each: dict[str, Any] = {"partition_by": p.participant_id}
    is_here = func.max(case((p.left_at.is_(None), 1), else_=0)).over(**each)
    latest_first = (p.joined_at.desc(), p.created_at.desc(), p.id.desc())
    rows = (
        select(
            *[p[name] for name in _FIELDS[:7]],
            func.min(p.joined_at).over(**each).label("joined_at"),
            case((is_here == 1, null()), else_=func.max(p.left_at).over(**each)).label("left_at"),
            cast(func.sum(func.coalesce(p.left_at, _NOW) - p.joined_at).over(**each), BigInteger).label(
                "connected_ms"
            ),
            func.min(p.created_at).over(**each).label("created_at"),
            func.max(p.updated_at).over(**each).label("updated_at"),
            func.row_number().over(**each, order_by=latest_first).label("place"),
        )
        .where(p.app_id == _APP, p.session_id.in_(family))
        .subquery("consolidated")
    )
    return select(*[rows.c[name] for name in _FIELDS]).where(rows.c.place == literal(1))


@functools.cache
def _list_peers(searching: bool, view: PeerView, sort: PeerSort, order: Order) -> tuple[Query, Query]:
    source = (_raw() if view is PeerView.RAW else _consolidated()).subquery("report")
    rows = select(*[source.c[name] for name in _FIELDS])
    count = select(func.count()).select_from(source)
    if searching:
        whole: Any = bindparam("search")
        pattern: Any = bindparam("pattern")
        found = or_(
            source.c.id == whole,
            source.c.participant_id == whole,
            func.lower(source.c.custom_participant_id).like(pattern, escape="\\"),
            func.lower(source.c.display_name).like(pattern, escape="\\"),
        )
        rows, count = rows.where(found), count.where(found)
    first = source.c.joined_at if sort is PeerSort.JOINED_AT else source.c.connected_ms
    by = (first, source.c.id) if order is Order.ASC else (first.desc(), source.c.id.desc())
    return Query(rows.order_by(*by).limit(bindparam("size")).offset(bindparam("skip"))), Query(count)


def _read_peer(row: Any) -> PeerReport:
    values = dict(zip(_FIELDS, row, strict=True))
    for name in ("joined_at", "created_at", "updated_at"):
        values[name] = from_ms(values[name])
    left = values["left_at"]
    values["left_at"] = None if left is None else from_ms(left)
    return PeerReport(**values)


async def list_peers(
    scope: AppScope, session_id: SessionId, wanted: PeerFilter, page: PageRequest
) -> Page[PeerReport]:
    """A page of the peers, or participants, of a session."""
    params: dict[str, Any] = {"session": session_id, "now": to_ms(scope.now())}
    if wanted.search:
        params |= {"search": wanted.search, "pattern": like_pattern(wanted.search)}
    rows, count = _list_peers(bool(wanted.search), wanted.view, wanted.sort, wanted.order)
    found = await scope.all(rows, **params, size=page.size, skip=page.skip)
    total = await scope.one(count, **params)
    assert total is not None
    return Page([_read_peer(row) for row in found], total[0], page)


async def peer_of_session(scope: AppScope, session_id: SessionId, some_id: str) -> Peer | None:
    """The peer of that id, or the latest peer of the participant of that id."""
    row = await scope.one(_ONE_PEER, session=session_id, id=some_id)
    if row is None:
        row = await scope.one(_LATEST_PEER_OF, session=session_id, id=some_id)
    return _peers.read(row) if row else None


async def find_peer(scope: AppScope, peer_id: PeerId) -> Peer | None:
    """A peer of any session; of several the latest."""
    row = await scope.one(_PEER_ANYWHERE, id=peer_id)
    return _peers.read(row) if row else None


async def family_of(scope: AppScope, session_id: SessionId) -> list[SessionId]:
    """A session and those of its breakout rooms."""
    return [SessionId(row[0]) for row in await scope.all(_FAMILY, id=session_id)]


async def peer_events(
    scope: AppScope, session_ids: Iterable[SessionId], participant_ids: Iterable[str]
) -> list[PeerEvent]:
    """Steps of these participants' peers in these sessions, in order."""
    rows = await scope.all(_EVENTS, sessions=json_list(session_ids), participants=json_list(participant_ids))
    return [_events.read(row) for row in rows]


# --- days -------------------------------------------------------------------------------------

_days = (
    select((s.started_at // DAY_MS).label("day"), _consumed_ms.label("ms"))
    .where(s.app_id == _APP, s.started_at >= bindparam("from_ms"), s.started_at < bindparam("until_ms"))
    .subquery("days")
)
_BY_DAY = Query(
    select(
        cast(_days.c.day, BigInteger), func.count(), cast(func.sum(_days.c.ms), BigInteger).label("ms")
    ).group_by(_days.c.day)
)


async def sessions_by_day(scope: AppScope, days: Days) -> dict[date, DayCount]:
    """How many sessions began on each day, those of breakout rooms too, and how long people were in them."""
    rows = await scope.all(_BY_DAY, from_ms=days.start_ms, until_ms=days.end_ms, now=to_ms(scope.now()))
    return days.filled({row[0]: DayCount(row[1], row[2]) for row in rows})
