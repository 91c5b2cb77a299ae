"""Rows of live streams and of the times they were on."""

from __future__ import annotations

import functools
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, ColumnElement, and_, bindparam, func, literal_column, or_, select, update

from parley.accounts.scope import AppScope, Change
from parley.base.ids import MeetingId, SessionId
from parley.base.paging import Order, Page, PageRequest
from parley.base.times import from_ms, to_ms
from parley.livestreams.model import (
    ACTIVE,
    DayUse,
    Livestream,
    LivestreamFilter,
    LivestreamId,
    LivestreamStatus,
    Run,
    RunId,
)
from parley.meetings.sessions import store as sessions
from parley.store.ports import Database
from parley.store.query import Query, SystemQuery, insert_row
from parley.store.rows import RowMap
from parley.store.schema import recordings as tables

_streams = RowMap(Livestream, tables.livestreams)
_runs = RowMap(Run, tables.livestream_sessions)
s, n = tables.livestreams.c, tables.livestream_sessions.c
_APP: Any = bindparam("app_id")
_ACTIVE = or_(*(s.status == status.value for status in sorted(ACTIVE)))
_DAY_MS = 86_400_000

# --- streams ----------------------------------------------------------------------------------

_INSERT = insert_row(tables.livestreams)
_one = select(*_streams.columns).where(s.app_id == _APP, s.id == bindparam("id"))
_ONE, _LOCK = Query(_one), Query(_one.with_for_update())
_of_meeting = select(*_streams.columns).where(s.app_id == _APP, s.meeting_id == bindparam("meeting"))
_OF_MEETING, _LOCK_OF_MEETING = Query(_of_meeting), Query(_of_meeting.with_for_update())
_BY_KEY = SystemQuery(select(*_streams.columns).where(s.key_hash == bindparam("hash")))
_BY_ID = SystemQuery(select(*_streams.columns).where(s.id == bindparam("id")))
_ANY_INDEPENDENT = SystemQuery(select(s.id).where(s.meeting_id.is_(None)).limit(1))
_PUT = Query(
    update(tables.livestreams)
    .where(s.app_id == _APP, s.id == bindparam("id"))
    .values(
        {
            name: bindparam(name)
            for name in (
                *("name", "status", "is_disabled", "config", "sealed_key", "key_hash", "updated_at"),
            )
        }
    )
)


async def insert(change: Change, stream: Livestream) -> None:
    """Add a stream."""
    await change.run(_INSERT, **_streams.write(stream))


async def get(scope: AppScope, stream_id: str) -> Livestream | None:
    """A stream of the app."""
    row = await scope.one(_ONE, id=stream_id)
    return _streams.read(row) if row else None


async def lock(change: Change, stream_id: LivestreamId) -> Livestream | None:
    """The same, for a change of it."""
    row = await change.one(_LOCK, id=stream_id)
    return _streams.read(row) if row else None


async def of_meeting(scope: AppScope, meeting_id: MeetingId) -> Livestream | None:
    """The stream of a meeting."""
    row = await scope.one(_OF_MEETING, meeting=meeting_id)
    return _streams.read(row) if row else None


async def lock_of_meeting(change: Change, meeting_id: MeetingId) -> Livestream | None:
    """The same, for a change of it; two at once see each other also before there is one."""
    await sessions.lock_meeting(change, meeting_id)
    row = await change.one(_LOCK_OF_MEETING, meeting=meeting_id)
    return _streams.read(row) if row else None


async def put(change: Change, stream: Livestream) -> None:
    """Store a changed stream."""
    await change.run(_PUT, **_streams.write(stream))


async def by_key(database: Database, key_hash: str) -> Livestream | None:
    """The stream of a key, whoever's it is."""
    row = await database.one(_BY_KEY, hash=key_hash)
    return _streams.read(row) if row else None


async def by_id(database: Database, stream_id: str) -> Livestream | None:
    """A stream for its viewers and encoders, whoever's it is."""
    row = await database.one(_BY_ID, id=stream_id)
    return _streams.read(row) if row else None


