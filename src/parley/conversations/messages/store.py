"""Every statement of messages, and of who has read them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Text, and_, bindparam, delete, exists, func, insert, or_, select, update

from parley.accounts.scope import AppScope, Change
from parley.base.paging import Page, PageRequest
from parley.base.times import from_ms, to_ms
from parley.conversations.messages.model import Message
from parley.conversations.threads import store as threads
from parley.conversations.threads.model import Receipt
from parley.store.listing import NEWEST_FIRST, Listing, Sort
from parley.store.query import Query, in_list, json_list, upsert
from parley.store.rows import RowMap
from parley.store.schema import conversations as t
from parley.store.schema import people as p

c, m, n = t.conversation_messages.c, t.conversation_members.c, t.unread_messages.c
r, u, v = t.message_receipts.c, p.users.c, t.conversations.c
Reader = AppScope | Change
_map = RowMap(Message, t.conversation_messages)
_receipts = RowMap(Receipt, t.message_receipts)
_OF_APP = c.app_id == bindparam("app_id")
_LIVING = and_(
    c.deleted_at.is_(None),
    or_(c.expires_at.is_(None), c.expires_at > bindparam("now")),
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
    always=and_(_OF_APP, c.deleted_at.is_not(None)),
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

_UNREAD_COLUMNS = ["app_id", "conversation_id", "user_id", "message_id"]
_ROLE = func.coalesce(
    m.role, select(u.role_name).where(u.app_id == m.app_id, u.id == m.user_id).scalar_subquery()
)


def _count_for(*conditions: ColumnElement[bool]) -> Query:
    return Query(
        insert(t.unread_messages).from_select(
            _UNREAD_COLUMNS,
            select(m.app_id, m.conversation_id, m.user_id, bindparam("message_id", type_=Text)).where(
                m.app_id == bindparam("app_id"),
                m.conversation_id == bindparam("conversation_id"),
                m.user_id != bindparam("sender"),
                *conditions,
            ),
        )
    )


_COUNT_FOR_ALL = _count_for()
_COUNT_FOR_ROLES = _count_for(in_list(_ROLE, "roles"))
_UNREAD_BY = select(n.user_id).where(n.app_id == bindparam("app_id"), n.message_id == bindparam("message_id"))
_SHIFT = Query(
    update(t.conversation_members)
    .where(
        m.app_id == bindparam("app_id"),
        m.conversation_id == bindparam("conversation_id"),
        m.user_id.in_(_UNREAD_BY),
    )
    .values(unread_count=m.unread_count + bindparam("by"))
)
_SHIFT_ONE = Query(
    update(t.conversation_members)
    .where(
        m.app_id == bindparam("app_id"),
        m.conversation_id == bindparam("conversation_id"),
        m.user_id == bindparam("user_id"),
    )
    .values(
        unread_count=m.unread_count + bindparam("by"),
        last_read_at=func.coalesce(bindparam("read_at", type_=m.last_read_at.type), m.last_read_at),
    )
)
_LOCK_MEMBER = Query(
    update(t.conversation_members)
    .where(
        m.app_id == bindparam("app_id"),
        m.conversation_id == bindparam("conversation_id"),
        m.user_id == bindparam("user_id"),
    )
    .values(unread_count=m.unread_count)
)
_MINE_UNREAD = and_(
    n.app_id == bindparam("app_id"),
    n.user_id == bindparam("user_id"),
    n.conversation_id == bindparam("conversation_id"),
)
_NOT_UNREAD = Query(delete(t.unread_messages).where(_MINE_UNREAD, n.message_id == bindparam("message_id")))
_FORGET_UNREAD = Query(
    delete(t.unread_messages).where(n.app_id == bindparam("app_id"), n.message_id == bindparam("message_id"))
)
_UNREAD_AGAIN = Query(
    upsert(
        t.unread_messages, ["app_id", "user_id", "conversation_id", "message_id"], returning=[n.message_id]
    )
)
_UNREAD = Query(
    select(n.message_id)
    .join(t.conversation_messages, and_(c.app_id == n.app_id, c.id == n.message_id))
    .where(_MINE_UNREAD, c.deleted_at.is_(None))
    .order_by(c.number)
)
_NONE_UNREAD = Query(delete(t.unread_messages).where(_MINE_UNREAD))
_ZERO = Query(
    update(t.conversation_members)
    .where(
        m.app_id == bindparam("app_id"),
        m.conversation_id == bindparam("conversation_id"),
        m.user_id == bindparam("user_id"),
    )
    .values(unread_count=0, last_read_at=bindparam("read_at"))
)
_OLDEST_UNREAD = Query(
    select(n.conversation_id, func.min(c.created_at))
    .join(t.conversation_messages, and_(c.app_id == n.app_id, c.id == n.message_id))
    .where(
        n.app_id == bindparam("app_id"),
        n.user_id == bindparam("user_id"),
        in_list(n.conversation_id, "ids"),
        c.deleted_at.is_(None),
    )
    .group_by(n.conversation_id)
)
_RECEIPT_KEYS = ["app_id", "message_id", "user_id"]
_ADD_RECEIPT = Query(upsert(t.message_receipts, _RECEIPT_KEYS, returning=[r.message_id]))
_ADD_RECEIPTS = Query(upsert(t.message_receipts, _RECEIPT_KEYS))
_DROP_RECEIPT = Query(
    delete(t.message_receipts).where(
        r.app_id == bindparam("app_id"),
        r.message_id == bindparam("message_id"),
        r.user_id == bindparam("user_id"),
    )
)
_READ_BY = Query(
    select(r.message_id, r.user_id)
    .where(r.app_id == bindparam("app_id"), in_list(r.message_id, "ids"))
    .order_by(r.message_id, r.read_at, r.user_id)
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


async def trash(reader: Reader, page: PageRequest, owner: str | None) -> Page[Message]:
    """A page of somebody's (None = everybody's) deleted messages, the last deleted first."""
    rows, total = await _TRASH.page(reader, page, Sort("deleted_at", True), owner=owner)
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


async def last_of(reader: Reader, conversation_ids: Iterable[str], now: datetime) -> dict[str, Message]:
    """The newest message of each conversation that has one."""
    numbers = await reader.all(_LAST_NUMBERS, ids=json_list(conversation_ids), now=to_ms(now))
    rows = await reader.all(_LAST, numbers=json_list(row[0] for row in numbers))
    return {message.conversation_id: message for message in _map.read_all(rows)}


# --- who has read what ----------------------------------------------------------------------------


async def count_unread(change: Change, message: Message, roles: list[str]) -> None:
    """A new message is unread by every other member; with roles, by those of these roles."""
    who = {
        "conversation_id": message.conversation_id,
        "message_id": message.id,
        "sender": message.source_id or "",
    }
    if roles:
        await change.run(_COUNT_FOR_ROLES, roles=json_list(roles), **who)
    else:
        await change.run(_COUNT_FOR_ALL, **who)
    await shift_unread(change, message, 1)


async def shift_unread(change: Change, message: Message, by: int) -> None:
    """Change the count of everybody who has not read the message."""
    await change.run(_SHIFT, conversation_id=message.conversation_id, message_id=message.id, by=by)


async def forget_unread(change: Change, message_id: str) -> None:
    """Nobody has to read a message any more; the counts are the caller's."""
    await change.run(_FORGET_UNREAD, message_id=message_id)


