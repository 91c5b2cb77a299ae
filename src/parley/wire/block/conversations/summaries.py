"""Summaries and digests (`realtime-block.md` 16.1 to 16.3): documents of both shapes that clients read."""

from __future__ import annotations

import math
import secrets
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from parley.conversations import views
from parley.conversations.summaries.digests import Digests
from parley.conversations.summaries.model import Digested, Summarised
from parley.conversations.summaries.service import Summaries
from parley.insight.digest import ChosenItem
from parley.insight.model import EMPTY, ConversationSummary, stats
from parley.wire.block.callers import path_text
from parley.wire.block.conversations.resources import asker
from parley.wire.block.endpoint import Call, Routes
from parley.wire.block.replies import Reply, Resource, one

routes = Routes("Summaries and digests")
READ = "conversations:read"
PromptId = Annotated[str, Meta(min_length=1, max_length=100)]


class SummaryBody(msgspec.Struct, frozen=True, kw_only=True):
    """How to summarise."""

    prompt_id: PromptId | None = None


class SummaryQuery(msgspec.Struct, frozen=True, kw_only=True):
    """How to summarise."""

    prompt_id: PromptId | None = None


class ChosenBody(msgspec.Struct, frozen=True, kw_only=True):
    """Which conversations."""

    context_unique_ids: list[str] | None = None
    conversation_ids: list[str] | None = None
    """An alias."""
    prompt_id: PromptId | None = None


class DigestQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which conversations."""

    custom: dict[str, str] = {}


@routes.get("/conversations/{context}/summary", scope=READ)
async def get_summary(call: Call, context: str, query: SummaryQuery) -> Reply:
    """Get the summary of a conversation; it is made now if there is no current one."""
    return await _summary(call, context, query.prompt_id)


@routes.post("/conversations/{context}/summary", status=200, scope=READ)
async def make_summary(call: Call, context: str, body: SummaryBody) -> Reply:
    """The same."""
    return await _summary(call, context, body.prompt_id)


@routes.post("/conversations/digest", status=200, scope=READ)
async def digest_chosen(call: Call, body: ChosenBody) -> Reply:
    """Summaries of chosen conversations, in their order; those the caller does not see are left out."""
    chosen = body.context_unique_ids if body.context_unique_ids is not None else body.conversation_ids
    who = asker(call)
    found = await call.service(Digests).chosen(
        call.scope, who.caller, chosen or [], body.prompt_id, role=who.role
    )
    attributes: dict[str, Any] = {
        "summaries": [_chosen(item) for item in found.items],
        "conversations_found": found.conversations_found,
        "total": found.total,
    }
    if found.error is not None:
        attributes["error"] = found.error
    return one("conversation_digest", f"digest_{secrets.token_hex(8)}", attributes)


@routes.get("/users/{user_id}/conversations/summary", scope=READ)
async def digest_of_user(call: Call, user_id: str, query: DigestQuery) -> Reply:
    """The digest of a user's conversations."""
    who = asker(call)
    made = await call.service(Digests).across(
        call.scope, who.caller, path_text(user_id), query.custom, role=who.role
    )
    return one("conversation_digest", made.digest.id, _digest(made))


async def _summary(call: Call, context: str, prompt_id: str | None) -> Reply:
    who = asker(call)
    found = await call.service(Summaries).summary(call.scope, who.caller, context, prompt_id, role=who.role)
    headers = {}
    if found.retry_after_s is not None:
        headers["retry-after"] = str(max(1, math.ceil(found.retry_after_s)))
    id_ = found.summary.id if found.summary else found.conversation.id
    return one("conversation_summary", id_, _attributes(found), headers=headers)


def _attributes(found: Summarised) -> dict[str, Any]:
    kept = found.summary
    summary = kept.content.summary if kept else EMPTY
    counted = kept.content.stats if kept else stats(0, 0, None, None)
    return {
        "overall_summary": summary.overall_summary,
        "categories": summary.categories,
        "action_items": summary.action_items,
        "key_decisions": summary.key_decisions,
        "sentiment": summary.sentiment,
        "stats": counted,
        "generated_at": views.shown(kept.generated_at) if kept else None,
        "cached": found.is_cached,
        "context_unique_id": found.conversation.id,
        "status": found.status,
        "content": _content(summary),
        "key_points": summary.points,
        "message_count": counted.total_messages,
        "from_cache": found.is_cached,
        "summary_type": "conversation",
        "prompt_id": found.prompt_id,
        "last_processed_message_id": kept.last_message_id if kept else None,
        "tokens_used": kept.tokens_used if kept else 0,
        "engine": (kept.engine or None) if kept else None,
    }


def included_summary(found: Summarised) -> Resource:
    """A summary inside a conversation's document: without `content`."""
    attributes = _attributes(found)
    del attributes["content"]
    assert found.summary is not None
    return Resource(found.summary.id, "ConversationSummary", attributes)


def _content(summary: ConversationSummary) -> dict[str, Any]:
    return {
        "summary": summary.overall_summary,
        "key_points": summary.points,
        "action_items": summary.action_items,
    }


def _chosen(item: ChosenItem) -> dict[str, Any]:
    return {
        "context_unique_id": item.conversation_id,
        "status": item.status,
        "content": None if item.summary is None else _content(item.summary),
        "message_count": item.message_count,
        "from_cache": item.from_cache,
    }


def _digest(made: Digested) -> dict[str, Any]:
    digest = made.digest
    answer, counted = digest.body.answer, digest.body.stats
    return {
        "conversations_found": digest.body.conversations_found,
        "digest": {
            "summary": answer.summary,
            "categories": answer.categories,
            "action_items": answer.action_items,
            "stats": {
                "total_unread_messages": counted.total_unread_messages,
                "conversations_with_unread": counted.conversations_with_unread,
                "oldest_unread": views.shown(counted.oldest_unread),
            },
        },
        "meta": {
            "tokens_used": 0 if made.cache_status == "cached" else digest.tokens_used,
            "generated_at": views.shown(digest.generated_at),
            "cache_status": made.cache_status,
            "warming": made.warming,
        },
    }
