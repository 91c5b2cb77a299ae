"""Conversations as data."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from parley.base.errors import NotFound
from parley.base.text import storable

CONTEXT_LIMIT = 200
PAYLOAD_LIMIT_BYTES = 32 << 10
"""As JSON."""
"""Characters of a free text that addresses a conversation."""
MEMBERS_LIMIT = 5_000
"""Of one conversation: each message is counted for each of them."""
_CLIENT_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class Conversation(msgspec.Struct, frozen=True):
    """A conversation, or a context without messages yet."""

    id: str
    context_key: str | None
    """The free text that addresses it, beside its id."""
    reference: str | None
    name: str | None
    description: str | None
    context_type: str | None
    metadata: dict[str, Any] | None
    payload: dict[str, Any] | None
    group_id: str | None
    notify_roles: list[str]
    """Only for members of these roles do messages count as unread; empty = for everybody."""
    source: str | None
    source_id: str | None
    source_alias: str | None
    source_type: str | None
    status: str
    created_by: str | None
    revision: int
    """Goes up with every message that is added, changed or taken away."""
    last_message_at: datetime | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None


class Member(msgspec.Struct, frozen=True):
    """Somebody in a conversation."""

    user_id: str
    role: str | None
    """In this conversation; None = their role as a user."""
    unread_count: int
    last_read_at: datetime | None


class Seen(NamedTuple):
    """A conversation through the eyes of a member."""

    conversation: Conversation
    unread_count: int
    last_read_at: datetime | None
    role: str | None


class Participant(msgspec.Struct, frozen=True):
    """Somebody who is to be in a conversation."""

    user_id: str
    role: str | None = None


class Receipt(msgspec.Struct, frozen=True):
    """Somebody has read a message."""

    message_id: str
    conversation_id: str
    user_id: str
    user_name: str | None
    role_name: str | None
    read_at: datetime


class NewConversation(msgspec.Struct, frozen=True, kw_only=True):
    """What a conversation is made of."""

    participants: tuple[Participant, ...] = ()
    name: str | None = None
    reference: str | None = None
    description: str | None = None
    context_type: str | None = None
    metadata: dict[str, Any] | None = None
    payload: dict[str, Any] | None = None
    group_id: str | None = None
    notify_roles: tuple[str, ...] = ()
    source: str | None = None
    source_id: str | None = None
    source_alias: str | None = None
    source_type: str | None = None


class ConversationChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to change: absent = unchanged, None = cleared."""

    name: str | msgspec.UnsetType | None = msgspec.UNSET
    description: str | msgspec.UnsetType | None = msgspec.UNSET
    context_type: str | msgspec.UnsetType | None = msgspec.UNSET
    metadata: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET
    payload: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET
    status: str | msgspec.UnsetType = msgspec.UNSET

    def given(self) -> dict[str, Any]:
        """What is there, by field."""
        return {
            name: value
            for name in self.__struct_fields__
            if (value := getattr(self, name)) is not msgspec.UNSET
        }


class Address(NamedTuple):
    """How a caller names a conversation."""

    id: str | None
    """In lower case; None when the name is a free text."""
    key: str | None
    """The free text."""


def address_of(context: str) -> Address:
    """A conversation's id, or the free text that addresses it.

    Raises:
        NotFound: no conversation can have such a name.
    """
    lower = context.lower()
    if _CLIENT_UUID.fullmatch(lower):
        return Address(lower, None)
    if not context or len(context) > CONTEXT_LIMIT or not storable(context):
        raise NotFound("There is no such conversation.")
    return Address(None, context)


def is_client_uuid(text: str) -> bool:
    """Whether clients take the text for an id (UUID version 1 to 5, RFC variant; section 4)."""
    return _CLIENT_UUID.fullmatch(text.lower()) is not None
