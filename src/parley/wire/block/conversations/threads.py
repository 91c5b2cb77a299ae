"""Conversations: reading, making and changing them (`realtime-block.md` 18.6, 16.5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from parley.base.errors import NotFound, Unauthenticated
from parley.conversations import views
from parley.conversations.messages.model import NewMessage, Short
from parley.conversations.messages.service import Messages
from parley.conversations.reading.service import Opened, Reading
from parley.conversations.summaries.service import Summaries
from parley.conversations.threads.model import (
    MEMBERS_LIMIT,
    Conversation,
    ConversationChange,
    NewConversation,
    Participant,
)
from parley.conversations.threads.service import Threads
from parley.wire.block.callers import caller_of
from parley.wire.block.conversations.files import file_entry, included_files
from parley.wire.block.conversations.resources import (
    Asker,
    asker,
    check_links,
    message_reply,
    message_resources,
)
from parley.wire.block.conversations.summaries import included_summary
from parley.wire.block.conversations.tasks import included_tasks
from parley.wire.block.endpoint import Call, Routes
from parley.wire.block.fields import small
from parley.wire.block.reading import PageQuery
from parley.wire.block.replies import NOTHING, Reply, Resource, flat, one, page_meta

routes = Routes("Conversations")
READ, WRITE = "conversations:read", "conversations:write"
UserId = Annotated[str, Meta(min_length=1, max_length=200)]


class ConversationQuery(PageQuery, frozen=True, kw_only=True):
    """What of a conversation."""

    with_: str | None = msgspec.field(default=None, name="with")
    """`files` = list the files."""
    include: str | None = None
    """Words separated by commas: `messages`, `message_files`, `summary`, `tasks`, `conversation`."""

    def words(self) -> set[str]:
        """What is to be included."""
        found = {word.strip() for word in (self.include or "").split(",")}
        return found | ({"message_files"} if self.with_ == "files" else set())


class ParticipantBody(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with a role in the conversation."""

    user_unique_id: UserId
    role: Short | None = None


class ConversationBody(msgspec.Struct, frozen=True, kw_only=True):
    """What a conversation is made of."""

    participants: Annotated[list[UserId | ParticipantBody], Meta(max_length=MEMBERS_LIMIT)] = []
    name: Short | None = None
    reference: Short | None = None
    metadata: dict[str, Any] | None = None
    payload: dict[str, Any] | None = None
    group_id: Short | None = None
    notify_roles: Annotated[list[Short], Meta(max_length=100)] | None = None
    source: Short | None = None
    source_id: Short | None = None
    source_alias: Short | None = None
    source_type: Short | None = None

    def new(self) -> NewConversation:
        """The same for the domain."""
        return NewConversation(
            participants=tuple(
                Participant(each) if isinstance(each, str) else Participant(each.user_unique_id, each.role)
                for each in self.participants
            ),
            name=self.name,
            reference=self.reference,
            metadata=small(self.metadata),
            payload=small(self.payload),
            group_id=self.group_id,
            notify_roles=tuple(self.notify_roles or ()),
            source=self.source,
            source_id=self.source_id,
            source_alias=self.source_alias,
            source_type=self.source_type,
        )


class MetadataBody(msgspec.Struct, frozen=True, kw_only=True):
    """Metadata in the place of the old."""

    metadata: dict[str, Any] | None


class ExtendBody(msgspec.Struct, frozen=True, kw_only=True):
    """Members to add to the payload."""

    data: dict[str, Any]


class ReaderBody(msgspec.Struct, frozen=True, kw_only=True):
    """Who reads; for servers, which have no user of their own."""

    user_unique_id: UserId | None = None


@routes.get("/conversations/contexts", scope=READ)
async def list_keys(call: Call) -> Reply:
    """List what addresses the caller's conversations, newest first."""
    return flat({"data": {"contexts": await call.service(Threads).keys(call.scope, caller_of(call))}})


@routes.post("/conversations", scope=WRITE, body="conversation")
async def create_conversation(call: Call, body: ConversationBody) -> Reply:
    """Make a conversation of the caller and the participants."""
    who = asker(call)
    made = await call.service(Threads).create(call.scope, who.caller, body.new())
    return await _reply(call, who, made)


@routes.get("/conversations/{context}", scope=READ)
async def open_conversation(call: Call, context: str, query: ConversationQuery) -> Reply:
    """Open a conversation: its messages, newest first, which count as read from now on."""
    who = asker(call)
    opened = await call.service(Reading).open(call.scope, who.caller, context, query.wanted(), role=who.role)
    messages, included = await message_resources(call, who, opened.messages.rows)
    body: dict[str, Any] = {"data": messages}
    words = query.words()
    if "message_files" in words:
        files = await included_files(call, opened)
        included += files
        if query.with_ == "files":
            body["files"] = [file_entry(each) for each in files]
    if "tasks" in words:
        included += await included_tasks(call, who, opened)
    if "summary" in words:
        cached = await call.service(Summaries).cached(call.scope, opened.conversation)
        included += [included_summary(cached)] if cached is not None else []
    if "conversation" in words:
        included.append(_resource(opened.conversation, opened.participants, opened.unread_count))
    return Reply({**body, "included": included, "meta": _meta(opened)})


