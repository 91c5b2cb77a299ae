"""Every statement about the chat that ended sessions leave behind, and about sessions that are forgotten."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import and_, bindparam, delete, or_, select, update

from parley.accounts.scope import AppScope, Change
from parley.base.ids import FileId, MeetingId, SessionId
from parley.base.times import to_ms
from parley.channels.model import ChatFile, Message
from parley.meetings.model import Session, SessionStatus
from parley.store.ports import Database
from parley.store.query import Query, SystemQuery, upsert
from parley.store.rows import RowMap
from parley.store.schema import tables as t

FORGOTTEN_AT_ONCE = 200
"""Sessions removed by one statement."""
_sessions = RowMap(Session, t.sessions)
_messages = RowMap(Message, t.messages)
_files = RowMap(ChatFile, t.files)
m = t.messages.c
_SESSION = Query(
    select(*_sessions.columns).where(
        t.sessions.c.app_id == bindparam("app_id"), t.sessions.c.id == bindparam("id")
    )
)
_of_session = (m.app_id == bindparam("app_id"), m.channel_id == bindparam("channel"))
_PAGE = Query(
    select(*_messages.columns)
    .where(
        *_of_session,
        m.session_id == bindparam("session"),
        m.created_at >= bindparam("since"),
        or_(
            m.created_at > bindparam("at"),
            and_(m.created_at == bindparam("at"), m.offset > bindparam("after")),
        ),
    )
    .order_by(m.created_at, m.offset)
    .limit(bindparam("size"))
)
_FORGET_MESSAGES = Query(
    delete(t.messages).where(
        *_of_session, m.session_id == bindparam("session"), m.created_at >= bindparam("since")
    )
)
_KEEP = Query(upsert(t.files, ["id"]))
_RESIZE = Query(
    update(t.files)
    .where(t.files.c.app_id == bindparam("app_id"), t.files.c.id == bindparam("file"))
    .values(size_bytes=bindparam("size"))
)
_EXPIRE_FILES = Query(
    update(t.files)
    .where(
        t.files.c.app_id == bindparam("app_id"),
        t.files.c.meeting_id == bindparam("meeting"),
        t.files.c.expires_at.is_(None),
        t.files.c.created_at >= bindparam("since"),
        t.files.c.created_at <= bindparam("until"),
    )
    .values(expires_at=bindparam("end"))
)
_FILE = Query(
    select(*_files.columns).where(t.files.c.app_id == bindparam("app_id"), t.files.c.id == bindparam("id"))
)
_old = (
    select(t.sessions.c.id)
    .where(t.sessions.c.status == SessionStatus.ENDED, t.sessions.c.ended_at < bindparam("before"))
    .limit(FORGOTTEN_AT_ONCE)
)
_FORGET_SESSIONS = SystemQuery(delete(t.sessions).where(t.sessions.c.id.in_(_old)))


async def session(scope: AppScope, session_id: SessionId) -> Session | None:
    """A session of the app."""
    row = await scope.one(_SESSION, id=session_id)
    return _sessions.read(row) if row else None


async def messages(scope: AppScope, of: Session, after: Message | None, size: int) -> list[Message]:
    """The next messages of a session, by time; private ones as well."""
    rows = await scope.all(
        _PAGE,
        channel=of.meeting_id,
        session=of.id,
        since=to_ms(of.started_at),
        at=0 if after is None else to_ms(after.created_at),
        after=0 if after is None else after.offset,
        size=size,
    )
    return [_messages.read(row) for row in rows]


async def forget_messages(scope: AppScope, meeting_id: MeetingId, of: SessionId, since: datetime) -> int:
    """Remove the messages of a session that began then; returns how many."""
    return await scope.run(_FORGET_MESSAGES, channel=meeting_id, session=of, since=to_ms(since))


async def keep_file(change: Change, file: ChatFile) -> bool:
    """Note a file; False when it is known already."""
    return bool(await change.run(_KEEP, **_files.write(file)))


async def resize_file(change: Change, file_id: FileId, size_bytes: int) -> None:
    """Note that a file was written once more."""
    await change.run(_RESIZE, file=file_id, size=size_bytes)


async def expire_files(scope: AppScope, of: Session, until: datetime, end: datetime) -> None:
    """Have the files that were sent in a session, until then, go with its messages."""
    await scope.run(
        _EXPIRE_FILES,
        meeting=of.meeting_id,
        since=to_ms(of.started_at),
        until=to_ms(until),
        end=to_ms(end),
    )


async def file(scope: AppScope, file_id: str) -> ChatFile | None:
    """A file of the app."""
    row = await scope.one(_FILE, id=file_id)
    return _files.read(row) if row else None


async def forget_sessions(database: Database, before: datetime) -> int:
    """Remove some sessions that ended before then, with everything that was noted of them."""
    return await database.run(_FORGET_SESSIONS, before=to_ms(before))