async def has_independent(database: Database) -> bool:
    """Whether any app has a stream that RTMP is pushed to."""
    return await database.one(_ANY_INDEPENDENT) is not None


@functools.cache
def _list(given: frozenset[str], order: Order) -> tuple[Query, Query]:
    wanted: list[ColumnElement[bool]] = [s.app_id == _APP]
    if "status" in given:
        wanted.append(s.status == bindparam("status"))
    if "independent" in given:
        wanted.append(and_(s.meeting_id.is_(None), bindparam("independent") == 1))
    if "from_ms" in given:
        wanted.append(s.created_at >= bindparam("from_ms"))
    if "to_ms" in given:
        wanted.append(s.created_at <= bindparam("to_ms"))
    where = and_(*wanted)
    by = (s.created_at, s.id) if order is Order.ASC else (s.created_at.desc(), s.id.desc())
    rows = select(*_streams.columns).where(where).order_by(*by)
    return (
        Query(rows.limit(bindparam("size")).offset(bindparam("skip"))),
        Query(select(func.count()).select_from(tables.livestreams).where(where)),
    )


async def list_streams(scope: AppScope, wanted: LivestreamFilter, page: PageRequest) -> Page[Livestream]:
    """A page of the app's streams."""
    optional = {
        "status": None if wanted.status is None else wanted.status.value,
        "independent": 1 if wanted.without_meetings else None,
        "from_ms": to_ms(wanted.created_from) if wanted.created_from else None,
        "to_ms": to_ms(wanted.created_to) if wanted.created_to else None,
    }
    params = {name: value for name, value in optional.items() if value is not None}
    rows, count = _list(frozenset(params), wanted.order)
    found = await scope.all(rows, **params, size=page.size, skip=page.skip)
    total = await scope.one(count, **params)
    assert total is not None
    return Page([_streams.read(row) for row in found], total[0], page)


# --- runs -------------------------------------------------------------------------------------

_INSERT_RUN = insert_row(tables.livestream_sessions)
_RUN = Query(select(*_runs.columns).where(n.app_id == _APP, n.id == bindparam("id")))
_LAST_RUN = Query(
    select(*_runs.columns)
    .where(n.app_id == _APP, n.livestream_id == bindparam("stream"))
    .order_by(n.created_at.desc(), n.id.desc())
    .limit(1)
)
_PUT_RUN = Query(
    update(tables.livestream_sessions)
    .where(n.app_id == _APP, n.id == bindparam("id"))
    .values(
        {
            name: bindparam(name)
            for name in ("session_id", "error", "ingest_ms", "started_at", "stopped_at", "updated_at")
        }
    )
)
_WATCHED = SystemQuery(
    update(tables.livestream_sessions)
    .where(n.id == bindparam("id"))
    .values(viewer_ms=n.viewer_ms + bindparam("watched_ms"))
)


@functools.cache
def _runs_of(column: str) -> tuple[Query, Query]:
    where = and_(n.app_id == _APP, tables.livestream_sessions.c[column] == bindparam("owner"))
    rows = select(*_runs.columns).where(where).order_by(n.created_at.desc(), n.id.desc())
    return (
        Query(rows.limit(bindparam("size")).offset(bindparam("skip"))),
        Query(select(func.count()).select_from(tables.livestream_sessions).where(where)),
    )


async def insert_run(change: Change, run: Run) -> None:
    """Add a run."""
    await change.run(_INSERT_RUN, **_runs.write(run))


async def get_run(scope: AppScope, run_id: str) -> Run | None:
    """A run of the app."""
    row = await scope.one(_RUN, id=run_id)
    return _runs.read(row) if row else None


async def last_run(reader: AppScope | Change, stream_id: LivestreamId) -> Run | None:
    """The newest run of a stream."""
    row = await reader.one(_LAST_RUN, stream=stream_id)
    return _runs.read(row) if row else None


async def put_run(change: Change, run: Run) -> None:
    """Store a changed run, all but how long it was watched."""
    await change.run(_PUT_RUN, **_runs.write(run))


