"""The presets that every new app begins with (`realtimekit.md` 6.4)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from parley.base.ids import AppId, PresetId, new_uuid
from parley.meetings.looks import Looks
from parley.meetings.presets import (
    AudioMedia,
    ChatPermissions,
    ConnectedMeetingsPermissions,
    MediaConfig,
    MediaPermission,
    MediaPermissions,
    Permissions,
    PluginsPermissions,
    PollsPermissions,
    Preset,
    PresetConfig,
    PrivateChat,
    Produce,
    PublicChat,
    ScreenshareMedia,
    VideoMedia,
    VideoStreams,
    ViewType,
    WaitingRoom,
)


class _Role(NamedTuple):
    """One column of the table in 6.4; flags are letters, `t` or `f`, in the order of the table's row."""

    name: str
    view_type: ViewType
    media: tuple[Produce, Produce, Produce]
    """Audio, video, screen share."""
    stage_enabled: bool
    stage_access: Produce
    hosts: bool
    """Admits, moderates, records, pins, kicks."""
    livestreams: bool
    waiting_room: WaitingRoom
    public_chat: str
    """Send, text, files."""
    private_chat: str
    """Send, receive, text, files."""
    polls: str
    """Create, vote, view."""
    plugins: str
    """Start, close, edit."""
    rooms: str
    """Alter, switch, return to the parent."""
    sees_list: bool


_ALL: tuple[Produce, Produce, Produce] = ("ALLOWED", "ALLOWED", "ALLOWED")
# fmt: off
_ROLES = (
    _Role("group_call_host", "GROUP_CALL", _ALL, False, "ALLOWED", True, True, "SKIP",
          "ttt", "tttt", "ttt", "ttt", "ttt", True),
    _Role("group_call_participant", "GROUP_CALL", _ALL, False, "ALLOWED", False, False, "SKIP",
          "ttt", "tttt", "ttt", "ttf", "ftt", True),
    _Role("group_call_guest", "GROUP_CALL", ("ALLOWED", "ALLOWED", "NOT_ALLOWED"), False, "ALLOWED",
          False, False, "SKIP_ON_ACCEPT", "ttf", "ftff", "ftt", "fff", "fft", True),
    _Role("webinar_presenter", "WEBINAR", _ALL, True, "ALLOWED", True, True, "SKIP",
          "ttt", "tttt", "ttt", "ttt", "ttt", True),
    _Role("webinar_viewer", "WEBINAR", ("CAN_REQUEST", "CAN_REQUEST", "CAN_REQUEST"), True, "CAN_REQUEST",
          False, False, "SKIP", "ttf", "ftff", "ftt", "fff", "fft", True),
    _Role("livestream_host", "LIVESTREAM", _ALL, True, "ALLOWED", True, True, "SKIP",
          "ttt", "tttt", "ttt", "ttt", "fff", True),
    _Role("livestream_viewer", "LIVESTREAM", ("NOT_ALLOWED", "NOT_ALLOWED", "NOT_ALLOWED"), True,
          "CAN_REQUEST", False, False, "SKIP", "ttf", "ffff", "ftt", "fff", "fff", False),
    _Role("audio_room_host", "AUDIO_ROOM", ("ALLOWED", "NOT_ALLOWED", "NOT_ALLOWED"), True, "ALLOWED",
          True, False, "SKIP", "ttt", "tttt", "ttt", "ttt", "fff", True),
    _Role("audio_room_viewer", "AUDIO_ROOM", ("CAN_REQUEST", "NOT_ALLOWED", "NOT_ALLOWED"), True,
          "CAN_REQUEST", False, False, "SKIP", "ttf", "ftff", "ftt", "fff", "fff", True),
)
# fmt: on
NAMES = tuple(role.name for role in _ROLES)


def default_presets(app_id: AppId, now: datetime) -> Iterator[Preset]:
    """A fresh set of all nine."""
    ui: dict[str, Any] = msgspec.to_builtins(Looks())
    for role in _ROLES:
        yield Preset(
            id=PresetId(new_uuid()),
            app_id=app_id,
            name=role.name,
            config=_config(role.view_type),
            permissions=_permissions(role),
            ui=ui,
            created_at=now,
            updated_at=now,
        )


def _config(view_type: ViewType) -> PresetConfig:
    return PresetConfig(
        view_type=view_type,
        max_video_streams=VideoStreams(desktop=9, mobile=6),
        max_screenshare_count=1,
        media=MediaConfig(
            video=VideoMedia(quality="hd", frame_rate=30, simulcast=True),
            screenshare=ScreenshareMedia(quality="hd", frame_rate=5),
            audio=AudioMedia(enable_stereo=False, enable_high_bitrate=False),
        ),
    )


def _flags(letters: str) -> list[bool]:
    return [letter == "t" for letter in letters]


def _permissions(role: _Role) -> Permissions:
    send, text, files = _flags(role.public_chat)
    private_send, private_receive, private_text, private_files = _flags(role.private_chat)
    create, vote, view = _flags(role.polls)
    start, close, edit = _flags(role.plugins)
    alter, switch, to_parent = _flags(role.rooms)
    audio, video, screenshare = (MediaPermission(can_produce=produce) for produce in role.media)
    return Permissions(
        accept_waiting_requests=role.hosts,
        can_accept_production_requests=role.hosts,
        accept_stage_requests=role.hosts,
        can_change_participant_permissions=role.hosts,
        can_edit_display_name=True,
        can_livestream=role.livestreams,
        can_record=role.hosts,
        can_spotlight=role.hosts,
        chat=ChatPermissions(
            public=PublicChat(can_send=send, text=text, files=files),
            private=PrivateChat(
                can_send=private_send, can_receive=private_receive, text=private_text, files=private_files
            ),
        ),
        connected_meetings=ConnectedMeetingsPermissions(
            can_alter_connected_meetings=alter,
            can_switch_connected_meetings=switch,
            can_switch_to_parent_meeting=to_parent,
        ),
        disable_participant_audio=role.hosts,
        disable_participant_video=role.hosts,
        disable_participant_screensharing=role.hosts,
        hidden_participant=False,
        kick_participant=role.hosts,
        media=MediaPermissions(audio=audio, video=video, screenshare=screenshare),
        pin_participant=role.hosts,
        plugins=PluginsPermissions(can_start=start, can_close=close, can_edit_config=edit, config={}),
        polls=PollsPermissions(can_create=create, can_vote=vote, can_view=view),
        recorder_type="NONE",
        show_participant_list=role.sees_list,
        waiting_room_type=role.waiting_room,
        is_recorder=False,
        stage_enabled=role.stage_enabled,
        stage_access=role.stage_access,
        transcription_enabled=False,
    )
