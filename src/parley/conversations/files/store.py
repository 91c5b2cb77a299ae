"""Every statement of files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, bindparam, delete, or_, select, update

from parley.accounts.scope import AppScope, Change
from parley.base.times import to_ms
from parley.conversations.files.model import MessageFile
from parley.store.listing import Scoped, insert_numbered, update_fields
from parley.store.ports import Reader
from parley.store.query import Query, SystemQuery, in_list, json_list
from parley.store.rows import RowMap
from parley.store.schema import conversations as conversation_tables
from parley.store.schema import people as t

f, m = t.message_files.c, conversation_tables.conversation_messages.c
_files = RowMap(MessageFile, t.message_files)
_ONE = and_(f.app_id == bindparam("app_id"), f.id == bindparam("id"))
_OF_CONVERSATION = and_(
    f.app_id == bindparam("app_id"), f.conversation_unique_id == bindparam("conversation")
)
_INSERT = insert_numbered(t.message_files)
_BY_LINK = SystemQuery(select(*_files.columns).where(f.id == bindparam("id")))
_GET = Query(select(*_files.columns).where(_OF_CONVERSATION, f.id == bindparam("id"), f.expires_at.is_(None)))
_LOCK = Query(select(*_files.columns).where(_OF_CONVERSATION, f.id == bindparam("id")).with_for_update())
_CHANGEABLE = (
    *("message_unique_id", "name", "content_type", "size", "status", "payload"),
    *("updated_at", "expires_at"),
)
_SET = update_fields(t.message_files, _CHANGEABLE, _ONE)
_COMPLETE = Query(
    update(t.message_files)
    .where(_ONE, f.blob_key.is_(None), f.external_url.is_(None))
    .values(
        blob_key=bindparam("new_blob_key"),
        size=bindparam("new_size"),
        content_type=bindparam("new_content_type", type_=f.content_type.type),
        status="active",
        updated_at=bindparam("new_updated_at"),
    )
)
_DELETE = Query(delete(t.message_files).where(_ONE))
_EXPIRED = SystemQuery(
    select(*_files.columns).where(f.expires_at <= bindparam("now")).order_by(f.expires_at).limit(500)
)
_SHOWN = Query(
    select(*_files.columns)
    .where(
        _OF_CONVERSATION,
        f.expires_at.is_(None),
        or_(f.message_unique_id.is_(None), in_list(f.message_unique_id, "messages")),
    )
    .order_by(f.number.desc())
    .limit(bindparam("count"))
)
_MESSAGE = Query(
    select(m.id).where(
        m.app_id == bindparam("app_id"),
        m.conversation_id == bindparam("conversation"),
        m.id == bindparam("id"),
    )
)


async def add(change: Change, file: MessageFile) -> None:
    """Add a file or a place."""
    await change.run(_INSERT, **_files.write(file))


async def by_link(reader: Reader, file_id: str) -> MessageFile | None:
    """A file or a place by its id alone: its signed link is the credential."""
    row = await reader.one(_BY_LINK, id=file_id)
    return _files.read(row) if row else None


async def get(reader: Scoped, conversation: str, file_id: str) -> MessageFile | None:
    """A file of a conversation."""
    row = await reader.one(_GET, conversation=conversation, id=file_id)
    return _files.read(row) if row else None


async def lock(change: Change, conversation: str, file_id: str) -> MessageFile | None:
    """A file or a place of a conversation, which nobody else changes until the transaction ends."""
    row = await change.one(_LOCK, conversation=conversation, id=file_id)
    return _files.read(row) if row else None


async def put(change: Change, file: MessageFile) -> None:
    """Write what can change of a file."""
    values = _files.write(file)
    await change.run(_SET, id=file.id, **{f"new_{name}": values[name] for name in _CHANGEABLE})


async def complete(
    change: Change, file_id: str, *, blob_key: str, size: int, content_type: str | None
) -> bool:
    """Give a place its content; False when it has some, or is gone."""
    changed = await change.run(
        _COMPLETE,
        id=file_id,
        new_blob_key=blob_key,
        new_size=size,
        new_content_type=content_type,
        new_updated_at=to_ms(change.now()),
    )
    return bool(changed)


async def remove(change: Change, file_id: str) -> None:
    """Forget a file."""
    await change.run(_DELETE, id=file_id)


async def expired(reader: Reader, now: datetime) -> list[MessageFile]:
    """Places of all apps that nobody made files of, some of them."""
    return [_files.read(row) for row in await reader.all(_EXPIRED, now=to_ms(now))]


async def shown(
    scope: AppScope, conversation: str, message_ids: Sequence[str], count: int
) -> list[MessageFile]:
    """Files of these messages and of none, newest first."""
    rows = await scope.all(_SHOWN, conversation=conversation, messages=json_list(message_ids), count=count)
    return _files.read_all(rows)


async def has_message(reader: Scoped, conversation: str, message_id: str) -> bool:
    """Whether the conversation has that message."""
    return await reader.one(_MESSAGE, conversation=conversation, id=message_id) is not None
