"""Rooms and participants as data."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from parley.base.ids import AppId

NAME_LIMIT = 200
MAX_PARTICIPANTS, MIN_PARTICIPANTS, DEFAULT_PARTICIPANTS = 50, 2, 10


class RoomStatus(StrEnum):
    """The life of a room."""

    OPEN = "open"
    ENDED = "ended"


class Role(StrEnum):
    """What somebody is in a room."""

    HOST = "host"
    PARTICIPANT = "participant"


class VideoSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Cameras."""

    enabled: bool = True
    quality: Literal["sd", "hd", "fhd"] = "hd"


class AudioSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Microphones."""

    enabled: bool = True
    noise_suppression: bool = True


class ScreenSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Shared screens."""

    enabled: bool = True


class RoomSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a room is like."""

    video: VideoSettings = VideoSettings()
    audio: AudioSettings = AudioSettings()
    screen_sharing: ScreenSettings = ScreenSettings()
    topology: Literal["sfu", "mesh"] = "sfu"
    """Media through the server, or from everybody to everybody."""


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """One room."""

    id: str
    app_id: AppId
    name: str
    created_by: str | None
    max_participants: int
    recording_enabled: bool
    access: Literal["open", "token"]
    settings: RoomSettings
    status: RoomStatus
    created_at: datetime
    ended_at: datetime | None = None

    @property
    def is_recorded_here(self) -> bool:
        """Whether this server records it: where media goes from everybody to everybody, it has none."""
        return self.recording_enabled and self.settings.topology == "sfu"


class NewRoom(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer decides about a room."""

    name: Annotated[str, Meta(min_length=1, max_length=NAME_LIMIT)]
    max_participants: Annotated[int, Meta(ge=MIN_PARTICIPANTS, le=MAX_PARTICIPANTS)] = DEFAULT_PARTICIPANTS
    recording_enabled: bool = False
    access: Literal["open", "token"] = "open"
    settings: RoomSettings = RoomSettings()


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """A recording of a room, made by this server or uploaded."""

    id: str
    app_id: AppId
    room_id: str
    blob_key: str
    content_type: str
    size_bytes: int
    duration_seconds: int | None
    """Of an uploaded one as its sender says."""
    created_at: datetime


class Participant(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody in a room, over one connection."""

    id: str
    user_id: str
    name: str
    role: Role
    audio: bool
    video: bool
    screen: bool
    joined_at: str
    """RFC 3339."""
    user_data: dict[str, Any] = {}
