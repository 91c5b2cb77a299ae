"""Every statement about recordings."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, ColumnElement, and_, bindparam, case, cast, func, or_, select, update

from parley.accounts.scope import AppScope, Change
from parley.base.days import DAY_MS, DayCount, Days
from parley.base.ids import MeetingId, PeerId, SessionId
from parley.base.paging import Order, Page, PageRequest
from parley.base.times import from_ms, to_ms
from parley.meetings.sessions import store as sessions
from parley.recordings.model import (
    ACTIVE,
    Moment,
    MomentKind,
    Recording,
    RecordingFilter,
    RecordingId,
    RecordingStatus,
    Track,
    TrackId,
)
from parley.store.ports import Database
from parley.store.query import Query, SystemQuery, in_list, insert_row, json_list, like_pattern
from parley.store.rows import RowMap
from parley.store.schema import recordings as tables
from parley.store.schema import tables as t

_recordings = RowMap(Recording, tables.recordings)
_tracks = RowMap(Track, tables.recording_tracks)
_moments = RowMap(Moment, tables.recording_moments)
r, k, m = tables.recordings.c, tables.recording_tracks.c, tables.recording_moments.c
_APP: Any = bindparam("app_id")
_NOW = cast(bindparam("now", type_=BigInteger), BigInteger)
_FIXED = {"id", "app_id", "meeting_id", "room_id", "kind", "start_reason", "invoked_at"}
"""Columns that no step of a recording changes."""
_ACTIVE = or_(*(r.status == status.value for status in sorted(ACTIVE)))

# --- recordings -------------------------------------------------------------------------------


_INSERT = insert_row(tables.recordings)
_ONE = Query(select(*_recordings.columns).where(r.app_id == _APP, r.id == bindparam("id")))
_LOCK = Query(select(*_recordings.columns).where(r.app_id == _APP, r.id == bindparam("id")).with_for_update())
_PUT = Query(
    update(tables.recordings)
    .where(r.app_id == _APP, r.id == bindparam("id"))
    .values({c.name: bindparam(c.name) for c in tables.recordings.columns if c.name not in _FIXED})
)
_ACTIVE_OF_MEETING = Query(
    select(*_recordings.columns)
    .where(r.app_id == _APP, r.meeting_id == bindparam("meeting"), _ACTIVE)
    .order_by(r.invoked_at.desc(), r.id.desc())
)
_ACTIVE_OF_ROOM = Query(
    select(*_recordings.columns)
    .where(r.app_id == _APP, r.room_id == bindparam("room"), _ACTIVE)
    .order_by(r.invoked_at, r.id)
)
_LEFT_BEHIND = SystemQuery(
    select(r.app_id, r.id, r.updated_at).where(
        r.room_id.is_not(None), _ACTIVE, r.updated_at < bindparam("before")
    )
)
_TOUCH = Query(
    update(tables.recordings)
    .where(r.app_id == _APP, r.id == bindparam("id"), _ACTIVE)
    .values(updated_at=bindparam("at"))
)
_OF_SESSION = Query(
    select(*_recordings.columns).where(r.app_id == _APP, r.session_id == bindparam("session"))
)
_EXPIRED = SystemQuery(
    select(r.app_id, r.id).where(r.expires_at < bindparam("now"), r.files != "[]").limit(bindparam("count"))
)
_BY_ID = SystemQuery(select(*_recordings.columns).where(r.id == bindparam("id")))


@functools.cache
def _list(given: frozenset[str], order: Order) -> tuple[Query, Query]:
    wanted: list[ColumnElement[bool]] = [r.app_id == _APP, r.meeting_id.is_not(None)]
    if "meeting" in given:
        wanted.append(r.meeting_id == bindparam("meeting"))
    if "search" in given:
        titled = select(t.meetings.c.id).where(
            t.meetings.c.app_id == _APP,
            func.lower(t.meetings.c.title).like(bindparam("pattern"), escape="\\"),
        )
        wanted.append(or_(r.meeting_id == bindparam("search"), r.meeting_id.in_(titled)))
    if "expired_at" in given:
        wanted.append(r.expires_at <= bindparam("expired_at"))
    if "valid_at" in given:
        wanted.append(or_(r.expires_at.is_(None), r.expires_at > bindparam("valid_at")))
    if "statuses" in given:
        wanted.append(in_list(r.status, "statuses"))
    if "from_ms" in given:
        wanted.append(r.invoked_at >= bindparam("from_ms"))
    if "to_ms" in given:
        wanted.append(r.invoked_at <= bindparam("to_ms"))
    where = and_(*wanted)
    by = (r.invoked_at, r.id) if order is Order.ASC else (r.invoked_at.desc(), r.id.desc())
    rows = select(*_recordings.columns).where(where).order_by(*by)
    return (
        Query(rows.limit(bindparam("size")).offset(bindparam("skip"))),
        Query(select(func.count()).select_from(tables.recordings).where(where)),
    )


async def insert(change: Change, recording: Recording) -> None:
    """Add a recording."""
    await change.run(_INSERT, **_recordings.write(recording))


async def get(scope: AppScope, recording_id: RecordingId) -> Recording | None:
    """A recording of the app."""
    row = await scope.one(_ONE, id=recording_id)
    return _recordings.read(row) if row else None


async def lock(change: Change, recording_id: RecordingId) -> Recording | None:
    """The same, for a change of it."""
    row = await change.one(_LOCK, id=recording_id)
    return _recordings.read(row) if row else None


async def put(change: Change, recording: Recording) -> None:
    """Store a changed recording."""
    await change.run(_PUT, **_recordings.write(recording))


async def active_of(reader: AppScope | Change, meeting_id: MeetingId) -> list[Recording]:
    """The active recordings of a meeting of both kinds, newest first."""
    return [_recordings.read(row) for row in await reader.all(_ACTIVE_OF_MEETING, meeting=meeting_id)]


async def active_of_room(reader: AppScope | Change, room_id: str) -> list[Recording]:
    """The active recordings of a WebRTC room, oldest first."""
    return [_recordings.read(row) for row in await reader.all(_ACTIVE_OF_ROOM, room=room_id)]


async def left_behind(database: Database, before: datetime) -> list[tuple[str, RecordingId, datetime]]:
    """App, id and last sign of life of active recordings of rooms that no server has touched since."""
    rows = await database.all(_LEFT_BEHIND, before=to_ms(before))
    return [(row[0], RecordingId(row[1]), from_ms(row[2])) for row in rows]


async def touch(change: Change, recording_id: RecordingId, at: datetime) -> None:
    """Note that a recording of a room is captured, for `left_behind`."""
    await change.run(_TOUCH, id=recording_id, at=to_ms(at))


async def of_session(scope: AppScope, session_id: SessionId) -> list[Recording]:
    """Every recording of a session, whatever its state."""
    return [_recordings.read(row) for row in await scope.all(_OF_SESSION, session=session_id)]


async def expired(database: Database, now: datetime, count: int) -> list[tuple[str, RecordingId]]:
    """App and id of recordings whose files are past their time."""
    rows = await database.all(_EXPIRED, now=to_ms(now), count=count)
    return [(row[0], RecordingId(row[1])) for row in rows]


async def by_link(database: Database, recording_id: str) -> Recording | None:
    """A recording for the holder of a signed link, whoever's it is."""
    row = await database.one(_BY_ID, id=recording_id)
    return _recordings.read(row) if row else None


