"""Every statement of channels."""

from __future__ import annotations

import functools
import secrets
from datetime import datetime

from sqlalchemy import ColumnElement, bindparam, delete, func, or_, select, update

from parley.accounts.scope import AppScope, Change
from parley.base.ids import FileId, MessageId, ParticipantId, SessionId
from parley.base.times import to_ms
from parley.channels.model import ChatFile, Message
from parley.store.ports import Database
from parley.store.query import Query, SystemQuery, insert_row, like_pattern, upsert
from parley.store.rows import RowMap
from parley.store.schema import tables as t

m = t.messages.c
_messages = RowMap(Message, t.messages)
_INSERT = insert_row(t.messages)
_NEXT_OFFSET = Query(
    upsert(
        t.streams,
        ["app_id", "topic"],
        {"last_offset": t.streams.c.last_offset + 1},
        returning=[t.streams.c.last_offset],
    )
)
_ONE = Query(
    select(*_messages.columns)
    .where(m.app_id == bindparam("app_id"), m.channel_id == bindparam("channel"), m.id == bindparam("id"))
    .with_for_update()
)
_CHANGE = Query(
    update(t.messages)
    .where(m.app_id == bindparam("app_id"), m.channel_id == bindparam("channel"), m.id == bindparam("id"))
    .values(
        payload=bindparam("new_payload"),
        is_pinned=bindparam("new_pinned"),
        is_edited=bindparam("new_edited"),
    )
)
_DELETE = Query(
    delete(t.messages).where(
        m.app_id == bindparam("app_id"), m.channel_id == bindparam("channel"), m.id == bindparam("id")
    )
)

_files = RowMap(ChatFile, t.files)
_INSERT_FILE = insert_row(t.files)
# The signature of the link has been checked, and it names the file.
_FILE_BY_LINK = SystemQuery(select(*_files.columns).where(t.files.c.id == bindparam("id")))
_FILE_ARRIVED = Query(
    update(t.files)
    .where(
        t.files.c.app_id == bindparam("app_id"),
        t.files.c.id == bindparam("id"),
        t.files.c.size_bytes.is_(None),
    )
    .values(size_bytes=bindparam("size"), content_type=bindparam("type"), blob_key=bindparam("key"))
)
_FILES_EXPIRED = SystemQuery(
    select(*_files.columns).where(t.files.c.expires_at < bindparam("now")).limit(500)
)
_FORGET_FILE = Query(
    delete(t.files).where(t.files.c.app_id == bindparam("app_id"), t.files.c.id == bindparam("id"))
)


@functools.cache
def _page(*, newest_first: bool, one_session: bool, pinned: bool, partner: bool, searching: bool) -> Query:
    # A private message stores its readers as a JSON list, so `"id"` with its quotes is found in the text.
    wanted: list[ColumnElement[bool]] = [
        m.app_id == bindparam("app_id"),
        m.channel_id == bindparam("channel"),
        or_(m.recipient_ids == "[]", m.recipient_ids.like(bindparam("reader"))),
        m.created_at < bindparam("at") if newest_first else m.created_at > bindparam("at"),
    ]
    if one_session:
        wanted.append(m.session_id == bindparam("session"))
    if pinned:
        wanted.append(m.is_pinned == bindparam("pinned"))
    if partner:
        wanted.append(m.recipient_ids.like(bindparam("partner")))
    if searching:
        wanted.append(func.lower(m.payload).like(bindparam("pattern"), escape="\\"))
    order = m.offset.desc() if newest_first else m.offset
    return Query(select(*_messages.columns).where(*wanted).order_by(order).limit(bindparam("size")))


async def next_offset(change: Change, channel_id: str) -> int:
    """Take the next place in a channel; others wait for it until this change ends."""
    row = await change.one(
        _NEXT_OFFSET, topic=f"messages:{channel_id}", epoch=secrets.token_hex(4), last_offset=1
    )
    assert row is not None
    return int(row[0])


async def insert_message(change: Change, message: Message) -> None:
    """Add a message."""
    await change.run(_INSERT, **_messages.write(message))


async def get_message(change: Change, channel_id: str, message_id: MessageId) -> Message | None:
    """One message of a channel; nobody else changes it before this change ends."""
    row = await change.one(_ONE, channel=channel_id, id=message_id)
    return _messages.read(row) if row else None


async def update_message(change: Change, message: Message) -> None:
    """Store a message's content and marks."""
    await change.run(
        _CHANGE,
        channel=message.channel_id,
        id=message.id,
        new_payload=message.payload,
        new_pinned=message.is_pinned,
        new_edited=message.is_edited,
    )


async def delete_message(change: Change, channel_id: str, message_id: MessageId) -> None:
    """Remove a message."""
    await change.run(_DELETE, channel=channel_id, id=message_id)


async def page(
    scope: AppScope,
    channel_id: str,
    reader: ParticipantId,
    *,
    at: datetime,
    newest_first: bool,
    size: int,
    session_id: SessionId | None = None,
    pinned: bool | None = None,
    partner: ParticipantId | None = None,
    search: str | None = None,
) -> list[Message]:
    """Messages the reader may see, older (or newer) than an instant."""
    query = _page(
        newest_first=newest_first,
        one_session=session_id is not None,
        pinned=pinned is not None,
        partner=partner is not None,
        searching=search is not None,
    )
    params = {
        "channel": channel_id,
        "reader": f'%"{reader}"%',
        "at": to_ms(at),
        "size": size,
        "session": session_id,
        "pinned": pinned,
        "partner": f'%"{partner}"%',
        "pattern": like_pattern(search) if search is not None else None,
    }
    return [_messages.read(row) for row in await scope.all(query, **params)]


async def insert_file(change: Change, file: ChatFile) -> None:
    """Add a file, or the place for one."""
    await change.run(_INSERT_FILE, **_files.write(file))


async def file_by_link(database: Database, file_id: FileId) -> ChatFile | None:
    """The file that a checked link names."""
    row = await database.one(_FILE_BY_LINK, id=file_id)
    return _files.read(row) if row else None


async def complete_file(change: Change, file_id: FileId, size: int, content_type: str, key: str) -> bool:
    """Note that the content has arrived; False when it had already."""
    return bool(await change.run(_FILE_ARRIVED, id=file_id, size=size, type=content_type, key=key))


async def expired_files(database: Database, now: datetime) -> list[ChatFile]:
    """Some of the files whose time is over."""
    return [_files.read(row) for row in await database.all(_FILES_EXPIRED, now=to_ms(now))]


async def forget_file(change: Change, file_id: FileId) -> None:
    """Remove a file's row."""
    await change.run(_FORGET_FILE, id=file_id)
