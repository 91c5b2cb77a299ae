"""What an app has used, day by day (`realtimekit.md` 12.1)."""

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from parley.base.days import DayCount, Days
from parley.base.errors import Invalid
from parley.meetings.history import service as history
from parley.wire.realtimekit.answers import One
from parley.wire.realtimekit.endpoint import AppCall, Routes

routes = Routes("Analytics")
DEFAULT_DAYS = 30
MAX_DAYS = 3_660
"""Of one question: ten years."""
_MINUTE_MS = 60_000
Day = Annotated[str, Meta(extra_json_schema={"format": "date"})]
"""`YYYY-MM-DD`, in UTC."""


class DaywiseQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which days, both included; by default the last thirty days and today."""

    start_date: Day = ""
    end_date: Day = ""


class SessionDay(msgspec.Struct, frozen=True):
    """Sessions that began on one day."""

    day: Day
    total_sessions: int
    total_session_minutes: float


class SessionStats(msgspec.Struct, frozen=True):
    """Sessions that began in the range."""

    sessions_count: int
    sessions_minutes_consumed: float
    day_stats: Sequence[SessionDay]


class RecordingDay(msgspec.Struct, frozen=True):
    """Recordings that were asked for on one day."""

    day: Day
    total_recordings: int
    total_recording_minutes: int
    """Rounded up."""


class RecordingStats(msgspec.Struct, frozen=True):
    """Recordings that were asked for in the range."""

    recording_count: int
    recording_minutes_consumed: float
    day_stats: Sequence[RecordingDay]


class Daywise(msgspec.Struct, frozen=True):
    """Use of an app."""

    session_stats: SessionStats
    recording_stats: RecordingStats


def _day(text: str, name: str) -> date:
    try:
        if len(text) != len("2031-04-02"):
            raise ValueError("another form of ISO 8601")
        return date.fromisoformat(text)
    except ValueError as error:
        raise Invalid(f'"{name}" must be a date such as 2031-04-02', field=name) from error


def days_of(query: DaywiseQuery, today: date) -> Days:
    """The range that is asked for.

    Raises:
        Invalid: not dates, in the wrong order, or too many days.
    """
    last = _day(query.end_date, "end_date") if query.end_date else today
    if query.start_date:
        first = _day(query.start_date, "start_date")
    else:
        first = max(last, date.min + timedelta(days=DEFAULT_DAYS)) - timedelta(days=DEFAULT_DAYS)
    if first > last:
        raise Invalid('"start_date" must not be after "end_date"', field="start_date")
    days = Days(first, last)
    if days.length > MAX_DAYS:
        raise Invalid(f'"start_date" must be at most {MAX_DAYS} days before "end_date"', field="start_date")
    return days


def _sums(by_day: Mapping[date, DayCount]) -> tuple[int, float]:
    return sum(each.number for each in by_day.values()), sum(each.ms for each in by_day.values()) / _MINUTE_MS


@routes.get("{app}/analytics/daywise")
async def get_daywise_analytics(call: AppCall, query: DaywiseQuery) -> One[Daywise]:
    """Get the use of an app, day by day.

    A session belongs to the day it began, a recording to the day it was asked for; what runs is counted up to
    now. Days are those of UTC, and each day of the range has its entry.
    """
    days = days_of(query, call.scope.now().date())
    sessions = await history.sessions_by_day(call.scope, days)
    recordings = await call.context.recordings.by_day(call.scope, days)
    return One(
        Daywise(
            SessionStats(
                *_sums(sessions),
                [
                    SessionDay(day.isoformat(), each.number, each.ms / _MINUTE_MS)
                    for day, each in sessions.items()
                ],
            ),
            RecordingStats(
                *_sums(recordings),
                [
                    RecordingDay(day.isoformat(), each.number, math.ceil(each.ms / _MINUTE_MS))
                    for day, each in recordings.items()
                ],
            ),
        )
    )
