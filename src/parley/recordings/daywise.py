"""Recordings by the day they were asked for (`realtimekit.md` 12.1)."""

from __future__ import annotations

from datetime import date

from sqlalchemy import BigInteger, bindparam, case, cast, func, select

from parley.accounts.scope import AppScope
from parley.base.days import DAY_MS, DayCount, Days
from parley.base.times import to_ms
from parley.store.query import Query
from parley.store.schema import recordings as tables

r = tables.recordings.c
_until_now = r.recorded_ms + bindparam("now", type_=BigInteger) - r.capturing_since
_each = (
    select(
        (r.invoked_at // DAY_MS).label("day"),
        case((r.capturing_since.is_not(None), _until_now), else_=r.recorded_ms).label("ms"),
    )
    .where(
        r.app_id == bindparam("app_id"),
        r.invoked_at >= bindparam("from_ms", type_=BigInteger),
        r.invoked_at < bindparam("until_ms", type_=BigInteger),
    )
    .subquery("each")
)
_RECORDINGS = Query(
    select(
        cast(_each.c.day, BigInteger), func.count(), cast(func.sum(_each.c.ms), BigInteger).label("ms")
    ).group_by(_each.c.day)
)


async def recordings_by_day(scope: AppScope, days: Days) -> dict[date, DayCount]:
    """How many recordings were asked for on each day, and how much was recorded, up to now."""
    rows = await scope.all(_RECORDINGS, from_ms=days.start_ms, until_ms=days.end_ms, now=to_ms(scope.now()))
    return days.filled({row[0]: DayCount(row[1], row[2]) for row in rows})
