"""Every statement of conversations and their members."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Select, Text, and_, bindparam, exists, func, or_, select, update

from parley.accounts.scope import AppScope, Change
from parley.base.paging import Page, PageRequest
from parley.base.times import from_ms, to_ms
from parley.conversations.threads.model import Address, Conversation, Member, Participant, Seen
from parley.store.listing import NEWEST_FIRST, Listing, Sort
from parley.store.ports import Row
from parley.store.query import Query, in_list, json_list, like_pattern, upsert
from parley.store.rows import RowMap
from parley.store.schema import conversations as t
from parley.store.schema import people as p

c, m, u = t.conversations.c, t.conversation_members.c, p.users.c
Reader = AppScope | Change
_map = RowMap(Conversation, t.conversations)
_WIDTH = len(_map.columns)
_OF_APP = c.app_id == bindparam("app_id")
_ALIVE = and_(_OF_APP, c.deleted_at.is_(None))

_VALUES = {
    col.name: bindparam(col.name, type_=col.type) for col in t.conversations.columns if col.name != "number"
}
_INSERT_BY_ID = Query(upsert(t.conversations, ["app_id", "id"], values=_VALUES, returning=[c.id]))
_INSERT_BY_KEY = Query(upsert(t.conversations, ["app_id", "context_key"], values=_VALUES, returning=[c.id]))

_VIEWED = t.conversations.outerjoin(
    t.conversation_members,
    and_(m.app_id == c.app_id, m.conversation_id == c.id, m.user_id == bindparam("viewer")),
)
_SEEN = (*_map.columns, m.user_id, m.unread_count, m.last_read_at, m.role)
_BY_ID = Query(select(*_SEEN).select_from(_VIEWED).where(_OF_APP, c.id == bindparam("id")))
_BY_KEY = Query(select(*_SEEN).select_from(_VIEWED).where(_OF_APP, c.context_key == bindparam("key")))
_BY_IDS = Query(select(*_map.columns).where(_ALIVE, in_list(c.id, "ids")))

_IS_MEMBER = exists().where(m.app_id == c.app_id, m.conversation_id == c.id, m.user_id == bindparam("viewer"))
_ACTIVE_AT = func.coalesce(c.last_message_at, c.created_at)
_SORTS = {
    "created_at": c.created_at,
    "updated_at": c.updated_at,
    "name": c.name,
    "status": c.status,
    "reference": c.reference,
    "last_message_at": _ACTIVE_AT,
}
_SEARCH = or_(
    func.lower(c.name).like(bindparam("search"), escape="\\"),
    func.lower(c.reference).like(bindparam("search"), escape="\\"),
    func.lower(c.description).like(bindparam("search"), escape="\\"),
)
_CONTEXTS = Listing(
    _map.columns,
    t.conversations,
    always=_ALIVE,
    filters={
        "viewer": _IS_MEMBER,
        "status": c.status == bindparam("status"),
        "context_type": c.context_type == bindparam("context_type"),
        "search": _SEARCH,
    },
    sorts=_SORTS | {"context_type": c.context_type},
    tie=c.number,
)
_MINE = t.conversations.join(t.conversation_members, and_(m.app_id == c.app_id, m.conversation_id == c.id))
_OF_USER = Listing(
    _SEEN,
    _MINE,
    always=and_(_ALIVE, m.user_id == bindparam("user")),
    filters={
        "status": c.status == bindparam("status"),
        "in_group": and_(c.group_id.is_not(None), bindparam("in_group", type_=Text) == "yes"),
        "least_unread": m.unread_count >= bindparam("least_unread"),
        "search": _SEARCH,
    },
    sorts=_SORTS | {"unread_count": m.unread_count},
    tie=c.number,
)
_KEYS = Query(
    select(func.coalesce(c.context_key, c.id))
    .where(_ALIVE, _IS_MEMBER)
    .order_by(c.number.desc())
    .limit(bindparam("size"))
)
_ALL_KEYS = Query(
    select(func.coalesce(c.context_key, c.id))
    .where(_ALIVE)
    .order_by(c.number.desc())
    .limit(bindparam("size"))
)
_OF_GROUP = Query(select(c.id).where(_ALIVE, c.group_id == bindparam("group_id")))
_TOUCH = Query(
    update(t.conversations)
    .where(_ALIVE, c.id == bindparam("conversation_id"))
    .values(
        revision=c.revision + 1, updated_at=bindparam("now"), last_message_at=bindparam("last_message_at")
    )
)
_LOCK = Query(
    update(t.conversations).where(_OF_APP, c.id == bindparam("conversation_id")).values(revision=c.revision)
)
_REVISE = Query(
    update(t.conversations)
    .where(_OF_APP, c.id == bindparam("conversation_id"))
    .values(
        revision=c.revision + 1,
        last_message_at=select(func.max(t.conversation_messages.c.created_at))
        .where(
            t.conversation_messages.c.app_id == bindparam("app_id"),
            t.conversation_messages.c.conversation_id == bindparam("conversation_id"),
            t.conversation_messages.c.deleted_at.is_(None),
        )
        .scalar_subquery(),
    )
)
_CHANGING = (
    "name", "description", "context_type", "metadata", "payload", "status", "updated_at", "deleted_at",
)  # fmt: skip
_UPDATE = Query(
    update(t.conversations)
    .where(_OF_APP, c.id == bindparam("conversation_id"))
    .values({name: bindparam(f"new_{name}", type_=c[name].type) for name in _CHANGING})
)

_ADD_MEMBER = Query(
    upsert(t.conversation_members, ["app_id", "conversation_id", "user_id"], returning=[m.user_id])
)
_REMOVE_MEMBER = Query(
    t.conversation_members.delete().where(
        m.app_id == bindparam("app_id"),
        m.conversation_id == bindparam("conversation_id"),
        m.user_id == bindparam("user_id"),
    )
)
_FORGET_UNREAD = Query(
    t.unread_messages.delete().where(
        t.unread_messages.c.app_id == bindparam("app_id"),
        t.unread_messages.c.conversation_id == bindparam("conversation_id"),
        t.unread_messages.c.user_id == bindparam("user_id"),
    )
)
_members = RowMap(Member, t.conversation_members)
_MEMBERS = Query(
    select(m.conversation_id, m.user_id)
    .where(m.app_id == bindparam("app_id"), in_list(m.conversation_id, "ids"))
    .order_by(m.conversation_id, m.joined_at, m.user_id)
)
_KNOWN_USERS = Query(select(u.id).where(u.app_id == bindparam("app_id"), in_list(u.id, "ids")))
_NAMES = Query(
    select(u.id, func.coalesce(u.name, u.username)).where(
        u.app_id == bindparam("app_id"), in_list(u.id, "ids")
    )
)
_USER = Query(
    select(u.name, u.role_name).where(u.app_id == bindparam("app_id"), u.id == bindparam("user_id"))
)

_OVERVIEW = (
    c.id, m.unread_count, c.last_message_at, c.reference, c.source, c.source_type, c.source_alias, c.payload,
)  # fmt: skip


def _overview(*, unread_only: bool) -> Select[Any]:
    made = (
        select(*_OVERVIEW)
        .select_from(_MINE)
        .where(_ALIVE, m.user_id == bindparam("user"))
        .order_by(
            m.unread_count.desc(), func.coalesce(c.last_message_at, c.created_at).desc(), c.number.desc()
        )
        .limit(bindparam("size"))
    )
    return made.where(m.unread_count > 0) if unread_only else made


_OVERVIEWS = {only: Query(_overview(unread_only=only)) for only in (True, False)}


_SELECTED = (
    select(*_SEEN)
    .select_from(_MINE)
    .where(
        _ALIVE,
        m.user_id == bindparam("user"),
        c.status == "active",
        func.coalesce(c.last_message_at, c.updated_at) >= bindparam("since"),
    )
    .order_by(_ACTIVE_AT.desc(), c.number.desc())
    .limit(bindparam("size"))
)
_SELECTIONS = {True: Query(_SELECTED.where(m.unread_count > 0)), False: Query(_SELECTED)}


class Overview(NamedTuple):
    """What an unread summary needs of a conversation."""

    id: str
    unread_count: int
    last_message_at: datetime | None
    reference: str | None
    source: str | None
    source_type: str | None
    source_alias: str | None
    payload: dict[str, Any] | None


def _read(row: Row) -> tuple[Seen, bool]:
    conversation = _map.read(row[:_WIDTH])
    user, unread, read_at, role = row[_WIDTH:]
    seen = Seen(conversation, unread or 0, None if read_at is None else from_ms(read_at), role)
    return seen, user is not None


async def add(change: Change, conversation: Conversation) -> bool:
    """Add a conversation; False when its id (or its free text) has one already."""
    statement = _INSERT_BY_ID if conversation.context_key is None else _INSERT_BY_KEY
    return await change.one(statement, **_map.write(conversation)) is not None


async def find(reader: Reader, address: Address, viewer: str | None) -> tuple[Seen, bool] | None:
    """A conversation, deleted ones as well, and whether the viewer is in it."""
    if address.id is not None:
        row = await reader.one(_BY_ID, id=address.id, viewer=viewer)
    else:
        row = await reader.one(_BY_KEY, key=address.key, viewer=viewer)
    return None if row is None else _read(row)


async def by_ids(reader: Reader, ids: Iterable[str]) -> list[Conversation]:
    """Those that exist."""
    return _map.read_all([list(row) for row in await reader.all(_BY_IDS, ids=json_list(ids))])


async def contexts(
    reader: Reader, page: PageRequest, sort: Sort, search: str | None, **filters: str | None
) -> Page[Conversation]:
    """A page of contexts."""
    pattern = None if search is None else like_pattern(search)
    rows, total = await _CONTEXTS.page(reader, page, sort, search=pattern, **filters)
    return Page(_map.read_all(rows), total, page)


async def of_user(
    reader: Reader, user: str, page: PageRequest, sort: Sort = NEWEST_FIRST, **filters: Any
) -> Page[Seen]:
    """A page of somebody's conversations."""
    if filters.get("search") is not None:
        filters["search"] = like_pattern(filters["search"])
    rows, total = await _OF_USER.page(reader, page, sort, user=user, **filters)
    return Page([_read(row)[0] for row in rows], total, page)


