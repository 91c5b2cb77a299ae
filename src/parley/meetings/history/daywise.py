"""Sessions by the day they began (`realtimekit.md` 12.1)."""

from __future__ import annotations

from datetime import date

from sqlalchemy import BigInteger, bindparam, case, cast, func, select

from parley.accounts.scope import AppScope
from parley.base.days import DAY_MS, DayCount, Days
from parley.base.times import to_ms
from parley.meetings.model import SessionStatus
from parley.store.query import Query
from parley.store.schema import tables as t

s, p = t.sessions.c, t.peers.c
_open_ms = (
    select(func.coalesce(func.sum(bindparam("now", type_=BigInteger) - p.joined_at), 0))
    .where(p.session_id == s.id, p.left_at.is_(None), p.is_hidden.is_(False))
    .correlate(t.sessions)
    .scalar_subquery()
)
_each = (
    select(
        (s.started_at // DAY_MS).label("day"),
        case((s.status == SessionStatus.LIVE, s.connected_ms + _open_ms), else_=s.connected_ms).label("ms"),
    )
    .where(
        s.app_id == bindparam("app_id"),
        s.started_at >= bindparam("from_ms", type_=BigInteger),
        s.started_at < bindparam("until_ms", type_=BigInteger),
    )
    .subquery("each")
)
_SESSIONS = Query(
    select(
        cast(_each.c.day, BigInteger), func.count(), cast(func.sum(_each.c.ms), BigInteger).label("ms")
    ).group_by(_each.c.day)
)


async def sessions_by_day(scope: AppScope, days: Days) -> dict[date, DayCount]:
    """How many sessions began on each day, those of breakout rooms too, and how long people were in them.

    A session that runs is counted up to now.
    """
    rows = await scope.all(_SESSIONS, from_ms=days.start_ms, until_ms=days.end_ms, now=to_ms(scope.now()))
    return days.filled({row[0]: DayCount(row[1], row[2]) for row in rows})
