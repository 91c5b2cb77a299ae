"""Every statement of messages."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, bindparam, exists, func, insert, or_, select, update

from parley.accounts.scope import AppScope, Change
from parley.base.paging import Page, PageRequest
from parley.base.times import from_ms, to_ms
from parley.conversations.messages.model import Message
from parley.conversations.threads import store as threads
from parley.store.listing import NEWEST_FIRST, Listing, Sort
from parley.store.query import Query, in_list, json_list
from parley.store.rows import RowMap
from parley.store.schema import conversations as t
from parley.store.schema import people as p

c, m, n = t.conversation_messages.c, t.conversation_members.c, t.unread_messages.c
r, u, v = t.message_receipts.c, p.users.c, t.conversations.c
Reader = AppScope | Change
_map = RowMap(Message, t.conversation_messages)
_OF_APP = c.app_id == bindparam("app_id")
_UNEXPIRED = or_(c.expires_at.is_(None), c.expires_at > bindparam("now"))
_LIVING = and_(
    c.deleted_at.is_(None),
    _UNEXPIRED,
    ~exists().where(v.app_id == c.app_id, v.id == c.conversation_id, v.deleted_at.is_not(None)),
)
_CAN_SEE: ColumnElement[bool] = or_(
    exists().where(
        m.app_id == c.app_id, m.conversation_id == c.conversation_id, m.user_id == bindparam("viewer")
    ),
    and_(
        c.conversation_id == "",
        or_(c.source_id == bindparam("viewer"), c.target_id == bindparam("viewer")),
    ),
)
_INSERT = Query(
    insert(t.conversation_messages)
    .values({col.name: bindparam(col.name, type_=col.type) for col in c if col.name != "number"})
    .returning(c.number)
)
_ONE = Query(select(*_map.columns).where(_OF_APP, c.id == bindparam("id")))
_ONE_SEEN = Query(select(*_map.columns).where(_OF_APP, c.id == bindparam("id"), _CAN_SEE))
_KNOWN = Query(
    select(*_map.columns).where(
        _OF_APP,
        c.conversation_id == bindparam("conversation_id"),
        c.sender == bindparam("sender"),
        c.idempotency_key == bindparam("idempotency_key"),
    )
)
_CHANGING = (
    "content", "payload", "status", "enabled", "updated_by", "updated_at", "edited_at", "deleted_at",
)  # fmt: skip
_UPDATE = Query(
    update(t.conversation_messages)
    .where(_OF_APP, c.id == bindparam("message_id"))
    .values({name: bindparam(f"new_{name}", type_=c[name].type) for name in _CHANGING})
)
_LOCK = Query(
    update(t.conversation_messages)
    .where(_OF_APP, c.id == bindparam("message_id"))
    .values(updated_at=c.updated_at)
)
_FILTERS: dict[str, ColumnElement[bool]] = {
    "viewer": _CAN_SEE,
    "conversation": c.conversation_id == bindparam("conversation"),
    "parent_id": c.parent_id == bindparam("parent_id"),
    "source_id": c.source_id == bindparam("source_id"),
    "target_id": c.target_id == bindparam("target_id"),
    "status": c.status == bindparam("status"),
}
_SORTS: dict[str, ColumnElement[Any]] = {
    "created_at": c.created_at,
    "updated_at": c.updated_at,
    "status": c.status,
    "content": c.content,
    "source_id": c.source_id,
    "target_id": c.target_id,
    "expires_at": c.expires_at,
}
_PAGES = Listing(
    _map.columns,
    t.conversation_messages,
    always=and_(_OF_APP, _LIVING),
    filters=_FILTERS,
    sorts=_SORTS,
    tie=c.number,
)
_TRASH = Listing(
    _map.columns,
    t.conversation_messages,
    always=and_(_OF_APP, c.deleted_at.is_not(None), _UNEXPIRED),
    filters={"owner": or_(c.source_id == bindparam("owner"), c.created_by == bindparam("owner"))},
    sorts={"deleted_at": c.deleted_at},
    tie=c.number,
)
_AFTER = Query(
    select(*_map.columns)
    .where(_OF_APP, c.conversation_id == bindparam("conversation_id"), c.number > bindparam("after"), _LIVING)
    .order_by(c.number.desc())
    .limit(bindparam("size"))
)
_STATS = Query(
    select(
        func.count(), func.count(func.distinct(c.source_id)), func.min(c.created_at), func.max(c.created_at)
    ).where(_OF_APP, c.conversation_id == bindparam("conversation_id"), _LIVING)
)
_CHANGED = Query(
    select(c.number)
    .where(
        _OF_APP,
        c.conversation_id == bindparam("conversation_id"),
        c.number <= bindparam("upto"),
        or_(
            and_(c.updated_at >= bindparam("since"), c.updated_at > c.created_at),
            and_(c.expires_at > bindparam("since"), c.expires_at <= bindparam("now")),
        ),
    )
    .limit(1)
)
_LAST = Query(
    select(*_map.columns).where(
        _OF_APP,
        in_list(
            c.number,
            "numbers",
        ),
    )
)
_LAST_NUMBERS = Query(
    select(func.max(c.number))
    .where(_OF_APP, in_list(c.conversation_id, "ids"), _LIVING)
    .group_by(c.conversation_id)
)


class Counted(NamedTuple):
    """What a server counts of a conversation."""

    messages: int
    authors: int
    first: datetime | None
    last: datetime | None


async def insert_message(change: Change, message: Message) -> int:
    """Add a message; its number.

    Raises:
        AlreadyExists: the sender has used the idempotency key in this conversation.
    """
    row = await change.one(_INSERT, **_map.write(message))
    assert row is not None
    return int(row[0])


async def get(reader: Reader, message_id: str, viewer: str | None = None) -> Message | None:
    """A message, deleted and expired ones as well; with a viewer, only one that they may see."""
    if viewer is None:
        row = await reader.one(_ONE, id=message_id)
    else:
        row = await reader.one(_ONE_SEEN, id=message_id, viewer=viewer)
    return None if row is None else _map.read(row)


async def known(reader: Reader, conversation_id: str, sender: str, key: str) -> Message | None:
    """What the sender sent under an idempotency key."""
    row = await reader.one(_KNOWN, conversation_id=conversation_id, sender=sender, idempotency_key=key)
    return None if row is None else _map.read(row)


async def lock(change: Change, message: Message) -> None:
    """Nobody else changes the message, or what is unread of its conversation, until the change ends."""
    if message.conversation_id:
        await threads.lock(change, message.conversation_id)
    else:
        await change.run(_LOCK, message_id=message.id)


async def put(change: Change, message: Message) -> None:
    """Store what can change of a message."""
    written = _map.write(message)
    await change.run(_UPDATE, message_id=message.id, **{f"new_{name}": written[name] for name in _CHANGING})


async def page(
    reader: Reader, page: PageRequest, now: datetime, sort: Sort = NEWEST_FIRST, **filters: Any
) -> Page[Message]:
    """A page of the messages that are there."""
    rows, total = await _PAGES.page(reader, page, sort, now=to_ms(now), **filters)
    return Page(_map.read_all(rows), total, page)


async def trash(reader: Reader, page: PageRequest, now: datetime, owner: str | None) -> Page[Message]:
    """A page of somebody's (None = everybody's) deleted messages, the last deleted first."""
    rows, total = await _TRASH.page(reader, page, Sort("deleted_at", True), now=to_ms(now), owner=owner)
    return Page(_map.read_all(rows), total, page)


async def after(reader: Reader, conversation_id: str, number: int, now: datetime, size: int) -> list[Message]:
    """The newest messages behind a number, oldest first."""
    rows = await reader.all(_AFTER, conversation_id=conversation_id, after=number, now=to_ms(now), size=size)
    return _map.read_all(rows)[::-1]


async def counted(reader: Reader, conversation_id: str, now: datetime) -> Counted:
    """Numbers of a conversation."""
    row = await reader.one(_STATS, conversation_id=conversation_id, now=to_ms(now))
    assert row is not None
    first, last = (None if at is None else from_ms(at) for at in row[2:4])
    return Counted(row[0], row[1], first, last)


async def were_changed(
    reader: Reader, conversation_id: str, upto: int, since: datetime, now: datetime
) -> bool:
    """Whether any message up to a number was changed or taken away, or has expired, in that time."""
    row = await reader.one(
        _CHANGED, conversation_id=conversation_id, upto=upto, since=to_ms(since), now=to_ms(now)
    )
    return row is not None


async def last_of(reader: Reader, conversation_ids: Iterable[str], now: datetime) -> dict[str, Message]:
    """The newest message of each conversation that has one."""
    numbers = await reader.all(_LAST_NUMBERS, ids=json_list(conversation_ids), now=to_ms(now))
    rows = await reader.all(_LAST, numbers=json_list(row[0] for row in numbers))
    return {message.conversation_id: message for message in _map.read_all(rows)}