async def keys(reader: Reader, viewer: str | None, size: int) -> list[str]:
    """What addresses conversations, newest first."""
    if viewer is None:
        return [row[0] for row in await reader.all(_ALL_KEYS, size=size)]
    return [row[0] for row in await reader.all(_KEYS, viewer=viewer, size=size)]


async def of_group(reader: Reader, group_id: str) -> list[str]:
    """Ids of a group's conversations."""
    return [row[0] for row in await reader.all(_OF_GROUP, group_id=group_id)]


async def touch(change: Change, conversation_id: str, now: datetime) -> bool:
    """A message comes: others who want to add one wait until this change ends; False when it is gone."""
    at = to_ms(now)
    return await change.run(_TOUCH, conversation_id=conversation_id, now=at, last_message_at=at) > 0


async def lock(change: Change, conversation_id: str) -> None:
    """Messages are added, changed and taken away by others only after this change ends.

    Whoever changes members' counts takes this first: so nobody waits for each other.
    """
    await change.run(_LOCK, conversation_id=conversation_id)


async def revise(change: Change, conversation_id: str) -> None:
    """A message was changed, taken away or brought back."""
    await change.run(_REVISE, conversation_id=conversation_id)


async def put(change: Change, one: Conversation) -> None:
    """Store what can change of a conversation."""
    written = _map.write(one)
    names = (
        "name",
        "description",
        "context_type",
        "metadata",
        "payload",
        "status",
        "updated_at",
        "deleted_at",
    )
    await change.run(_UPDATE, conversation_id=one.id, **{f"new_{name}": written[name] for name in names})


