"""What those who record or stream a meeting ask of it and its sessions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, FromClause, and_, bindparam, select

from parley.accounts.scope import AppScope, Change
from parley.base.ids import MeetingId, SessionId
from parley.base.times import from_ms
from parley.meetings.model import SessionStatus
from parley.store.query import Query
from parley.store.schema import tables as t

_APP: Any = bindparam("app_id")
s = t.sessions.c
EMPTY_FOR = timedelta(seconds=60)
"""How long a recording or a stream waits in a meeting where nobody is (`realtimekit.md` 10.3, 11.4, 11.9)."""

_LABELS = Query(
    select(t.meetings.c.title, s.created_at, s.started_at, s.ended_at)
    .select_from(
        t.meetings.outerjoin(t.sessions, and_(s.meeting_id == t.meetings.c.id, s.id == bindparam("session")))
    )
    .where(t.meetings.c.app_id == _APP, t.meetings.c.id == bindparam("meeting"))
)
_LAST_SEEN = Query(select(s.updated_at).where(s.app_id == _APP, s.id == bindparam("session")))
_IS_OVER = Query(
    select(s.id).where(s.app_id == _APP, s.id == bindparam("session"), s.status == bindparam("ended"))
)
_LOCK_MEETING = Query(
    select(t.meetings.c.id)
    .where(t.meetings.c.app_id == _APP, t.meetings.c.id == bindparam("id"))
    .with_for_update()
)


async def lock_meeting(change: Change, meeting_id: MeetingId) -> None:
    """Let those who start something in one meeting see each other."""
    await change.one(_LOCK_MEETING, id=meeting_id)


async def is_over(scope: AppScope, session_id: SessionId) -> bool:
    """Whether a session has ended."""
    row = await scope.one(_IS_OVER, session=session_id, ended=SessionStatus.ENDED.value)
    return row is not None


async def last_seen(scope: AppScope, session_id: SessionId) -> datetime:
    """When a server last marked a session as running."""
    row = await scope.one(_LAST_SEEN, session=session_id)
    return scope.now() if row is None else from_ms(row[0])


class Labels(msgspec.Struct, frozen=True):
    """What is told of the meeting and the session that something belongs to."""

    meeting_title: str = ""
    session_created_at: datetime | None = None
    session_started_at: datetime | None = None
    session_ended_at: datetime | None = None


async def labels(change: Change, meeting_id: MeetingId | None, session_id: SessionId | None) -> Labels:
    """Title of a meeting and times of its session."""
    row = await change.one(_LABELS, meeting=meeting_id, session=session_id or "")
    if row is None:
        return Labels()
    title, *times = row
    return Labels(title or "", *(None if each is None else from_ms(each) for each in times))


# --- whether anybody is there -------------------------------------------------------------------

_own, _live = t.sessions.alias("own"), t.sessions.alias("live")
ATTENDANCE = (
    _own.c.status.label("own_status"),
    _live.c.id.label("live_id"),
    _live.c.idle_since.label("idle_since"),
)
"""To be selected last from `with_sessions`, and read by `Attendance.read`."""


def with_sessions(
    rows: FromClause, meeting_id: ColumnElement[Any], session_id: ColumnElement[Any]
) -> FromClause:
    """Rows together with the session each belongs to, and the one that runs in its meeting."""
    return rows.outerjoin(_own, _own.c.id == session_id).outerjoin(
        _live, and_(_live.c.meeting_id == meeting_id, _live.c.status == SessionStatus.LIVE)
    )


class Attendance(msgspec.Struct, frozen=True):
    """Whether anybody is in the meeting that something was asked for in."""

    is_session_over: bool
    """The session that it belongs to has ended."""
    is_live: bool
    """Somebody has joined, and the session has not ended."""
    idle_since: datetime | None
    """Since when nobody is there, of a running session."""

    @classmethod
    def read(cls, columns: Sequence[Any]) -> Attendance:
        """Out of `ATTENDANCE`."""
        own, live, idle = columns
        return cls(own == SessionStatus.ENDED, live is not None, None if idle is None else from_ms(idle))

    def is_deserted(self, asked_at: datetime, now: datetime) -> bool:
        """Whether nobody has been there for `EMPTY_FOR`, or since it was asked for."""
        empty_since = self.idle_since if self.is_live else asked_at
        return empty_since is not None and now - empty_since > EMPTY_FOR