@routes.delete("/conversations/{context}", scope=WRITE)
async def delete_conversation(call: Call, context: str) -> Reply:
    """Make a conversation invisible to everybody."""
    await call.service(Threads).delete(call.scope, caller_of(call), context)
    return NOTHING


@routes.put("/conversations/{context}/meta", scope=WRITE, body="conversation")
async def change_metadata(call: Call, context: str, body: MetadataBody) -> Reply:
    """Replace the metadata."""
    return await _change(call, context, ConversationChange(metadata=small(body.metadata)))


@routes.put("/conversations/{context}/archive", scope=WRITE)
async def archive_conversation(call: Call, context: str) -> Reply:
    """Archive a conversation."""
    return await _change(call, context, ConversationChange(status="archived"))


@routes.put("/conversations/{context}/restore", scope=WRITE)
async def restore_conversation(call: Call, context: str) -> Reply:
    """Make an archived conversation active again, or bring back a deleted one."""
    who = asker(call)
    return await _reply(call, who, await call.service(Threads).restore(call.scope, who.caller, context))


@routes.put("/conversations/{context}/extend", scope=WRITE, body="conversation")
async def extend_conversation(call: Call, context: str, body: ExtendBody) -> Reply:
    """Add members to the payload."""
    who = asker(call)
    changed = await call.service(Threads).extend(call.scope, who.caller, context, small(body.data))
    return await _reply(call, who, changed)


@routes.post("/conversations/{context}/messages", scope=WRITE, body="message")
async def send_into_conversation(call: Call, context: str, body: NewMessage) -> Reply:
    """Send a message into a conversation that is there."""
    who = asker(call)
    check_links(body)
    await call.service(Threads).seen(call.scope, who.caller, context)
    new = msgspec.structs.replace(body, context_id=context)
    sent = await call.service(Messages).create(call.scope, who.caller, new)
    reply = await message_reply(call, who, sent.message, status=201 if sent.is_new else 200)
    status = "created" if sent.is_new else "duplicate"
    return Reply(reply.body, status=reply.status, headers={"x-idempotency-status": status})


@routes.get("/conversations/{context}/messages/{message_id}", scope=READ)
async def get_message_of_conversation(call: Call, context: str, message_id: str) -> Reply:
    """Get a message of a conversation; it is not marked as read."""
    who = asker(call)
    conversation = (await call.service(Threads).seen(call.scope, who.caller, context)).conversation
    found = await call.service(Messages).get(call.scope, who.caller, message_id)
    if found.conversation_id != conversation.id:
        raise NotFound("There is no such message in this conversation.")
    return await message_reply(call, who, found)


@routes.put("/conversations/{context}/messages/{message_id}/read", scope=WRITE)
async def mark_read(call: Call, context: str, message_id: str, body: ReaderBody) -> Reply:
    """The user has read a message."""
    who = asker(call)
    receipt = await call.service(Reading).read(
        call.scope, _reader(who, body), context, message_id, role=who.role
    )
    return one("MessageReceipt", receipt.message_id, views.receipt(receipt))


@routes.put("/conversations/{context}/messages/{message_id}/unread", scope=WRITE)
async def mark_unread(call: Call, context: str, message_id: str, body: ReaderBody) -> Reply:
    """The user wants to read a message again."""
    who = asker(call)
    message = await call.service(Reading).unread(call.scope, _reader(who, body), context, message_id)
    return await message_reply(call, who, message)


@routes.put("/conversations/{context}/messages/read_all", status=204, scope=WRITE)
async def mark_all_read(call: Call, context: str, body: ReaderBody) -> Reply:
    """The user has read everything."""
    who = asker(call)
    await call.service(Reading).read_all(call.scope, _reader(who, body), context, role=who.role)
    return NOTHING


def _reader(who: Asker, body: ReaderBody) -> str:
    user_id = body.user_unique_id or who.caller.user_id
    if user_id is None:
        raise Unauthenticated("This call needs a user token, or user_unique_id beside a secret key.")
    who.caller.must_be(user_id)
    return user_id


async def _change(call: Call, context: str, wanted: ConversationChange) -> Reply:
    who = asker(call)
    return await _reply(
        call, who, await call.service(Threads).change(call.scope, who.caller, context, wanted)
    )


async def _reply(call: Call, who: Asker, conversation: Conversation) -> Reply:
    members = await call.service(Threads).members(call.scope, [conversation.id])
    seen = await call.service(Threads).seen(call.scope, who.caller, conversation.id)
    last = await call.service(Messages).last_of(call.scope, [conversation.id])
    participants = members.get(conversation.id, [])
    attributes = views.conversation(
        conversation,
        participants=participants,
        unread_count=seen.unread_count,
        last_message=last.get(conversation.id),
    )
    return one("Conversation", conversation.id, attributes)


def _resource(conversation: Conversation, participants: Sequence[str], unread: int) -> Resource:
    return Resource(
        conversation.id,
        "Conversation",
        views.conversation(conversation, participants=participants, unread_count=unread),
    )


def _meta(opened: Opened) -> dict[str, Any]:
    return {
        **page_meta(opened.messages),
        "totalMessages": opened.messages.total,
        "unreadCount": opened.unread_count,
        "lastMessageAt": views.shown(opened.conversation.last_message_at),
        "participants": list(opened.participants),
    }
