"""A user's conversations, groups, and what they have not read (`realtime-block.md` 16.5, 18.14)."""

from __future__ import annotations

from typing import Any

import msgspec

from parley.base.paging import Page
from parley.conversations import views
from parley.conversations.groups.service import Groups
from parley.conversations.messages.service import Messages
from parley.conversations.threads.model import Seen
from parley.conversations.threads.service import Threads
from parley.conversations.threads.unread import UnreadSummary, unread_summary
from parley.wire.block.callers import caller_of, path_text
from parley.wire.block.conversations.resources import group_resource
from parley.wire.block.endpoint import Call, Routes
from parley.wire.block.reading import ListQuery, PageQuery
from parley.wire.block.replies import Reply, many, one, page_meta, paged

routes = Routes("Users")
READ = "conversations:read"


class ConversationListQuery(ListQuery, frozen=True, kw_only=True):
    """Which conversations."""

    status: str | None = None
    search: str | None = None
    has_unread: bool | None = None
    min_new_messages: int | None = None

    @property
    def least_unread(self) -> int | None:
        """How much of a conversation must be unread."""
        if self.min_new_messages is not None:
            return min(self.min_new_messages, 1 << 31)
        return 1 if self.has_unread else None


class UnreadQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What counts, and how it is grouped."""

    has_unread: bool = True
    group_by: str | None = None
    custom: dict[str, str] = {}


@routes.get("/users/{user_id}/conversations", scope=READ)
async def list_conversations_of_user(call: Call, user_id: str, query: ConversationListQuery) -> Reply:
    """List the conversations that a user is in."""
    return await _conversations(call, user_id, query)


@routes.get("/users/{user_id}/mygroups/conversations", scope=READ)
async def list_group_conversations_of_user(call: Call, user_id: str, query: ConversationListQuery) -> Reply:
    """List the conversations of groups that a user is in."""
    return await _conversations(call, user_id, query, in_group="yes")


@routes.get("/users/{user_id}/groups", scope="groups:read")
async def list_groups_of_user(call: Call, user_id: str, query: PageQuery) -> Reply:
    """List the groups that a user belongs to; of others, those that the caller sees as well."""
    found = await call.service(Groups).page(
        call.scope, caller_of(call), query.wanted(), member=path_text(user_id)
    )
    return paged(found, group_resource)


@routes.get("/users/{user_id}/context/{context}/groups", scope="groups:read")
async def list_groups_of_user_and_context(call: Call, user_id: str, context: str, query: PageQuery) -> Reply:
    """List the groups of a context that a user belongs to."""
    found = await call.service(Groups).of_context(
        call.scope, caller_of(call), context, query.wanted(), member=path_text(user_id)
    )
    return paged(found, group_resource)


@routes.get("/users/{user_id}/unread-summary", scope=READ)
async def get_unread_summary(call: Call, user_id: str, query: UnreadQuery) -> Reply:
    """What a user has not read, in one list and in buckets."""
    user_id = path_text(user_id)
    found = await unread_summary(
        call.scope,
        caller_of(call),
        user_id,
        group_by=query.group_by,
        custom=query.custom,
        unread_only=query.has_unread,
    )
    return one("unread_summary", user_id, _unread(user_id, found))


def _unread(user_id: str, found: UnreadSummary) -> dict[str, Any]:
    return {
        "total_unread": found.total_unread,
        "conversations": [
            {
                "conversation_uid": each.id,
                "unread_count": each.unread_count,
                "last_message_at": views.shown(each.last_message_at),
            }
            for each in found.conversations
        ],
        "user_unique_id": user_id,
        "group_by": found.group_by,
        "buckets": [
            {
                "key": bucket.key,
                "unread_count": bucket.unread_count,
                "conversation_count": bucket.conversation_count,
                "conversation_payload": bucket.conversation_payload,
            }
            for bucket in found.buckets
        ],
        "total_unread_count": found.total_unread,
        "total_conversation_count": len(found.conversations),
    }


async def _conversations(call: Call, user_id: str, query: ConversationListQuery, **filters: object) -> Reply:
    page = await call.service(Threads).of_user(
        call.scope,
        caller_of(call),
        path_text(user_id),
        query.wanted(),
        query.order(),
        status=query.status,
        search=query.search,
        least_unread=query.least_unread,
        **filters,
    )
    return many(await _entries(call, page), meta=page_meta(page))


async def _entries(call: Call, page: Page[Seen]) -> list[dict[str, Any]]:
    """Each with what clients read beside the attributes (18.14)."""
    ids = [seen.conversation.id for seen in page.rows]
    members = await call.service(Threads).members(call.scope, ids)
    last = await call.service(Messages).last_of(call.scope, ids)
    entries = []
    for seen in page.rows:
        conversation = seen.conversation
        participants = members.get(conversation.id, [])
        attributes = views.conversation(
            conversation,
            participants=participants,
            unread_count=seen.unread_count,
            last_message=last.get(conversation.id),
        )
        entries.append(
            {
                "type": "Conversation",
                "id": conversation.id,
                "unique_id": conversation.id,
                "context": conversation.context_key or conversation.id,
                "meta": {
                    "unreadCount": seen.unread_count,
                    "lastMessageAt": attributes["last_message_at"],
                    "lastReadAt": views.shown(seen.last_read_at),
                    "participants": participants,
                },
                "attributes": attributes,
            }
        )
    return entries
