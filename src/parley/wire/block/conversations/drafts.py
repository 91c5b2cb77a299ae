"""Draft messages (`realtime-block.md` 18.3)."""

from __future__ import annotations

from typing import Any

from parley.conversations import views
from parley.conversations.drafts.model import DraftMessage
from parley.conversations.drafts.service import Drafts
from parley.conversations.messages.model import Details, MessageChange, NewMessage
from parley.wire.block.callers import caller_of, path_text
from parley.wire.block.conversations.resources import check_links
from parley.wire.block.endpoint import Call, Routes
from parley.wire.block.fields import small
from parley.wire.block.reading import ListQuery
from parley.wire.block.replies import NOTHING, Reply, Resource, paged

routes = Routes("Draft messages")
READ, WRITE = "conversations:read", "conversations:write"


class DraftsOfContextQuery(ListQuery, frozen=True, kw_only=True):
    """Which drafts of a conversation."""

    status: str | None = None


class DraftListQuery(DraftsOfContextQuery, frozen=True, kw_only=True):
    """Which drafts."""

    context_id: str | None = None
    source_id: str | None = None


@routes.get("/draft_messages", scope=READ)
async def list_drafts(call: Call, query: DraftListQuery) -> Reply:
    """List the caller's drafts."""
    return await _page(call, query)


@routes.post("/draft_messages", scope=WRITE, body="draft_message")
async def create_draft(call: Call, body: NewMessage) -> Reply:
    """Keep a draft."""
    small(body.payload)
    check_links(body)
    return _one(await call.service(Drafts).create(call.scope, caller_of(call), body))


@routes.get("/draft_messages/{draft_id}", scope=READ)
async def get_draft(call: Call, draft_id: str) -> Reply:
    """Get a draft of the caller's."""
    return _one(await call.service(Drafts).get(call.scope, caller_of(call), draft_id))


@routes.put("/draft_messages/{draft_id}", scope=WRITE, body="draft_message")
async def update_draft(call: Call, draft_id: str, body: MessageChange) -> Reply:
    """Change a draft of the caller's."""
    small(body.payload)
    return _one(await call.service(Drafts).change(call.scope, caller_of(call), draft_id, body))


@routes.delete("/draft_messages/{draft_id}", scope=WRITE)
async def delete_draft(call: Call, draft_id: str) -> Reply:
    """Forget a draft of the caller's."""
    await call.service(Drafts).delete(call.scope, caller_of(call), draft_id)
    return NOTHING


@routes.get("/draft_messages/context/{context}", scope=READ)
async def list_drafts_of_context(call: Call, context: str, query: DraftsOfContextQuery) -> Reply:
    """List the caller's drafts for a conversation."""
    return await _page(call, query, context_id=path_text(context))


@routes.put("/draft_messages/{draft_id}/publish", scope=WRITE)
async def publish_draft(call: Call, draft_id: str) -> Reply:
    """Send a draft of the caller's; it is archived then."""
    return _one(await call.service(Drafts).publish(call.scope, caller_of(call), draft_id))


def _resource(draft: DraftMessage) -> Resource:
    body = draft.body
    attributes: dict[str, Any] = {
        "unique_id": draft.id,
        "created_at": views.shown(draft.created_at),
        "updated_at": views.shown(draft.updated_at),
        "created_by": draft.author_id,
        "updated_by": draft.updated_by,
        "context_id": draft.context_id,
        "parent_id": body.parent_id,
        "content": body.content,
        "source_id": draft.source_id,
        "target_id": body.target_id,
        **{name: getattr(body, name) for name in Details.__struct_fields__},
        "status": draft.status,
        "enabled": draft.enabled,
        "expires_at": views.shown(body.expires_at),
        "idempotency_key": body.idempotency_key,
        "payload": body.payload,
        "message_unique_id": draft.message_id,
    }
    return Resource(draft.id, "DraftMessage", attributes)


def _one(draft: DraftMessage) -> Reply:
    return Reply({"data": _resource(draft)})


async def _page(call: Call, query: DraftsOfContextQuery, **more: str) -> Reply:
    page = await call.service(Drafts).page(
        call.scope, caller_of(call), query.wanted(), query.order(), **query.filters(), **more
    )
    return paged(page, _resource)
