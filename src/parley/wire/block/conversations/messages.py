"""Messages (`realtime-block.md` 18.1)."""

from __future__ import annotations

from typing import Any

import msgspec

from parley.conversations.messages.batch import send_batch
from parley.conversations.messages.model import MessageChange, NewMessage
from parley.conversations.messages.service import Messages
from parley.wire.block.callers import caller_of, path_text
from parley.wire.block.conversations.resources import asker, check_links, message_page, message_reply
from parley.wire.block.endpoint import Call, Routes
from parley.wire.block.reading import ListQuery, PageQuery
from parley.wire.block.replies import NOTHING, Reply, one

routes = Routes("Messages")
READ, WRITE = "conversations:read", "conversations:write"
BATCH_BODY_LIMIT_BYTES = 32 << 20


class SubListQuery(ListQuery, frozen=True, kw_only=True):
    """Which messages of a conversation or a thread."""

    status: str | None = None


class MessageListQuery(SubListQuery, frozen=True, kw_only=True):
    """Which messages."""

    context_id: str | None = None
    parent_id: str | None = None
    source_id: str | None = None
    target_id: str | None = None


class BatchBody(msgspec.Struct, frozen=True, kw_only=True):
    """Messages, each checked for itself."""

    messages: list[Any]


@routes.get("/messages", scope=READ)
async def list_messages(call: Call, query: MessageListQuery) -> Reply:
    """List messages that the caller sees."""
    return await _page(call, query)


@routes.post("/messages", scope=WRITE, body="message")
async def create_message(call: Call, body: NewMessage) -> Reply:
    """Send a message; one that was sent under the same idempotency key comes back with 200."""
    who = asker(call)
    check_links(body)
    sent = await call.service(Messages).create(call.scope, who.caller, body)
    reply = await message_reply(call, who, sent.message, status=201 if sent.is_new else 200)
    status = "created" if sent.is_new else "duplicate"
    return Reply(reply.body, status=reply.status, headers={"x-idempotency-status": status})


@routes.get("/messages/{message_id}", scope=READ)
async def get_message(call: Call, message_id: str) -> Reply:
    """Get a message."""
    who = asker(call)
    return await message_reply(
        call, who, await call.service(Messages).get(call.scope, who.caller, message_id)
    )


@routes.put("/messages/{message_id}", scope=WRITE, body="message")
async def update_message(call: Call, message_id: str, body: MessageChange) -> Reply:
    """Change a message of the caller's."""
    who = asker(call)
    changed = await call.service(Messages).change(call.scope, who.caller, message_id, body)
    return await message_reply(call, who, changed)


@routes.delete("/messages/{message_id}", scope=WRITE)
async def delete_message(call: Call, message_id: str) -> Reply:
    """Put a message of the caller's into the trash."""
    await call.service(Messages).delete(call.scope, caller_of(call), message_id)
    return NOTHING


@routes.put("/messages/{message_id}/recover", scope=WRITE)
async def recover_message(call: Call, message_id: str) -> Reply:
    """Take a message out of the trash."""
    who = asker(call)
    found = await call.service(Messages).recover(call.scope, who.caller, message_id)
    return await message_reply(call, who, found)


@routes.get("/messages/context/{context}", scope=READ)
async def list_messages_of_context(call: Call, context: str, query: SubListQuery) -> Reply:
    """List the messages of a conversation."""
    return await _page(call, query, context_id=context)


@routes.get("/messages/parent/{parent}", scope=READ)
async def list_messages_of_parent(call: Call, parent: str, query: SubListQuery) -> Reply:
    """List the answers to a message."""
    return await _page(call, query, parent_id=path_text(parent))


@routes.get("/messages/trash/show", scope=READ)
async def list_deleted_messages(call: Call, query: PageQuery) -> Reply:
    """List messages in the trash, the last deleted first."""
    who = asker(call)
    page = await call.service(Messages).trash(call.scope, who.caller, query.wanted())
    return await message_page(call, who, page)


@routes.post(
    "/messages/batch",
    scope="conversations:batch",
    status=200,
    body="batch",
    body_limit=BATCH_BODY_LIMIT_BYTES,
)
async def batch_messages(call: Call, body: BatchBody) -> Reply:
    """Send many messages; one bad item does not stop the others."""
    outcome = await send_batch(
        call.service(Messages), call.scope, caller_of(call), body.messages, check_links
    )
    return one("message_batch", "batch", msgspec.to_builtins(outcome))


async def _page(call: Call, query: SubListQuery, **more: str) -> Reply:
    who = asker(call)
    page = await call.service(Messages).page(
        call.scope, who.caller, query.wanted(), query.order(), **query.filters(), **more
    )
    return await message_page(call, who, page)
