"""What rooms announce."""

from __future__ import annotations

from parley.base.events import Event, event
from parley.rooms.model import Participant, Room


class RoomEvent(Event, frozen=True, kw_only=True):
    """Base of the events of one room."""

    room_id: str

    @property
    def topic(self) -> str:
        """One stream per room."""
        return f"room:{self.room_id}"


@event("room.created", since="0.2")
class RoomCreated(RoomEvent, frozen=True, kw_only=True):
    """A room was made."""

    room: Room


@event("room.ended", since="0.2")
class RoomEnded(RoomEvent, frozen=True, kw_only=True):
    """A room was closed for everybody."""


@event("room.participant_joined", since="0.2")
class ParticipantJoined(RoomEvent, frozen=True, kw_only=True):
    """Somebody came in."""

    participant: Participant


@event("room.participant_left", since="0.2")
class ParticipantLeft(RoomEvent, frozen=True, kw_only=True):
    """Somebody is gone."""

    participant: Participant
    duration_seconds: int
