"""The form in which conversations and messages are shown and published (`realtime-block.md` 18)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from parley.base.times import iso_ms
from parley.conversations.messages.model import Action, Details, Message, NewAction
from parley.conversations.threads.model import Conversation, Receipt

_DETAILS = tuple(name for name in Details.__struct_fields__ if name != "notification_url_roles")
_CONTROL = tuple(name for name in NewAction.__struct_fields__ if name.startswith(("action", "control")))


def shown(at: datetime | None) -> str | None:
    """An instant as clients read it."""
    return None if at is None else iso_ms(at)


def conversation(
    one: Conversation,
    *,
    participants: Sequence[str] = (),
    unread_count: int = 0,
    last_message: Message | None = None,
) -> dict[str, Any]:
    """Attributes of a conversation."""
    return {
        "unique_id": one.id,
        "context_id": one.context_key or one.id,
        "name": one.name,
        "reference": one.reference,
        "participants": list(participants),
        "last_message": None if last_message is None else last_message.content,
        "last_message_at": shown(one.last_message_at),
        "unread_count": unread_count,
        "metadata": one.metadata,
        "payload": one.payload,
        "group_id": one.group_id,
        "notify_roles": one.notify_roles,
        "source": one.source,
        "source_id": one.source_id,
        "source_alias": one.source_alias,
        "source_type": one.source_type,
        "status": one.status,
        "created_by": one.created_by,
        "created_at": iso_ms(one.created_at),
        "updated_at": iso_ms(one.updated_at),
    }


def context(one: Conversation) -> dict[str, Any]:
    """Attributes of the same thing as a context."""
    return {
        "unique_id": one.id,
        "name": one.name,
        "description": one.description,
        "context_type": one.context_type,
        "status": one.status,
        "metadata": one.metadata,
        "payload": one.payload,
        "reference": one.reference,
        "created_at": iso_ms(one.created_at),
        "updated_at": iso_ms(one.updated_at),
    }


def message(one: Message, *, with_url: bool | None = None, read_by: Sequence[str] = ()) -> dict[str, Any]:
    """Attributes of a message.

    Args:
        one: the message.
        with_url: whether to show the address of its notification; by default only when everybody may see it.
        read_by: who has read it.
    """
    details = one.details
    shows_url = not details.notification_url_roles if with_url is None else with_url
    return {
        "unique_id": one.id,
        "created_at": iso_ms(one.created_at),
        "updated_at": iso_ms(one.updated_at),
        "created_by": one.created_by,
        "updated_by": one.updated_by,
        "context_id": one.context_id,
        "conversation_unique_id": one.conversation_id or None,
        "parent_id": one.parent_id,
        "content": one.content,
        "source_id": one.source_id,
        "target_id": one.target_id,
        **{name: getattr(details, name) for name in _DETAILS},
        "notification_url": details.notification_url if shows_url else None,
        "status": one.status,
        "enabled": one.enabled,
        "expires_at": shown(one.expires_at),
        "idempotency_key": one.idempotency_key,
        "source_unique_id": one.source_unique_id,
        "payload": one.payload,
        "edited": one.edited_at is not None,
        "edited_at": shown(one.edited_at),
        "read_by": list(read_by),
    }


def action(one: Action) -> dict[str, Any]:
    """Attributes of an action."""
    return {
        "unique_id": one.id,
        "created_at": iso_ms(one.created_at),
        "updated_at": iso_ms(one.updated_at),
        **{name: getattr(one.control, name) for name in _CONTROL},
        "message_unique_id": one.message_id,
        "status": one.status,
        "enabled": one.enabled,
        "payload": one.payload,
        "response": one.response,
        "user_unique_id": one.user_id,
    }


def receipt(one: Receipt) -> dict[str, Any]:
    """Attributes of a receipt."""
    return {
        "message_unique_id": one.message_id,
        "context_unique_id": one.conversation_id,
        "user_unique_id": one.user_id,
        "user_name": one.user_name,
        "role_name": one.role_name,
        "read_at": iso_ms(one.read_at),
    }


def size(attributes: dict[str, Any]) -> int:
    """Bytes of the attributes as JSON."""
    return len(msgspec.json.encode(attributes))
