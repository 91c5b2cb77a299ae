"""What happens on channels and in rooms, as webhooks of this dialect tell it (`realtime-block.md` 14.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from parley.base.events import Event
from parley.base.times import iso_from_ms
from parley.channels.realtime.events import (
    ChannelHappening,
    ChannelSubscribed,
    ChannelUnsubscribed,
    PresenceJoined,
    PresenceLeft,
    PresenceUpdated,
    PublicationSent,
    RoomCreated,
    RoomParticipantHappening,
    RoomParticipantJoined,
    RoomParticipantLeft,
    RoomRecordingReady,
)

Data = Mapping[str, Any]


def _sent(happened: PublicationSent) -> Data:
    data = msgspec.json.decode(happened.data)
    text = data.get("text") if isinstance(data, dict) else None
    return {
        "channel_id": happened.channel,
        "user_id": happened.user_id,
        "message": {
            "id": happened.id,
            "text": text if isinstance(text, str) else None,
            "created_at": iso_from_ms(happened.created_ms),
            "event": happened.event,
            "data": data,
        },
    }


def _subscription(happened: ChannelSubscribed | ChannelUnsubscribed) -> Data:
    return {**_on_channel(happened), "socket_id": happened.socket_id}


def _presence(happened: PresenceJoined | PresenceLeft | PresenceUpdated) -> Data:
    return {**_on_channel(happened), "member": happened.member}


def _on_channel(happened: ChannelHappening) -> dict[str, Any]:
    return {"channel_id": happened.channel, "user_id": happened.user_id}


def _room(happened: RoomCreated) -> Data:
    return {
        "room_id": happened.room_id,
        "name": happened.name,
        "created_by": happened.created_by,
        "max_participants": happened.max_participants,
        "recording_enabled": happened.recording_enabled,
    }


def _participant(happened: RoomParticipantHappening) -> Data:
    told: dict[str, Any] = {
        "room_id": happened.room_id,
        "participant": {
            "id": happened.participant_id,
            "user_id": happened.user_id,
            "name": happened.name,
        },
    }
    if isinstance(happened, RoomParticipantLeft):
        told["duration_seconds"] = happened.duration_seconds
    return told


def _recording(happened: RoomRecordingReady) -> Data:
    return {
        "room_id": happened.room_id,
        "recording": {
            "id": happened.recording_id,
            "url": happened.url,
            "duration_seconds": happened.duration_seconds,
            "size_bytes": happened.size_bytes,
            "content_type": happened.content_type,
        },
    }


_TOLD: dict[type[Event], tuple[str, Callable[[Any], Data]]] = {
    ChannelSubscribed: ("channel.subscribed", _subscription),
    ChannelUnsubscribed: ("channel.unsubscribed", _subscription),
    PublicationSent: ("message.sent", _sent),
    PresenceJoined: ("presence.join", _presence),
    PresenceLeft: ("presence.leave", _presence),
    PresenceUpdated: ("presence.update", _presence),
    RoomCreated: ("webrtc.room.created", _room),
    RoomParticipantJoined: ("webrtc.participant.joined", _participant),
    RoomParticipantLeft: ("webrtc.participant.left", _participant),
    RoomRecordingReady: ("webrtc.recording.ready", _recording),
}
EVENT_NAMES = tuple(name for name, _ in _TOLD.values())
"""Every name a webhook can subscribe to."""


class BlockEvents:
    """`webhooks.ports.EventCodec` of the dialect."""

    def public_name(self, happened: Event) -> str | None:
        """See `EventCodec.public_name`."""
        known = _TOLD.get(type(happened))
        return known[0] if known else None

    def data(self, happened: Event) -> Data:
        """See `EventCodec.data`."""
        return _TOLD[type(happened)][1](happened)
