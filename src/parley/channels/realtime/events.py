"""What realtime channels and rooms announce, for webhooks (`realtime-block.md` 14.2).

Nobody hears of most of it: an event is written only for an app that has a webhook for it.
"""

from __future__ import annotations

from typing import Any

from parley.base.events import Event, event


class ChannelHappening(Event, frozen=True, kw_only=True):
    """Base of what happens on one channel."""

    channel: str
    user_id: str | None
    """None = the customer's server."""

    @property
    def topic(self) -> str:
        """One stream per channel, beside that of the channel's publications."""
        return f"happened:{self.channel}"


@event("realtime.publication_sent", since="0.2")
class PublicationSent(ChannelHappening, frozen=True, kw_only=True):
    """A message was published and is in the channel's history."""

    id: str
    event: str
    data: str
    """JSON."""
    created_ms: int


@event("realtime.channel_subscribed", since="0.2")
class ChannelSubscribed(ChannelHappening, frozen=True, kw_only=True):
    """A socket subscribed to a channel."""

    socket_id: str


@event("realtime.channel_unsubscribed", since="0.2")
class ChannelUnsubscribed(ChannelHappening, frozen=True, kw_only=True):
    """A subscription ended, with or without its socket."""

    socket_id: str


@event("realtime.presence_joined", since="0.2")
class PresenceJoined(ChannelHappening, frozen=True, kw_only=True):
    """A member came; told once however many sockets the member has."""

    member: dict[str, Any]
    """As clients see it."""


@event("realtime.presence_left", since="0.2")
class PresenceLeft(ChannelHappening, frozen=True, kw_only=True):
    """A member's last socket left."""

    member: dict[str, Any]


@event("realtime.presence_updated", since="0.2")
class PresenceUpdated(ChannelHappening, frozen=True, kw_only=True):
    """A member's data changed."""

    member: dict[str, Any]


class RoomHappening(Event, frozen=True, kw_only=True):
    """Base of what happens in one WebRTC room."""

    room_id: str

    @property
    def topic(self) -> str:
        """One stream per room."""
        return f"room:{self.room_id}"


@event("realtime.room_created", since="0.2")
class RoomCreated(RoomHappening, frozen=True, kw_only=True):
    """A room was made."""

    name: str
    created_by: str | None
    max_participants: int
    recording_enabled: bool


class RoomParticipantHappening(RoomHappening, frozen=True, kw_only=True):
    """Base of what a participant of a room does."""

    participant_id: str
    user_id: str
    name: str | None


@event("realtime.room_participant_joined", since="0.2")
class RoomParticipantJoined(RoomParticipantHappening, frozen=True, kw_only=True):
    """Somebody joined a room."""


@event("realtime.room_participant_left", since="0.2")
class RoomParticipantLeft(RoomParticipantHappening, frozen=True, kw_only=True):
    """Somebody left a room."""

    duration_seconds: int


@event("realtime.room_recording_ready", since="0.2")
class RoomRecordingReady(RoomHappening, frozen=True, kw_only=True):
    """A recording of a room can be fetched."""

    recording_id: str
    url: str
    duration_seconds: int | None
    size_bytes: int
    content_type: str
