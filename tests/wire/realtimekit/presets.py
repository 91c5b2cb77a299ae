"""A preset as a customer would write it, for the SDK: every required member, no optional one."""

from __future__ import annotations

from typing import Any

PRESET: dict[str, Any] = {
    "config": {
        "view_type": "GROUP_CALL",
        "max_video_streams": {"desktop": 6, "mobile": 4},
        "max_screenshare_count": 1,
        "media": {
            "video": {"quality": "vga", "frame_rate": 24},
            "screenshare": {"quality": "hd", "frame_rate": 5},
        },
    },
    "permissions": {
        "accept_waiting_requests": False,
        "can_accept_production_requests": False,
        "can_change_participant_permissions": False,
        "can_edit_display_name": True,
        "can_livestream": False,
        "can_record": False,
        "can_spotlight": False,
        "chat": {
            "public": {"can_send": True, "text": True, "files": False},
            "private": {"can_send": True, "can_receive": True, "text": True, "files": False},
        },
        "connected_meetings": {
            "can_alter_connected_meetings": False,
            "can_switch_connected_meetings": False,
            "can_switch_to_parent_meeting": True,
        },
        "disable_participant_audio": False,
        "disable_participant_video": False,
        "disable_participant_screensharing": False,
        "hidden_participant": False,
        "kick_participant": False,
        "media": {
            "audio": {"can_produce": "ALLOWED"},
            "video": {"can_produce": "CAN_REQUEST"},
            "screenshare": {"can_produce": "NOT_ALLOWED"},
        },
        "pin_participant": False,
        "plugins": {"can_start": False, "can_close": False, "can_edit_config": False, "config": {}},
        "polls": {"can_create": True, "can_vote": True, "can_view": True},
        "recorder_type": "NONE",
        "show_participant_list": True,
        "waiting_room_type": "SKIP",
    },
    "ui": {
        "design_tokens": {
            "theme": "darkest",
            "border_radius": "circular",
            "border_width": "fat",
            "colors": {"brand": {"300": "#123456"}},
        }
    },
}
