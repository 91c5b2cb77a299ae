"""Notifications and sources as data."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from parley.people.model import Status

UNREAD: Status = "pending"
READ: Status = "active"
DELETED: Status = "deleted"
Priority = Literal["low", "normal", "high", "urgent"]
BULK_LIMIT = 1_000
"""Recipients of one web notification."""
GENERAL = "general"


class NewNotification(msgspec.Struct, frozen=True, kw_only=True):
    """What its author says of a notification."""

    content: str
    source: str | None = None
    source_alias: str | None = None
    source_id: str | None = None
    source_type: str | None = None
    url: str | None = None
    target: str | None = None
    target_id: str | None = None
    target_alias: str | None = None
    target_type: str | None = None
    target_email: str | None = None
    target_phone: str | None = None
    target_device_id: str | None = None
    multichannel: bool = False
    """Whether it is for other ways than the app as well."""
    expires_at: datetime | None = None
    payload: dict[str, Any] | None = None


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """A notification."""

    id: str
    content: str
    source: str | None
    source_alias: str | None
    source_id: str | None
    source_type: str | None
    source_unique_id: str | None
    """See `Source.id`."""
    url: str | None
    target: str | None
    target_id: str | None
    target_alias: str | None
    target_type: str | None
    target_email: str | None
    target_phone: str | None
    target_device_id: str | None
    multichannel: bool
    channels: list[str]
    """The ways on which the target wanted to be told when it was created (`people.preferences.Channel`)."""
    expires_at: datetime | None
    payload: dict[str, Any] | None
    status: Status
    created_by: str | None
    """None = the customer's server."""
    updated_by: str | None
    read_at: datetime | None
    created_at: datetime
    updated_at: datetime


class NotificationChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to change: absent = unchanged, None = cleared."""

    content: str | msgspec.UnsetType = msgspec.UNSET
    url: str | msgspec.UnsetType | None = msgspec.UNSET
    status: Status | msgspec.UnsetType = msgspec.UNSET
    payload: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET

    def given(self) -> dict[str, Any]:
        """What is there, by field."""
        return {
            name: value
            for name in self.__struct_fields__
            if (value := getattr(self, name)) is not msgspec.UNSET
        }


class NewWebNotification(msgspec.Struct, frozen=True, kw_only=True):
    """What its author says of a web notification."""

    title: str
    body: str | None = None
    icon: str | None = None
    image_url: str | None = None
    action_url: str | None = None
    notification_type: str = GENERAL
    priority: Priority = "normal"
    payload: dict[str, Any] | None = None
    tags: list[str] = []


class WebNotification(msgspec.Struct, frozen=True, kw_only=True):
    """A notification of the user's browser."""

    id: str
    recipient_unique_id: str
    title: str
    body: str | None
    icon: str | None
    image_url: str | None
    action_url: str | None
    notification_type: str
    priority: Priority
    payload: dict[str, Any] | None
    tags: list[str]
    status: Status
    enabled: bool
    created_by: str | None
    sent_at: datetime
    read_at: datetime | None
    clicked_at: datetime | None
    created_at: datetime
    updated_at: datetime


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where messages and notifications come from."""

    id: str
    source_type: str
    """Empty when it was not named."""
    external_id: str
    name: str | None
    status: Status
    metadata: dict[str, Any] | None
    payload: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime
