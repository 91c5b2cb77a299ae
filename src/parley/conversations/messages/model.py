"""Messages as data."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from parley.base.errors import Invalid
from parley.conversations.threads.model import CONTEXT_LIMIT
from parley.people.model import Status

Short = Annotated[str, Meta(max_length=255)]
Url = Annotated[str, Meta(max_length=2_000)]
CONTENT_LIMIT = 30_000
ACTIONS_LIMIT = 20
"""Of one message."""
BATCH_LIMIT = 2_000
_EARLIEST, _LATEST = 1970, 9_000


def moment(at: datetime | None, field: str) -> datetime | None:
    """An instant that clients can show.

    Raises:
        Invalid: without a time zone, or outside the years 1970 to 9000.
    """
    if at is None:
        return None
    if at.tzinfo is None or not _EARLIEST <= at.year <= _LATEST:
        raise Invalid("Expected an instant with a time zone, such as 2026-05-20T10:30:00Z.", field=field)
    return at


class Details(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is kept of a message and never asked for by itself."""

    source: Short | None = None
    source_alias: Short | None = None
    source_email: Short | None = None
    source_phone: Short | None = None
    source_type: Short | None = None
    target: Short | None = None
    target_alias: Short | None = None
    target_email: Short | None = None
    target_phone: Short | None = None
    target_type: Short | None = None
    target_device_id: Short | None = None
    value: float | int | None = None
    data_source: Short | None = None
    data_source_id: Short | None = None
    data_source_type: Short | None = None
    data_source_alias: Short | None = None
    notification_content: Annotated[str, Meta(max_length=CONTENT_LIMIT)] | None = None
    notification_url: Url | None = None
    notification_url_roles: list[Short] = []
    """Only members of these roles get the address; empty = all do."""
    rag_sources: Any = None
    sender_role: Short | None = None
    notify_roles: Annotated[list[Short], Meta(max_length=100)] = []


class NewAction(msgspec.Struct, frozen=True, kw_only=True):
    """A control that readers of a message can use."""

    action_type: Annotated[str, Meta(min_length=1, max_length=50)]
    control_type: Annotated[str, Meta(min_length=1, max_length=50)]
    control_label: Annotated[str, Meta(min_length=1, max_length=500)]
    control_value: Annotated[str, Meta(max_length=2_000)]
    control_name: Short | None = None
    control_id: Short | None = None
    control_class: Short | None = None
    control_tag: Annotated[str, Meta(max_length=100)] | None = None
    control_placeholder: Annotated[str, Meta(max_length=500)] | None = None
    control_href: Url | None = None
    control_src: Url | None = None
    control_alt: Annotated[str, Meta(max_length=500)] | None = None
    control_help: Annotated[str, Meta(max_length=1_000)] | None = None
    control_set_id: Short | None = None
    control_set_name: Short | None = None
    control_set_class: Short | None = None
    status: Short | None = None
    enabled: bool | None = None
    payload: dict[str, Any] | None = None
    response: Any = None


class NewMessage(Details, frozen=True, kw_only=True):
    """What somebody wants to say."""

    context_id: Annotated[str, Meta(max_length=CONTEXT_LIMIT)] | None = None
    parent_id: Short | None = None
    content: Annotated[str, Meta(max_length=CONTENT_LIMIT)] | None = None
    source_id: Short | None = None
    target_id: Short | None = None
    expires_at: datetime | None = None
    idempotency_key: Short | None = None
    payload: dict[str, Any] | None = None
    actions: Annotated[list[NewAction], Meta(max_length=ACTIONS_LIMIT)] | None = None

    def details(self) -> Details:
        """The part that is kept as one."""
        return Details(**{name: getattr(self, name) for name in Details.__struct_fields__})


class Message(msgspec.Struct, frozen=True):
    """A message."""

    number: int
    """Grows within a conversation."""
    id: str
    conversation_id: str
    """Empty: between two parties, outside any conversation."""
    context_id: str | None
    """As its sender named the conversation."""
    parent_id: str | None
    content: str | None
    source_id: str | None
    target_id: str | None
    details: Details
    payload: dict[str, Any] | None
    status: Status
    enabled: bool
    sender: str
    idempotency_key: str | None
    source_unique_id: str | None
    created_by: str | None
    updated_by: str | None
    expires_at: datetime | None
    edited_at: datetime | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None


class MessageChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to change: absent = unchanged, None = cleared."""

    content: Annotated[str, Meta(max_length=CONTENT_LIMIT)] | msgspec.UnsetType | None = msgspec.UNSET
    status: Status | msgspec.UnsetType = msgspec.UNSET
    enabled: bool | msgspec.UnsetType = msgspec.UNSET
    payload: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET

    def given(self) -> dict[str, Any]:
        """What is there, by field."""
        return {
            name: value
            for name in self.__struct_fields__
            if (value := getattr(self, name)) is not msgspec.UNSET
        }


class Action(msgspec.Struct, frozen=True):
    """A control on a message, and what became of it."""

    id: str
    message_id: str
    control: NewAction
    """As it was given; its own `status`, `enabled`, `payload` and `response` are in the fields below."""
    status: str
    enabled: bool
    payload: dict[str, Any] | None
    response: Any
    user_id: str | None
    """Who responded."""
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None


class ActionChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to change of an action: absent = unchanged."""

    action_type: Annotated[str, Meta(min_length=1, max_length=50)] | msgspec.UnsetType = msgspec.UNSET
    control_type: Annotated[str, Meta(min_length=1, max_length=50)] | msgspec.UnsetType = msgspec.UNSET
    control_label: Annotated[str, Meta(min_length=1, max_length=500)] | msgspec.UnsetType = msgspec.UNSET
    control_value: Annotated[str, Meta(max_length=2_000)] | msgspec.UnsetType = msgspec.UNSET
    status: Short | msgspec.UnsetType = msgspec.UNSET
    enabled: bool | msgspec.UnsetType = msgspec.UNSET
    payload: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET
    response: Any = msgspec.UNSET


class BatchItem(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a batch."""

    conversation_unique_id: Annotated[str, Meta(min_length=1, max_length=CONTEXT_LIMIT)]
    content: Annotated[str, Meta(max_length=CONTENT_LIMIT)] | None = None
    notification_content: Annotated[str, Meta(max_length=CONTENT_LIMIT)] | None = None
    notification_url: Url | None = None
    notification_url_roles: list[Short] | None = None
    sender_role: Short | None = None
    notify_roles: list[Short] | None = None
    idempotency_key: Short | None = None
    source: Short | None = None
    source_id: Short | None = None
    source_alias: Short | None = None
    source_type: Short | None = None
    target: Short | None = None
    target_id: Short | None = None
    target_alias: Short | None = None
    target_type: Short | None = None
    payload: dict[str, Any] | None = None

    def message(self) -> NewMessage:
        """The same as a message of its own."""
        given = {name: value for name in self.__struct_fields__ if (value := getattr(self, name)) is not None}
        return NewMessage(context_id=given.pop("conversation_unique_id"), **given)
