"""What was streamed and watched (`realtimekit.md` 12.2 and 12.3)."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from parley.base.errors import Invalid
from parley.base.times import iso_ms
from parley.livestreams.model import DayUse
from parley.wire.realtimekit.answers import One, Timestamp
from parley.wire.realtimekit.endpoint import AppCall, Routes
from parley.wire.realtimekit.reading import instant

routes = Routes("Livestreams")
DEFAULT_DAYS = 30
"""Up to now."""
MOST_DAYS = 3660


class UseShape(msgspec.Struct, frozen=True):
    """What was streamed in a range of time."""

    count: int
    total_ingest_seconds: int
    total_viewer_seconds: int


class DayUseShape(msgspec.Struct, frozen=True):
    """What was streamed on one day."""

    date: Timestamp
    count: int
    total_ingest_seconds: int
    total_viewer_seconds: int


class UseQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A range of time, in seconds since 1970 or ISO 8601; the last 30 days by default."""

    start_time: str = ""
    end_time: str = ""
    filters: str = ""
    """Taken, and of no effect."""


@routes.get("{app}/analytics/livestreams/overall")
async def get_livestream_use(call: AppCall, query: UseQuery) -> One[UseShape]:
    """Sum up what was streamed."""
    days = await _use(call, query)
    return One(
        UseShape(
            sum(day.count for day in days),
            sum(day.ingest_ms for day in days) // 1000,
            sum(day.viewer_ms for day in days) // 1000,
        )
    )


@routes.get("{app}/analytics/livestreams/daywise")
async def get_livestream_use_by_day(call: AppCall, query: UseQuery) -> One[list[DayUseShape]]:
    """Sum up what was streamed, day by day (UTC)."""
    start, end = _range(call, query)
    known = {day.day: day for day in await _use(call, query)}
    day = start.replace(hour=0, minute=0, second=0, microsecond=0)
    found = []
    while day <= end:
        use = known.get(day) or DayUse(day, 0, 0, 0)
        found.append(DayUseShape(iso_ms(day), use.count, use.ingest_ms // 1000, use.viewer_ms // 1000))
        day += timedelta(days=1)
    return One(found)


async def _use(call: AppCall, query: UseQuery) -> Sequence[DayUse]:
    return await call.context.livestreams.use(call.scope, *_range(call, query))


def _range(call: AppCall, query: UseQuery) -> tuple[datetime, datetime]:
    end = _time(query.end_time, "end_time") or call.scope.now()
    try:
        start = _time(query.start_time, "start_time") or end - timedelta(days=DEFAULT_DAYS)
        end + timedelta(days=1)
    except OverflowError as error:
        raise Invalid('"end_time" must be a valid date', field="end_time") from error
    if start > end:
        raise Invalid('"start_time" must not be after "end_time"', field="start_time")
    if end - start > timedelta(days=MOST_DAYS):
        raise Invalid(f"The range must not be longer than {MOST_DAYS} days", field="start_time")
    return start, end


def _time(text: str, field: str) -> datetime | None:
    if not text.isascii() or not text.isdigit():
        return instant(text, field)
    try:
        return datetime.fromtimestamp(int(text), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Invalid(f'"{field}" must be a valid date', field=field) from error
