"""The default presets, against the table of `realtimekit.md` 6.4, row by row."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from parley.base.ids import AppId
from parley.meetings.catalogue import default_presets

COLUMNS = (
    "group_call_host",
    "group_call_participant",
    "group_call_guest",
    "webinar_presenter",
    "webinar_viewer",
    "livestream_host",
    "livestream_viewer",
    "audio_room_host",
    "audio_room_viewer",
)
A, N, R = "ALLOWED", "NOT_ALLOWED", "CAN_REQUEST"
t, f = True, False
HOST = (t, f, f, t, f, t, f, t, f)
ROWS: dict[str, tuple[Any, ...]] = {
    "config.view_type": (
        *("GROUP_CALL",) * 3,
        *("WEBINAR",) * 2,
        *("LIVESTREAM",) * 2,
        *("AUDIO_ROOM",) * 2,
    ),
    "media.audio.can_produce": (A, A, A, A, R, A, N, A, R),
    "media.video.can_produce": (A, A, A, A, R, A, N, N, N),
    "media.screenshare.can_produce": (A, A, N, A, R, A, N, N, N),
    "stage_enabled": (f, f, f, t, t, t, t, t, t),
    "stage_access": (A, A, A, A, R, A, R, A, R),
    "can_accept_production_requests": HOST,
    "accept_stage_requests": HOST,
    "accept_waiting_requests": HOST,
    "waiting_room_type": ("SKIP", "SKIP", "SKIP_ON_ACCEPT", *("SKIP",) * 6),
    "kick_participant": HOST,
    "pin_participant": HOST,
    "can_spotlight": HOST,
    "disable_participant_audio": HOST,
    "disable_participant_video": HOST,
    "disable_participant_screensharing": HOST,
    "can_change_participant_permissions": HOST,
    "can_record": HOST,
    "can_livestream": (t, f, f, t, f, t, f, f, f),
    "chat.public.can_send": (t,) * 9,
    "chat.public.text": (t,) * 9,
    "chat.public.files": (t, t, f, t, f, t, f, t, f),
    "chat.private.can_send": (t, t, f, t, f, t, f, t, f),
    "chat.private.can_receive": (t, t, t, t, t, t, f, t, t),
    "chat.private.text": (t, t, f, t, f, t, f, t, f),
    "chat.private.files": (t, t, f, t, f, t, f, t, f),
    "polls.can_create": (t, t, f, t, f, t, f, t, f),
    "polls.can_vote": (t,) * 9,
    "polls.can_view": (t,) * 9,
    "plugins.can_start": (t, t, f, t, f, t, f, t, f),
    "plugins.can_close": (t, t, f, t, f, t, f, t, f),
    "plugins.can_edit_config": HOST,
    "plugins.config": ({},) * 9,
    "connected_meetings.can_alter_connected_meetings": (t, f, f, t, f, f, f, f, f),
    "connected_meetings.can_switch_connected_meetings": (t, t, f, t, f, f, f, f, f),
    "connected_meetings.can_switch_to_parent_meeting": (t, t, t, t, t, f, f, f, f),
    "can_edit_display_name": (t,) * 9,
    "show_participant_list": (t, t, t, t, t, t, f, t, t),
    "hidden_participant": (f,) * 9,
    "is_recorder": (f,) * 9,
    "transcription_enabled": (f,) * 9,
    "recorder_type": ("NONE",) * 9,
}
PRESETS = {
    preset.name: msgspec.to_builtins(preset)
    for preset in default_presets(
        AppId("5b0c0a9e-2f7d-4b53-9a0f-1f6a2d3e4c55"), datetime(2026, 1, 1, tzinfo=UTC)
    )
}


def test_a_new_app_has_nine_presets():
    assert tuple(PRESETS) == COLUMNS


@pytest.mark.parametrize("row", ROWS)
def test_a_row_is_as_in_the_table(row):
    found = []
    for name in COLUMNS:
        value: Any = PRESETS[name] if row.startswith("config.") else PRESETS[name]["permissions"]
        for part in row.split("."):
            value = value[part]
        found.append(value)
    assert tuple(found) == ROWS[row]


def test_the_table_has_every_permission():
    def leaves(value: dict[str, Any], path: str) -> set[str]:
        return {
            leaf
            for key, inner in value.items()
            for leaf in (
                leaves(inner, f"{path}{key}.") if isinstance(inner, dict) and inner else {f"{path}{key}"}
            )
        }

    assert leaves(PRESETS["group_call_host"]["permissions"], "") == set(ROWS) - {"config.view_type"}


def test_media_settings_are_the_same_in_all():
    for preset in PRESETS.values():
        config = preset["config"]
        assert config["max_video_streams"] == {"desktop": 9, "mobile": 6}
        assert config["max_screenshare_count"] == 1
        assert config["media"] == {
            "video": {"quality": "hd", "frame_rate": 30, "simulcast": True},
            "screenshare": {"quality": "hd", "frame_rate": 5},
            "audio": {"enable_high_bitrate": False, "enable_stereo": False},
        }


def test_their_looks_are_the_documented_defaults():
    tokens = PRESETS["group_call_host"]["ui"]["design_tokens"]
    assert (tokens["theme"], tokens["border_radius"], tokens["border_width"]) == ("dark", "rounded", "thin")
    assert tokens["colors"]["brand"] == {
        "300": "#844d1c",
        "400": "#9d5b22",
        "500": "#b56927",
        "600": "#d37c30",
        "700": "#d9904f",
    }
    assert tokens["colors"]["warning"] == "#FFCD07"
