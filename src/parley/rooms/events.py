"""What rooms announce among servers; what customers' webhooks hear is in `channels.realtime.events`."""

from __future__ import annotations

from parley.base.events import Event, event
from parley.base.ids import AppId


@event("room.changed", since="0.2")
class RoomChanged(Event, frozen=True, kw_only=True):
    """What a room is has been decided anew."""

    app_id: AppId
    room_id: str
    recording_enabled: bool

    @property
    def topic(self) -> str:
        """The room's stream."""
        return f"room:{self.room_id}"


@event("room.ended", since="0.2")
class RoomEnded(Event, frozen=True, kw_only=True):
    """A room was closed for everybody."""

    app_id: AppId
    room_id: str

    @property
    def topic(self) -> str:
        """The room's stream."""
        return f"room:{self.room_id}"
