"""Contexts (`realtime-block.md` 18.8): what conversations are about, before and beside their messages."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from parley.conversations.groups.service import Groups
from parley.conversations.messages.model import Short
from parley.conversations.threads.model import ConversationChange, NewConversation
from parley.conversations.threads.service import Threads
from parley.wire.block.callers import caller_of
from parley.wire.block.conversations.resources import context_resource, group_resource
from parley.wire.block.endpoint import Call, Routes
from parley.wire.block.fields import small
from parley.wire.block.reading import ListQuery, PageQuery
from parley.wire.block.replies import Reply, paged

routes = Routes("Contexts")
READ, WRITE = "conversations:read", "conversations:write"
UNSET = msgspec.UNSET
Text = Annotated[str, Meta(max_length=10_000)]


class ContextListQuery(ListQuery, frozen=True, kw_only=True):
    """Which contexts."""

    status: str | None = None
    context_type: str | None = None
    search: str | None = None


class NewContextBody(msgspec.Struct, frozen=True, kw_only=True):
    """What a context is made of."""

    name: Short | None = None
    description: Text | None = None
    context_type: Short | None = None
    metadata: dict[str, Any] | None = None
    payload: dict[str, Any] | None = None


class ContextBody(msgspec.Struct, frozen=True, kw_only=True):
    """What to change of a context."""

    name: Short | msgspec.UnsetType | None = UNSET
    description: Text | msgspec.UnsetType | None = UNSET
    context_type: Short | msgspec.UnsetType | None = UNSET
    status: Annotated[str, Meta(min_length=1, max_length=100)] | msgspec.UnsetType = UNSET
    metadata: dict[str, Any] | msgspec.UnsetType | None = UNSET
    payload: dict[str, Any] | msgspec.UnsetType | None = UNSET


@routes.get("/contexts", scope=READ)
async def list_contexts(call: Call, query: ContextListQuery) -> Reply:
    """List the contexts that the caller is in; `search` is a part of a name, reference or description."""
    page = await call.service(Threads).contexts(
        call.scope,
        caller_of(call),
        query.wanted(),
        query.order(),
        **query.filters(),
    )
    return paged(page, context_resource)


@routes.post("/contexts", scope=WRITE, body="context")
async def create_context(call: Call, body: NewContextBody) -> Reply:
    """Make a context of the caller's."""
    new = NewConversation(
        name=body.name,
        description=body.description,
        context_type=body.context_type,
        metadata=small(body.metadata),
        payload=small(body.payload),
    )
    made = await call.service(Threads).create(call.scope, caller_of(call), new, announced=False)
    return Reply({"data": context_resource(made)})


@routes.get("/contexts/{context}", scope=READ)
async def get_context(call: Call, context: str) -> Reply:
    """Get a context."""
    seen = await call.service(Threads).seen(call.scope, caller_of(call), context)
    return Reply({"data": context_resource(seen.conversation)})


@routes.put("/contexts/{context}", scope=WRITE, body="context")
async def update_context(call: Call, context: str, body: ContextBody) -> Reply:
    """Change a context."""
    wanted = ConversationChange(
        name=body.name,
        description=body.description,
        context_type=body.context_type,
        status=body.status,
        metadata=small(body.metadata),
        payload=small(body.payload),
    )
    changed = await call.service(Threads).change(call.scope, caller_of(call), context, wanted)
    return Reply({"data": context_resource(changed)})


@routes.get("/context/{context}/groups", scope="groups:read")
async def list_groups_of_context(call: Call, context: str, query: PageQuery) -> Reply:
    """List the groups of a context."""
    found = await call.service(Groups).of_context(call.scope, caller_of(call), context, query.wanted())
    return paged(found, group_resource)
