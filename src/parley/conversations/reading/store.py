"""Every statement of what is unread, for whom, and of who has read it (`realtime-block.md` 16.5)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, Text, and_, bindparam, delete, func, insert, select, update

from parley.accounts.scope import AppScope, Change
from parley.base.times import from_ms, to_ms
from parley.conversations.messages.model import Message
from parley.conversations.threads.model import Receipt
from parley.store.query import Query, in_list, json_list, upsert
from parley.store.rows import RowMap
from parley.store.schema import conversations as t
from parley.store.schema import people as p

c, m, n = t.conversation_messages.c, t.conversation_members.c, t.unread_messages.c
r, u = t.message_receipts.c, p.users.c
Reader = AppScope | Change
_receipts = RowMap(Receipt, t.message_receipts)

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


_ROLES = Query(
    select(m.conversation_id, _ROLE).where(
        m.app_id == bindparam("app_id"), m.user_id == bindparam("user_id"), in_list(m.conversation_id, "ids")
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


async def roles(reader: Reader, user_id: str, conversation_ids: Iterable[str]) -> dict[str, str | None]:
    """What somebody is in each conversation that they are in."""
    rows = await reader.all(_ROLES, user_id=user_id, ids=json_list(conversation_ids))
    return {row[0]: row[1] for row in rows}


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
