"""Presets: what a participant may do and how the meeting looks to them (`realtimekit.md` 6).

The structure is that of the wire, which is also how it is stored. Required members are those that the API
requires; the rest have their documented defaults.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from parley.base.errors import NotAllowed
from parley.base.ids import AppId, PresetId

ViewType = Literal["GROUP_CALL", "WEBINAR", "AUDIO_ROOM", "LIVESTREAM"]
Quality = Literal["hd", "vga", "qvga", "fhd", "uhd"]
Produce = Literal["ALLOWED", "NOT_ALLOWED", "CAN_REQUEST"]
WaitingRoom = Literal["SKIP", "ON_PRIVILEGED_USER_ENTRY", "SKIP_ON_ACCEPT"]
RecorderType = Literal["RECORDER", "LIVESTREAMER", "NONE"]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
FrameRate = Annotated[float, msgspec.Meta(ge=0, le=30)]


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """Base of the parts of a preset."""


class VideoStreams(Part, frozen=True):
    """Remote videos shown at once, per device class."""

    desktop: NotNegative
    mobile: NotNegative


class VideoMedia(Part, frozen=True):
    """Camera capture ceiling."""

    quality: Quality
    frame_rate: FrameRate
    simulcast: bool = False


class ScreenshareMedia(Part, frozen=True):
    """Screen capture ceiling."""

    quality: Quality
    frame_rate: FrameRate


class AudioMedia(Part, frozen=True):
    """Microphone capture."""

    enable_high_bitrate: bool = False
    enable_stereo: bool = False


class MediaConfig(Part, frozen=True):
    """Capture settings by kind."""

    video: VideoMedia
    screenshare: ScreenshareMedia
    audio: AudioMedia = AudioMedia()


class PresetConfig(Part, frozen=True):
    """Kind of meeting and media limits."""

    view_type: ViewType
    max_video_streams: VideoStreams
    max_screenshare_count: NotNegative
    media: MediaConfig
    livestream_viewer_qualities: list[int] | None = None


class PublicChat(Part, frozen=True):
    """Messages to everybody."""

    can_send: bool
    text: bool
    files: bool


class PrivateChat(Part, frozen=True):
    """Direct messages."""

    can_send: bool
    can_receive: bool
    text: bool
    files: bool


class ChatPermissions(Part, frozen=True):
    """Chat, by audience."""

    public: PublicChat
    private: PrivateChat


class ConnectedMeetingsPermissions(Part, frozen=True):
    """Breakout rooms."""

    can_alter_connected_meetings: bool
    can_switch_connected_meetings: bool
    can_switch_to_parent_meeting: bool


class MediaPermission(Part, frozen=True):
    """Publishing one kind of media."""

    can_produce: Produce


class MediaPermissions(Part, frozen=True):
    """Publishing, by kind."""

    audio: MediaPermission
    video: MediaPermission
    screenshare: MediaPermission


class PluginsPermissions(Part, frozen=True):
    """Plugins; `config` is keyed by plugin id and kept as given."""

    can_start: bool
    can_close: bool
    can_edit_config: bool
    config: dict[str, dict[str, Any]]


class PollsPermissions(Part, frozen=True):
    """Polls."""

    can_create: bool
    can_vote: bool
    can_view: bool


class Permissions(Part, frozen=True):
    """Everything a holder may do (`realtimekit.md` 6.3)."""

    accept_waiting_requests: bool
    can_accept_production_requests: bool
    can_change_participant_permissions: bool
    can_edit_display_name: bool
    can_livestream: bool
    can_record: bool
    can_spotlight: bool
    chat: ChatPermissions
    connected_meetings: ConnectedMeetingsPermissions
    disable_participant_audio: bool
    disable_participant_video: bool
    disable_participant_screensharing: bool
    hidden_participant: bool
    kick_participant: bool
    media: MediaPermissions
    pin_participant: bool
    plugins: PluginsPermissions
    polls: PollsPermissions
    recorder_type: RecorderType
    show_participant_list: bool
    waiting_room_type: WaitingRoom
    is_recorder: bool = False
    accept_stage_requests: bool = False
    stage_enabled: bool = False
    stage_access: Produce = "ALLOWED"
    transcription_enabled: bool = False

    @property
    def manages_stage(self) -> bool:
        """May grant and deny requests for the stage; either of the twin permissions is enough."""
        return self.accept_stage_requests or self.can_accept_production_requests

    @property
    def is_service(self) -> bool:
        """A hidden recorder or observer."""
        return self.hidden_participant or self.is_recorder or self.recorder_type != "NONE"


class Preset(Part, frozen=True):
    """A named set of permissions and looks."""

    id: PresetId
    app_id: AppId
    name: str
    config: PresetConfig
    permissions: Permissions
    ui: dict[str, Any]
    """`{"design_tokens": {...}, "config_diff"?: {...}}`, defaults filled in."""
    created_at: datetime
    updated_at: datetime


class PresetName(msgspec.Struct, frozen=True):
    """A preset as lists show it."""

    id: PresetId
    name: str
    created_at: datetime
    updated_at: datetime


def require(allowed: bool, what: str) -> None:
    """Refuse what the preset does not allow.

    Raises:
        NotAllowed: with a sentence naming the act.
    """
    if not allowed:
        raise NotAllowed(f"Your preset does not allow you to {what}.")
