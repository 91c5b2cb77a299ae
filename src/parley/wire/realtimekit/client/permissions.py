"""Permission changes: the protocol's patch message and our nested patch, both ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.message import Message

from parley.base.errors import Invalid
from parley.wire.realtimekit.client import rtk_client_pb2 as pb

_PRODUCE = {
    pb.PRESET_STREAM_PERMISSION_TYPE_ALLOWED: "ALLOWED",
    pb.PRESET_STREAM_PERMISSION_TYPE_NOT_ALLOWED: "NOT_ALLOWED",
    pb.PRESET_STREAM_PERMISSION_TYPE_CAN_REQUEST: "CAN_REQUEST",
}
_WAITING_ROOM = {
    pb.PRESET_WAITING_ROOM_TYPE_SKIP: "SKIP",
    pb.PRESET_WAITING_ROOM_TYPE_ON_PRIVILEGED_USER_ENTRY: "ON_PRIVILEGED_USER_ENTRY",
    pb.PRESET_WAITING_ROOM_TYPE_SKIP_ON_ACCEPT: "SKIP_ON_ACCEPT",
}
_RECORDER = {
    pb.ROOM_RECORDER_TYPE_NONE: "NONE",
    pb.ROOM_RECORDER_TYPE_RECORDER: "RECORDER",
    pb.ROOM_RECORDER_TYPE_LIVESTREAMER: "LIVESTREAMER",
}
_ENUMS: dict[str, Mapping[Any, str]] = {
    "can_produce": _PRODUCE,
    "waiting_room_type": _WAITING_ROOM,
    "recorder_type": _RECORDER,
}
_NOT_CHANGEABLE = {"hidden_participant", "is_recorder", "recorder_type"}
"""What a service peer is cannot be given to a person."""


def patch_from(message: Message) -> dict[str, Any]:
    """The nested patch of a `PresetPresetUpdates` (only what is set in it)."""
    patch: dict[str, Any] = {}
    for field, value in message.ListFields():
        name = field.name
        if name in _NOT_CHANGEABLE:
            raise Invalid(f"{name} cannot be changed in a session.", field=name)
        if isinstance(value, Message):
            patch[name] = patch_from(value)
        elif name == "can_consume":
            continue  # Parley's presets do not restrict watching
        elif name in _ENUMS:
            if value not in _ENUMS[name]:
                raise Invalid(f"{name} has no such value.", field=name)
            patch[name] = _ENUMS[name][value]
        else:
            patch[name] = value
    return patch


def message_of(patch: Mapping[str, Any]) -> pb.PresetPresetUpdates:
    """The `PresetPresetUpdates` of a nested patch."""
    message = pb.PresetPresetUpdates()
    _fill(message, patch)
    return message


def _fill(message: Message, patch: Mapping[str, Any]) -> None:
    for name, value in patch.items():
        if isinstance(value, Mapping):
            child: Message = getattr(message, name)
            child.SetInParent()
            _fill(child, value)
        elif name in _ENUMS:
            setattr(message, name, next(number for number, text in _ENUMS[name].items() if text == value))
        else:
            setattr(message, name, value)
