"""What the server tells, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

Json: TypeAlias = Any
"""What JSON can say."""
Frame: TypeAlias = Mapping[str, Any]


class State(StrEnum):
    """Of the connection."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    DISCONNECTING = "disconnecting"
    DISCONNECTED = "disconnected"


@dataclass(frozen=True, slots=True)
class ConnectionToken:
    """Opens the socket; opaque."""

    token: str = field(repr=False)
    user_id: str
    expires_at: datetime
    url: str
    """Of the socket, as the server knows it."""


@dataclass(frozen=True, slots=True)
class Welcome:
    """The first answer of the server."""

    user_id: str
    socket_id: str
    """Of this connection; channel signatures cover it."""
    session_id: str
    app_id: str
    environment: str
    resumed: bool
    """Whether the session of the connection before goes on."""
    limits: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Disconnected:
    """A connection that ended."""

    code: int | None
    """The WebSocket close code; None when there was none."""
    reason: str
    will_reconnect: bool


@dataclass(frozen=True, slots=True)
class Message:
    """A message; it is in the history."""

    id: str
    channel_id: str
    event: str
    user_id: str | None
    """None = the customer's server."""
    data: Json
    created_at: datetime
    offset: int
    """Its place in the channel: 1, 2, 3, …"""
    epoch: str
    """Offsets of different epochs have nothing to do with each other. Empty in the history."""
    client_id: str | None = None
    replayed: bool = False
    """Missed while away."""


@dataclass(frozen=True, slots=True)
class Event:
    """A custom event (`Channel.trigger`); it is not in the history."""

    channel_id: str
    event: str
    user_id: str | None
    data: Json
    offset: int
    epoch: str
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Reload:
    """Something was missed that cannot be replayed: read the history again.

    What comes next follows the place that is named here.
    """

    channel_id: str
    reason: str
    """`expired`, `epoch_changed`, `too_many`, or `overflow` (this program read too slowly)."""
    epoch: str
    offset: int


@dataclass(frozen=True, slots=True)
class Published:
    """A message that is stored."""

    id: str
    channel_id: str
    offset: int
    created_at: datetime | None = None
    epoch: str = ""
    subscribers: int | None = None
    """Of a publication through REST: who listens."""


@dataclass(frozen=True, slots=True)
class Triggered:
    """An event that was sent."""

    channel_id: str
    offset: int
    epoch: str


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who is present."""

    user_id: str
    status: str
    data: Mapping[str, Any]
    connections: int
    joined_at: datetime | None
    updated_at: datetime | None


@dataclass(frozen=True, slots=True)
class Typist:
    """Somebody who writes, or has stopped."""

    channel_id: str
    user_id: str
    user_name: str
    data: Mapping[str, Any]
    reason: str | None = None
    """Why it stopped: `timeout`, `message`, `disconnect`; None when the user said so."""


@dataclass(frozen=True, slots=True)
class ReadReceipt:
    """Somebody has read a message."""

    message_id: str
    user_id: str
    channel_id: str
    read_at: datetime
    up_to: bool = False
    """And every earlier one."""


@dataclass(frozen=True, slots=True)
class ReadStatus:
    """Who has read a message, and whom it has reached."""

    message_id: str
    read_by: tuple[str, ...]
    """In the order of reading."""
    read_count: int
    delivered_to: tuple[str, ...]
    delivered_count: int


@dataclass(frozen=True, slots=True)
class Page:
    """A page of messages."""

    messages: tuple[Message, ...]
    has_more: bool
    oldest_id: str | None
    newest_id: str | None
    total: int | None = None
    """Of a search."""


Item: TypeAlias = Message | Event | Reload
"""What a channel streams."""


def instant(text: str) -> datetime:
    """An RFC 3339 time."""
    return datetime.fromisoformat(text)


def _maybe_instant(value: Any) -> datetime | None:
    return instant(value) if isinstance(value, str) else None


def message_of(frame: Frame) -> Message:
    """A `message` frame."""
    return Message(
        frame["id"],
        frame["channel"],
        frame["event"],
        frame["user_id"],
        frame["data"],
        instant(frame["created_at"]),
        frame["offset"],
        frame["epoch"],
        frame.get("client_id"),
        frame.get("replayed", False),
    )


def event_of(frame: Frame) -> Event:
    """An `event` frame."""
    return Event(
        frame["channel"],
        frame["event"],
        frame["user_id"],
        frame["data"],
        frame["offset"],
        frame["epoch"],
        frame.get("replayed", False),
    )


def stored_message_of(resource: Frame) -> Message:
    """A message of the history or of a search."""
    told = resource["attributes"]
    return Message(
        resource["id"],
        told["channel_id"],
        told["event"],
        told["user_id"],
        told["data"],
        instant(told["created_at"]),
        told["offset"],
        told.get("epoch", ""),
        told.get("client_id"),
    )


def member_of(told: Frame) -> Member:
    """A member on the wire."""
    return Member(
        told["user_id"],
        told["status"],
        told["data"],
        told.get("connections", 1),
        _maybe_instant(told.get("joined_at")),
        _maybe_instant(told.get("updated_at")),
    )


def typist_of(frame: Frame) -> Typist:
    """A `typing` frame."""
    user = dict(frame["user"])
    user_id, user_name = user.pop("user_id"), user.pop("user_name")
    return Typist(frame["channel"], user_id, user_name, user, frame.get("reason"))


def receipt_of(frame: Frame) -> ReadReceipt:
    """A `message:read` frame."""
    return ReadReceipt(
        frame["message_id"],
        frame["user_id"],
        frame["channel"],
        instant(frame["read_at"]),
        frame.get("up_to", False),
    )


def welcome_of(frame: Frame) -> Welcome:
    """A `welcome` frame."""
    return Welcome(
        frame["user_id"],
        frame["socket_id"],
        frame["session_id"],
        frame["app_id"],
        frame["environment"],
        frame["resumed"],
        frame.get("limits", {}),
    )