async def list_recordings(scope: AppScope, wanted: RecordingFilter, page: PageRequest) -> Page[Recording]:
    """A page of the app's recordings."""
    now = to_ms(scope.now())
    optional = {
        "meeting": wanted.meeting_id,
        "search": wanted.search or None,
        "pattern": like_pattern(wanted.search) if wanted.search else None,
        "expired_at": now if wanted.is_expired is True else None,
        "valid_at": now if wanted.is_expired is False else None,
        "statuses": json_list([each.value for each in wanted.statuses]) if wanted.statuses else None,
        "from_ms": to_ms(wanted.invoked_from) if wanted.invoked_from else None,
        "to_ms": to_ms(wanted.invoked_to) if wanted.invoked_to else None,
    }
    params = {name: value for name, value in optional.items() if value is not None}
    rows, count = _list(frozenset(params), wanted.order)
    found = await scope.all(rows, **params, size=page.size, skip=page.skip)
    total = await scope.one(count, **params)
    assert total is not None
    return Page([_recordings.read(row) for row in found], total[0], page)


# --- how active ones stand --------------------------------------------------------------------

_STANDINGS = SystemQuery(
    select(
        *(r.app_id, r.id, r.status, r.config, r.invoked_at, r.recorded_ms, r.capturing_since),
        *sessions.ATTENDANCE,
    )
    .select_from(sessions.with_sessions(tables.recordings, r.meeting_id, r.session_id))
    .where(_ACTIVE, r.meeting_id.is_not(None))
)


class Standing(msgspec.Struct, frozen=True):
    """An active recording, and whether anybody is there."""

    app_id: str
    id: RecordingId
    status: RecordingStatus
    max_seconds: int
    invoked_at: datetime
    recorded_ms: int
    capturing_since: datetime | None
    attendance: sessions.Attendance


async def standings(database: Database) -> list[Standing]:
    """Every active recording of a meeting, whoever's it is."""
    found = []
    for row in await database.all(_STANDINGS):
        app_id, recording_id, status, config, invoked, recorded, since, *attendance = row
        found.append(
            Standing(
                app_id=app_id,
                id=RecordingId(recording_id),
                status=RecordingStatus(status),
                max_seconds=msgspec.json.decode(config)["max_seconds"],
                invoked_at=from_ms(invoked),
                recorded_ms=recorded,
                capturing_since=None if since is None else from_ms(since),
                attendance=sessions.Attendance.read(attendance),
            )
        )
    return found


# --- what is captured -------------------------------------------------------------------------

_INSERT_TRACK = insert_row(tables.recording_tracks)
_TRACKS = Query(
    select(*_tracks.columns)
    .where(k.app_id == _APP, k.recording_id == bindparam("recording"))
    .order_by(k.started_at, k.id)
)
_STOP_TRACK = Query(
    update(tables.recording_tracks)
    .where(k.app_id == _APP, k.id == bindparam("track"), k.stopped_at.is_(None))
    .values(stopped_at=bindparam("at"))
)
_STOP_OPEN_TRACKS = Query(
    update(tables.recording_tracks)
    .where(k.app_id == _APP, k.recording_id == bindparam("recording"), k.stopped_at.is_(None))
    .values(stopped_at=bindparam("at"))
)
_STILL_NEEDED = Query(
    select(k.file_name)
    .join(tables.recordings, r.id == k.recording_id)
    .where(
        k.app_id == _APP,
        in_list(k.file_name, "files"),
        r.status != RecordingStatus.UPLOADED.value,
    )
)
_INSERT_MOMENT = Query(
    tables.recording_moments.insert().values(
        {c.name: bindparam(c.name) for c in tables.recording_moments.columns if c.name != "number"}
    )
)
_MOMENTS = Query(
    select(*_moments.columns)
    .where(m.app_id == _APP, m.recording_id == bindparam("recording"))
    .order_by(m.number)
)


async def insert_track(change: Change, track: Track) -> None:
    """Note that a stream is captured."""
    await change.run(_INSERT_TRACK, **_tracks.write(track))


async def stop_track(change: Change, track_id: TrackId, at: datetime) -> None:
    """Note that nothing more comes of a stream."""
    await change.run(_STOP_TRACK, track=track_id, at=to_ms(at))


async def stop_open_tracks(change: Change, recording_id: RecordingId, at: datetime) -> None:
    """The same of every stream of a recording."""
    await change.run(_STOP_OPEN_TRACKS, recording=recording_id, at=to_ms(at))


async def tracks_of(scope: AppScope, recording_id: RecordingId) -> list[Track]:
    """What was captured of a recording, oldest first."""
    return [_tracks.read(row) for row in await scope.all(_TRACKS, recording=recording_id)]


async def still_needed(scope: AppScope, file_names: Sequence[str]) -> set[str]:
    """Those of the files that a recording is still to be made of, or could be once more."""
    return {row[0] for row in await scope.all(_STILL_NEEDED, files=json_list(file_names))}


async def add_moment(
    change: Change, recording_id: RecordingId, kind: MomentKind, at: datetime, **payload: Any
) -> None:
    """Note something that the finished picture follows."""
    scope = change.scope
    assert isinstance(scope, AppScope)
    moment = Moment(scope.app_id, recording_id, kind, payload, at)
    await change.run(_INSERT_MOMENT, **_moments.write(moment))


async def moments_of(scope: AppScope, recording_id: RecordingId) -> list[Moment]:
    """Everything noted of a recording, in the order it happened."""
    return [_moments.read(row) for row in await scope.all(_MOMENTS, recording=recording_id)]


async def present_in(scope: AppScope, recording_id: RecordingId) -> set[PeerId]:
    """Who is there by what has been noted so far."""
    present: set[PeerId] = set()
    for moment in await moments_of(scope, recording_id):
        if moment.kind is MomentKind.JOIN:
            present.add(moment.payload["peer_id"])
        elif moment.kind is MomentKind.LEAVE:
            present.discard(moment.payload["peer_id"])
    return present


# --- days -------------------------------------------------------------------------------------

_recorded = case(
    (r.capturing_since.is_not(None), r.recorded_ms + _NOW - r.capturing_since), else_=r.recorded_ms
)
_days = (
    select((r.invoked_at // DAY_MS).label("day"), _recorded.label("ms"))
    .where(
        r.app_id == _APP,
        r.meeting_id.is_not(None),
        r.invoked_at >= bindparam("from_ms"),
        r.invoked_at < bindparam("until_ms"),
    )
    .subquery("days")
)
_BY_DAY = Query(
    select(
        cast(_days.c.day, BigInteger), func.count(), cast(func.sum(_days.c.ms), BigInteger).label("ms")
    ).group_by(_days.c.day)
)


async def by_day(scope: AppScope, days: Days) -> dict[date, DayCount]:
    """How many recordings were asked for on each day, and how much was recorded, up to now."""
    rows = await scope.all(_BY_DAY, from_ms=days.start_ms, until_ms=days.end_ms, now=to_ms(scope.now()))
    return days.filled({row[0]: DayCount(row[1], row[2]) for row in rows})