async def watched(database: Database, run_id: RunId, watched_ms: int) -> None:
    """Somebody watched a run for that much longer."""
    await database.run(_WATCHED, id=run_id, watched_ms=watched_ms)


async def _page(scope: AppScope, column: str, owner: str, page: PageRequest) -> Page[Run]:
    rows, count = _runs_of(column)
    found = await scope.all(rows, owner=owner, size=page.size, skip=page.skip)
    total = await scope.one(count, owner=owner)
    assert total is not None
    return Page([_runs.read(row) for row in found], total[0], page)


async def runs_of_stream(scope: AppScope, stream_id: LivestreamId, page: PageRequest) -> Page[Run]:
    """A page of a stream's runs, newest first."""
    return await _page(scope, "livestream_id", stream_id, page)


async def was_streamed(scope: AppScope, session_id: SessionId) -> bool:
    """Whether a session was ever streamed, or is to be."""
    page = await runs_of_session(scope, session_id, PageRequest(1, 1))
    return page.total > 0


async def runs_of_session(scope: AppScope, session_id: SessionId, page: PageRequest) -> Page[Run]:
    """A page of the runs in a session of a meeting, newest first."""
    return await _page(scope, "session_id", session_id, page)


# --- use --------------------------------------------------------------------------------------

_so_far = func.coalesce(n.stopped_at, bindparam("now", type_=BigInteger)) - n.started_at
_day = n.created_at - n.created_at % literal_column(str(_DAY_MS))
"""PostgreSQL groups by it only where it is written out."""
_USE = Query(
    select(
        _day.label("day"),
        func.count(),
        func.sum(func.coalesce(_so_far, 0)),
        func.sum(n.viewer_ms),
    )
    .where(n.app_id == _APP, n.created_at >= bindparam("from_ms"), n.created_at <= bindparam("to_ms"))
    .group_by(_day)
    .order_by(_day)
)


async def use(scope: AppScope, start: datetime, end: datetime) -> list[DayUse]:
    """What was streamed, by the day on which each run was asked for; days without any are left out."""
    now = to_ms(scope.now())
    rows = await scope.all(_USE, from_ms=to_ms(start), to_ms=to_ms(end), now=now)
    return [DayUse(from_ms(int(row[0])), row[1], int(row[2] or 0), int(row[3] or 0)) for row in rows]


# --- how active ones stand --------------------------------------------------------------------

_active_runs = tables.livestreams.join(
    tables.livestream_sessions, and_(n.livestream_id == s.id, n.stopped_at.is_(None))
)
_STANDINGS = SystemQuery(
    select(s.app_id, s.id, n.invoked_at, *sessions.ATTENDANCE)
    .select_from(sessions.with_sessions(_active_runs, s.meeting_id, n.session_id))
    .where(_ACTIVE, s.meeting_id.is_not(None))
)
_PUSHED = SystemQuery(
    select(s.app_id, s.id)
    .select_from(_active_runs)
    .where(
        s.status == LivestreamStatus.LIVE.value,
        n.updated_at < bindparam("before"),
        or_(s.meeting_id.is_(None), s.config.like('%"manual_ingest":true%')),
    )
)


async def silent(database: Database, before: datetime) -> list[tuple[str, LivestreamId]]:
    """App and id of live streams that RTMP was pushed to, and whose server has said nothing since."""
    rows = await database.all(_PUSHED, before=to_ms(before))
    return [(row[0], LivestreamId(row[1])) for row in rows]


class Standing(msgspec.Struct, frozen=True):
    """The active stream of a meeting, and whether anybody is there."""

    app_id: str
    id: LivestreamId
    invoked_at: datetime
    attendance: sessions.Attendance


async def standings(database: Database) -> list[Standing]:
    """Every active stream of a meeting, whoever's it is."""
    return [
        Standing(app_id, LivestreamId(stream_id), from_ms(invoked), sessions.Attendance.read(attendance))
        for app_id, stream_id, invoked, *attendance in await database.all(_STANDINGS)
    ]
