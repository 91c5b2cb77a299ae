"""Messages, conversations and groups as JSON:API resources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from parley.base.paging import Page
from parley.conversations import views
from parley.conversations.groups.model import GroupSeen
from parley.conversations.messages.model import Action, Message, NewMessage
from parley.conversations.messages.service import Messages
from parley.conversations.threads.model import Conversation
from parley.people.model import Caller
from parley.wire.block.callers import caller_of
from parley.wire.block.endpoint import Call
from parley.wire.block.fields import link
from parley.wire.block.replies import Reply, Resource, many, page_meta


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, and as what."""

    caller: Caller
    role: str | None
    """Of the user, as the token says."""


def asker(call: Call) -> Asker:
    """Who asks."""
    return Asker(caller_of(call), call.user.role if call.user is not None else None)


def check_links(new: NewMessage) -> None:
    """Raise `Invalid` when a message offers an address that a browser would run."""
    link(new.notification_url, "notification_url")
    for number, action in enumerate(new.actions or ()):
        link(action.control_href, f"actions.{number}.control_href")


async def message_resources(
    call: Call, who: Asker, messages: Sequence[Message]
) -> tuple[list[Resource], list[Resource]]:
    """Messages, and the actions that they refer to."""
    service = call.service(Messages)
    actions = await service.actions(call.scope, messages)
    read_by = await service.read_by(call.scope, messages)
    with_url = await service.shown_urls(call.scope, who.caller, who.role, messages)
    included = [action_resource(action) for some in actions.values() for action in some]
    return [
        _message(one, actions.get(one.id, []), read_by.get(one.id, []), with_url=one.id in with_url)
        for one in messages
    ], included


async def message_page(call: Call, who: Asker, page: Page[Message]) -> Reply:
    """A page of messages."""
    resources, included = await message_resources(call, who, page.rows)
    return many(resources, meta=page_meta(page), included=included)


async def message_reply(call: Call, who: Asker, message: Message, *, status: int | None = None) -> Reply:
    """One message."""
    (resource,), included = await message_resources(call, who, [message])
    return Reply({"data": resource, "included": included}, status=status)


def _message(one: Message, actions: Sequence[Action], read_by: Sequence[str], *, with_url: bool) -> Resource:
    linked = [{"type": "MessageAction", "id": action.id} for action in actions]
    return Resource(
        one.id,
        "Message",
        views.message(one, with_url=with_url, read_by=read_by),
        {"message_actions": {"data": linked}},
    )


def action_resource(action: Action) -> Resource:
    """An action of a message."""
    return Resource(action.id, "MessageAction", views.action(action))


def context_resource(one: Conversation) -> Resource:
    """A context."""
    return Resource(one.id, "Context", views.context(one))


def group_resource(seen: GroupSeen) -> Resource:
    """A group."""
    group = seen.group
    attributes: dict[str, Any] = {
        "unique_id": group.id,
        "created_at": views.shown(group.created_at),
        "updated_at": views.shown(group.updated_at),
        "members": seen.members,
        **{
            name: getattr(group, name)
            for name in (
                "name", "code", "unique_code", "qcode", "group_type", "status", "enabled", "source",
                "source_alias", "source_id", "source_type", "payload", "context_id", "created_by",
            )
        },
    }  # fmt: skip
    return Resource(group.id, "Group", attributes)
