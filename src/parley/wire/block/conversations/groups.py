"""Groups (`realtime-block.md` 18.4)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from parley.conversations.groups.model import GroupChange, GroupSeen, NewGroup
from parley.conversations.groups.service import Groups
from parley.wire.block.callers import caller_of, path_text
from parley.wire.block.conversations.resources import group_resource
from parley.wire.block.endpoint import Call, Routes
from parley.wire.block.fields import small
from parley.wire.block.reading import ListQuery, PageQuery
from parley.wire.block.replies import NOTHING, Reply, paged

routes = Routes("Groups")
READ, WRITE = "groups:read", "groups:write"


class GroupListQuery(ListQuery, frozen=True, kw_only=True):
    """Which groups."""

    status: str | None = None
    group_type: str | None = None
    search: str | None = None


class MemberBody(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who is to be in a group."""

    member_id: Annotated[str, Meta(min_length=1, max_length=200)]


@routes.get("/groups", scope=READ)
async def list_groups(call: Call, query: GroupListQuery) -> Reply:
    """List groups that the caller belongs to or has made; `search` is a part of a name or code."""
    page = await call.service(Groups).page(
        call.scope,
        caller_of(call),
        query.wanted(),
        query.order(),
        **query.filters(),
    )
    return paged(page, group_resource)


@routes.post("/groups", scope=WRITE, body="group")
async def create_group(call: Call, body: NewGroup) -> Reply:
    """Make a group of the caller and the members."""
    small(body.payload)
    return _one(await call.service(Groups).create(call.scope, caller_of(call), body))


@routes.get("/groups/{group_id}", scope=READ)
async def get_group(call: Call, group_id: str) -> Reply:
    """Get a group."""
    return _one(await call.service(Groups).get(call.scope, caller_of(call), group_id))


@routes.put("/groups/{group_id}", scope=WRITE, body="group")
async def update_group(call: Call, group_id: str, body: GroupChange) -> Reply:
    """Change a group; its members only as owner or admin."""
    small(body.payload)
    return _one(await call.service(Groups).change(call.scope, caller_of(call), group_id, body))


@routes.delete("/groups/{group_id}", scope=WRITE)
async def delete_group(call: Call, group_id: str) -> Reply:
    """Put a group into the trash."""
    await call.service(Groups).delete(call.scope, caller_of(call), group_id)
    return NOTHING


@routes.put("/groups/{group_id}/recover", scope=WRITE)
async def recover_group(call: Call, group_id: str) -> Reply:
    """Take a group out of the trash."""
    return _one(await call.service(Groups).recover(call.scope, caller_of(call), group_id))


@routes.get("/groups/trash/show", scope=READ)
async def list_deleted_groups(call: Call, query: PageQuery) -> Reply:
    """List groups in the trash, the last deleted first."""
    page = await call.service(Groups).page(call.scope, caller_of(call), query.wanted(), deleted=True)
    return paged(page, group_resource)


@routes.post("/groups/{group_id}/members", status=200, scope=WRITE, body="groupmember")
async def add_member(call: Call, group_id: str, body: MemberBody) -> Reply:
    """Let somebody in; nothing happens when they are in."""
    return _one(await call.service(Groups).add_member(call.scope, caller_of(call), group_id, body.member_id))


@routes.delete("/groups/{group_id}/members/{member_id}", status=200, scope=WRITE)
async def remove_member(call: Call, group_id: str, member_id: str) -> Reply:
    """Take somebody out."""
    return _one(
        await call.service(Groups).remove_member(call.scope, caller_of(call), group_id, path_text(member_id))
    )


def _one(seen: GroupSeen) -> Reply:
    return Reply({"data": group_resource(seen)})
