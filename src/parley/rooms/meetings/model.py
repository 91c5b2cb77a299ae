"""Meetings as data."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, NamedTuple

import msgspec

from parley.rooms.model import DEFAULT_PARTICIPANTS

OURS = "parley"
"""The provider whose meetings are held in rooms of this server."""
Standing = Literal["pending", "active", "inactive"]
"""The three states that clients know."""


class MeetingStatus(StrEnum):
    """The life of a meeting; what is over stays over."""

    SCHEDULED = "scheduled"
    ACTIVE = "active"
    ENDED = "ended"
    CANCELLED = "cancelled"
    """Over before it began."""

    @property
    def is_over(self) -> bool:
        """Whether nobody comes in any more."""
        return self in (MeetingStatus.ENDED, MeetingStatus.CANCELLED)

    @property
    def standing(self) -> Standing:
        """As clients know it."""
        if self.is_over:
            return "inactive"
        return "active" if self is MeetingStatus.ACTIVE else "pending"


class Meeting(msgspec.Struct, frozen=True):
    """One meeting."""

    id: str
    title: str
    description: str | None
    host_unique_id: str | None
    """None = the customer's server."""
    conversation_unique_id: str | None
    """Its members are invited."""
    group_unique_id: str | None
    """Its members are invited."""
    scheduled_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    meeting_type: str
    provider: str
    room_id: str | None
    """Where it is held; None = by another provider."""
    meeting_url: str | None
    """Of another provider."""
    external_meeting_id: str | None
    """Of another provider."""
    max_participants: int
    is_recording: bool
    status: MeetingStatus
    enabled: bool
    payload: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime

    @property
    def duration(self) -> int | None:
        """Whole seconds from start to end; None until it has ended."""
        if self.started_at is None or self.ended_at is None:
            return None
        return int((self.ended_at - self.started_at).total_seconds())


class Seen(NamedTuple):
    """A meeting as somebody sees it."""

    meeting: Meeting
    recording_id: str | None
    """The newest recording of its room."""


class Session(NamedTuple):
    """What somebody needs to come in."""

    room_id: str
    token: str
    join_url: str
    """A page of this server; it has the token in its fragment, which browsers send to nobody."""
    expires_at: datetime


class NewMeeting(msgspec.Struct, frozen=True, kw_only=True):
    """What a meeting is made of."""

    title: str
    description: str | None = None
    conversation: str | None = None
    """The id of a conversation, or the free text that addresses it."""
    group: str | None = None
    scheduled_at: datetime | None = None
    meeting_type: str = "video"
    """`audio` has no cameras."""
    provider: str = OURS
    meeting_url: str | None = None
    """Of another provider."""
    external_meeting_id: str | None = None
    """Of another provider."""
    max_participants: int = DEFAULT_PARTICIPANTS
    is_recording: bool = False
    payload: dict[str, Any] | None = None


class MeetingChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to change: absent = unchanged, None = cleared."""

    title: str | msgspec.UnsetType = msgspec.UNSET
    description: str | msgspec.UnsetType | None = msgspec.UNSET
    scheduled_at: datetime | msgspec.UnsetType | None = msgspec.UNSET
    meeting_url: str | msgspec.UnsetType | None = msgspec.UNSET
    external_meeting_id: str | msgspec.UnsetType | None = msgspec.UNSET
    max_participants: int | msgspec.UnsetType = msgspec.UNSET
    is_recording: bool | msgspec.UnsetType = msgspec.UNSET
    enabled: bool | msgspec.UnsetType = msgspec.UNSET
    payload: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET

    def given(self) -> dict[str, Any]:
        """What is there, by field."""
        return {
            name: value
            for name in self.__struct_fields__
            if (value := getattr(self, name)) is not msgspec.UNSET
        }


class MeetingFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which meetings; None = whatever."""

    host_unique_id: str | None = None
    conversation_unique_id: str | None = None
    """The id or the free text of a conversation."""
    group_unique_id: str | None = None
    status: str | None = None
    """A `MeetingStatus`, or as clients know it; anything else finds nothing."""
    scheduled_after: datetime | None = None
    """Then or later."""
    scheduled_before: datetime | None = None
    """Earlier."""