async def lock_member(change: Change, conversation_id: str, user_id: str) -> bool:
    """Nobody else changes what this member has read until the change ends; False when there is no such."""
    return await change.run(_LOCK_MEMBER, conversation_id=conversation_id, user_id=user_id) > 0


async def mark_read(change: Change, receipt: Receipt) -> bool:
    """Somebody has read a message; False when that was known."""
    who = {"conversation_id": receipt.conversation_id, "user_id": receipt.user_id}
    was_unread = await change.run(_NOT_UNREAD, message_id=receipt.message_id, **who)
    await change.run(_SHIFT_ONE, by=-was_unread, read_at=to_ms(receipt.read_at), **who)
    return await change.one(_ADD_RECEIPT, **_receipts.write(receipt)) is not None


async def mark_unread(change: Change, conversation_id: str, message_id: str, user_id: str) -> bool:
    """Somebody wants to read a message again; False when it was unread."""
    await change.run(_DROP_RECEIPT, message_id=message_id, user_id=user_id)
    row = await change.one(
        _UNREAD_AGAIN, conversation_id=conversation_id, message_id=message_id, user_id=user_id
    )
    if row is not None:
        await change.run(_SHIFT_ONE, conversation_id=conversation_id, user_id=user_id, by=1, read_at=None)
    return row is not None


async def unread(reader: Reader, conversation_id: str, user_id: str) -> list[str]:
    """Ids of what somebody has not read, oldest first."""
    rows = await reader.all(_UNREAD, conversation_id=conversation_id, user_id=user_id)
    return [row[0] for row in rows]


async def mark_all_read(change: Change, conversation_id: str, user_id: str, receipts: list[Receipt]) -> None:
    """Somebody has read everything; the receipts are for what was unread."""
    await change.run_many(_ADD_RECEIPTS, [_receipts.write(one) for one in receipts])
    await change.run(_NONE_UNREAD, conversation_id=conversation_id, user_id=user_id)
    await change.run(_ZERO, conversation_id=conversation_id, user_id=user_id, read_at=to_ms(change.now()))


async def read_by(reader: Reader, message_ids: Iterable[str]) -> dict[str, list[str]]:
    """Who has read each message, in that order."""
    found: dict[str, list[str]] = {}
    for message_id, user_id in await reader.all(_READ_BY, ids=json_list(message_ids)):
        found.setdefault(message_id, []).append(user_id)
    return found


async def oldest_unread(reader: Reader, user_id: str, ids: Iterable[str]) -> dict[str, datetime]:
    """When the oldest unread message of each conversation was sent."""
    rows = await reader.all(_OLDEST_UNREAD, user_id=user_id, ids=json_list(ids))
    return {row[0]: from_ms(row[1]) for row in rows}
