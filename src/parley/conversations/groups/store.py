"""Every statement of groups and invites."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, exists, func, insert, or_, select, update

from parley.accounts.scope import AppScope, Change
from parley.base.errors import NotFound
from parley.base.paging import Page, PageRequest
from parley.base.times import to_ms
from parley.conversations.groups.model import Group, GroupRole, GroupSeen, Invite
from parley.store.listing import NEWEST_FIRST, Listing, Sort
from parley.store.query import Query, in_list, json_list, like_pattern, upsert
from parley.store.rows import RowMap
from parley.store.schema import conversations as t

c, m, i = t.groups.c, t.group_users.c, t.group_invites.c
Reader = AppScope | Change
_map = RowMap(Group, t.groups)
_invites = RowMap(Invite, t.group_invites)
_OF_APP = c.app_id == bindparam("app_id")


def _columns(table: Any) -> dict[str, Any]:
    return {col.name: bindparam(col.name, type_=col.type) for col in table.columns if col.name != "number"}


def _is_in(user: str) -> ColumnElement[bool]:
    return exists().where(m.app_id == c.app_id, m.group_id == c.id, m.user_id == bindparam(user))


_FILTERS: dict[str, ColumnElement[bool]] = {
    "viewer": or_(c.created_by == bindparam("viewer"), _is_in("viewer")),
    "member": _is_in("member"),
    "status": c.status == bindparam("status"),
    "group_type": c.group_type == bindparam("group_type"),
    "contexts": in_list(c.context_id, "contexts"),
    "search": or_(
        func.lower(c.name).like(bindparam("search"), escape="\\"),
        func.lower(c.code).like(bindparam("search"), escape="\\"),
    ),
}
_SORTS = {
    "created_at": c.created_at,
    "updated_at": c.updated_at,
    "name": c.name,
    "code": c.code,
    "status": c.status,
    "group_type": c.group_type,
}
_PAGES = Listing(
    _map.columns,
    t.groups,
    always=and_(_OF_APP, c.deleted_at.is_(None)),
    filters=_FILTERS,
    sorts=_SORTS,
    tie=c.number,
)
_TRASH = Listing(
    _map.columns,
    t.groups,
    always=and_(_OF_APP, c.deleted_at.is_not(None)),
    filters=_FILTERS,
    sorts={"deleted_at": c.deleted_at},
    tie=c.number,
)
_INSERT = Query(insert(t.groups).values(_columns(t.groups)))
_ONE = Query(select(*_map.columns).where(_OF_APP, c.id == bindparam("id")))
_BY_CODE = Query(select(c.id).where(_OF_APP, c.unique_code == bindparam("unique_code")))
_CHANGING = (
    "name", "code", "unique_code", "qcode", "group_type", "payload", "status", "enabled", "updated_at",
    "deleted_at",
)  # fmt: skip
_UPDATE = Query(
    update(t.groups)
    .where(_OF_APP, c.id == bindparam("group_id"))
    .values({name: bindparam(f"new_{name}", type_=c[name].type) for name in _CHANGING})
)
_LOCK = Query(update(t.groups).where(_OF_APP, c.id == bindparam("group_id")).values(updated_at=c.updated_at))
_ADD_MEMBER = Query(
    upsert(
        t.group_users,
        ["app_id", "group_id", "user_id"],
        values=_columns(t.group_users),
        returning=[m.user_id],
    )
)
_REMOVE_MEMBER = Query(
    t.group_users.delete().where(
        m.app_id == bindparam("app_id"),
        m.group_id == bindparam("group_id"),
        m.user_id == bindparam("user_id"),
    )
)
_MEMBERS = Query(
    select(m.group_id, m.user_id)
    .where(m.app_id == bindparam("app_id"), in_list(m.group_id, "ids"))
    .order_by(m.number)
)
_ROLES = Query(
    select(m.user_id, m.role)
    .where(m.app_id == bindparam("app_id"), m.group_id == bindparam("group_id"))
    .order_by(m.number)
)
_INSERT_INVITE = Query(insert(t.group_invites).values(_columns(t.group_invites)))
_INVITE = Query(select(*_invites.columns).where(i.app_id == bindparam("app_id"), i.code == bindparam("code")))
_INVITES = Listing(
    _invites.columns,
    t.group_invites,
    always=and_(i.app_id == bindparam("app_id"), i.group_id == bindparam("group_id")),
    filters={"status": i.status == bindparam("status")},
    sorts={"created_at": i.created_at},
    tie=i.number,
)
_USE = Query(
    update(t.group_invites)
    .where(
        i.app_id == bindparam("app_id"),
        i.code == bindparam("code"),
        i.status == "active",
        or_(i.max_uses.is_(None), i.uses_count < i.max_uses),
    )
    .values(uses_count=i.uses_count + 1, updated_at=bindparam("now"))
)
_REVOKE = Query(
    update(t.group_invites)
    .where(i.app_id == bindparam("app_id"), i.code == bindparam("code"))
    .values(status="inactive", updated_at=bindparam("now"))
)


async def add(change: Change, group: Group) -> None:
    """Add a group.

    Raises:
        AlreadyExists: its unique code is taken.
    """
    await change.run(_INSERT, **_map.write(group))


async def get(reader: Reader, group_id: str) -> Group | None:
    """A group, deleted ones as well."""
    row = await reader.one(_ONE, id=group_id)
    return None if row is None else _map.read(row)


async def with_unique_code(reader: Reader, unique_code: str) -> str | None:
    """The id of the group of that code."""
    row = await reader.one(_BY_CODE, unique_code=unique_code)
    return None if row is None else row[0]


async def lock(change: Change, group_id: str) -> None:
    """Nobody else changes the group or its members until the change ends."""
    await change.run(_LOCK, group_id=group_id)


async def put(change: Change, group: Group) -> None:
    """Store what can change of a group."""
    written = _map.write(group)
    await change.run(_UPDATE, group_id=group.id, **{f"new_{name}": written[name] for name in _CHANGING})


async def page(
    reader: Reader, page: PageRequest, sort: Sort, *, deleted: bool = False, **filters: Any
) -> Page[GroupSeen]:
    """A page of groups with their members."""
    if filters.get("search") is not None:
        filters["search"] = like_pattern(filters["search"])
    if filters.get("contexts") is not None:
        filters["contexts"] = json_list(filters["contexts"])
    listing, sort = (_TRASH, Sort("deleted_at", True)) if deleted else (_PAGES, sort)
    rows, total = await listing.page(reader, page, sort, **filters)
    groups = _map.read_all(rows)
    found = await members(reader, [one.id for one in groups])
    return Page([GroupSeen(one, found.get(one.id, [])) for one in groups], total, page)


async def add_member(change: Change, group_id: str, user_id: str, role: GroupRole) -> bool:
    """Let somebody in; False when they were in."""
    row = await change.one(
        _ADD_MEMBER, group_id=group_id, user_id=user_id, role=role.value, joined_at=to_ms(change.now())
    )
    return row is not None


async def remove_member(change: Change, group_id: str, user_id: str) -> bool:
    """Take somebody out; False when they were not in."""
    return await change.run(_REMOVE_MEMBER, group_id=group_id, user_id=user_id) > 0


async def members(reader: Reader, ids: Iterable[str]) -> dict[str, list[str]]:
    """Who is in each group, in the order in which they came."""
    found: dict[str, list[str]] = {}
    for group_id, user_id in await reader.all(_MEMBERS, ids=json_list(ids)):
        found.setdefault(group_id, []).append(user_id)
    return found


async def roles(reader: Reader, group_id: str) -> dict[str, GroupRole]:
    """Who is in a group, and as what."""
    return {row[0]: GroupRole(row[1]) for row in await reader.all(_ROLES, group_id=group_id)}


async def members_seen(reader: Reader, group_id: str, viewer: str | None) -> list[str]:
    """Who is in a group that the viewer (None = a server) sees.

    Raises:
        NotFound: they see none.
    """
    group = await get(reader, group_id)
    found = list(await roles(reader, group_id))
    is_seen = viewer is None or viewer in found or (group is not None and group.created_by == viewer)
    if group is None or group.deleted_at is not None or not is_seen:
        raise NotFound("There is no such group.")
    return found


async def add_invite(change: Change, invite: Invite) -> None:
    """Add an invite."""
    await change.run(_INSERT_INVITE, **_invites.write(invite))


async def get_invite(reader: Reader, code: str) -> Invite | None:
    """The invite of a code."""
    row = await reader.one(_INVITE, code=code)
    return None if row is None else _invites.read(row)


async def invites(reader: Reader, group_id: str, page: PageRequest, status: str | None) -> Page[Invite]:
    """A page of a group's invites, newest first."""
    rows, total = await _INVITES.page(reader, page, NEWEST_FIRST, group_id=group_id, status=status)
    return Page(_invites.read_all(rows), total, page)


async def use_invite(change: Change, code: str) -> bool:
    """Count a use; False when there is none left."""
    return await change.run(_USE, code=code, now=to_ms(change.now())) > 0


async def revoke_invite(change: Change, code: str) -> None:
    """Let nobody in with it any more."""
    await change.run(_REVOKE, code=code, now=to_ms(change.now()))