async def add_members(change: Change, conversation_id: str, people: Sequence[Participant]) -> list[str]:
    """Add those who are not in it yet; their ids."""
    added = []
    for one in people:
        row = await change.one(
            _ADD_MEMBER,
            conversation_id=conversation_id,
            user_id=one.user_id,
            role=one.role,
            unread_count=0,
            last_read_at=None,
            joined_at=to_ms(change.now()),
        )
        if row is not None:
            added.append(one.user_id)
    return added


async def remove_member(change: Change, conversation_id: str, user_id: str) -> None:
    """Take somebody out."""
    await change.run(_REMOVE_MEMBER, conversation_id=conversation_id, user_id=user_id)
    await change.run(_FORGET_UNREAD, conversation_id=conversation_id, user_id=user_id)


async def members(reader: Reader, ids: Iterable[str]) -> dict[str, list[str]]:
    """Who is in each of these conversations, in the order in which they came."""
    found: dict[str, list[str]] = {}
    for conversation_id, user_id in await reader.all(_MEMBERS, ids=json_list(ids)):
        found.setdefault(conversation_id, []).append(user_id)
    return found


async def known_users(reader: Reader, ids: Iterable[str]) -> set[str]:
    """Which of them are users of the app."""
    return {row[0] for row in await reader.all(_KNOWN_USERS, ids=json_list(ids))}


async def names(reader: Reader, ids: Iterable[str]) -> dict[str, str]:
    """Names of those users who have one."""
    return {row[0]: row[1] for row in await reader.all(_NAMES, ids=json_list(ids)) if row[1]}


async def name_and_role(reader: Reader, user_id: str) -> tuple[str | None, str | None]:
    """Of a user; nothing when there is no such user."""
    row = await reader.one(_USER, user_id=user_id)
    return (None, None) if row is None else (row[0], row[1])


async def overview(reader: Reader, user: str, *, unread_only: bool, size: int) -> list[Overview]:
    """Somebody's conversations, most unread first, then most recent."""
    rows = await reader.all(_OVERVIEWS[unread_only], user=user, size=size)
    return [
        Overview(
            row[0],
            row[1],
            None if row[2] is None else from_ms(row[2]),
            row[3],
            row[4],
            row[5],
            row[6],
            None if row[7] is None else msgspec.json.decode(row[7]),
        )
        for row in rows
    ]


async def selection(
    reader: Reader, user: str, *, since: datetime, unread_only: bool, size: int
) -> list[Seen]:
    """Somebody's active conversations in which something has happened since, the most recent first."""
    rows = await reader.all(_SELECTIONS[unread_only], user=user, since=to_ms(since), size=size)
    return [_read(row)[0] for row in rows]
