"""A session as REST shows it (`realtimekit.md` 8.1)."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from parley.base.times import iso_ms
from parley.meetings.history.model import SessionReport
from parley.wire.realtimekit.answers import Timestamp, Uuid


class SessionShape(msgspec.Struct, frozen=True, kw_only=True):
    """One live run of a meeting."""

    id: Uuid
    associated_id: Uuid
    """The meeting."""
    meeting_display_name: str
    organization_id: Uuid
    """The app."""
    type: Literal["meeting", "livestream", "participant"] = "meeting"
    status: Literal["LIVE", "ENDED"]
    live_participants: int
    max_concurrent_participants: int
    minutes_consumed: float
    started_at: Timestamp
    ended_at: Timestamp | UnsetType = UNSET
    created_at: Timestamp
    updated_at: Timestamp
    meta: dict[str, Any] = {}


class SessionWithRooms(SessionShape, frozen=True, kw_only=True):
    """A session, with its breakout rooms if they were asked for."""

    breakout_rooms: Sequence[SessionShape] | UnsetType = UNSET


class SessionDetails(SessionWithRooms, frozen=True, kw_only=True):
    """The same, and once more under `session` for older clients."""

    session: SessionWithRooms


def _fields(report: SessionReport) -> dict[str, Any]:
    session = report.session
    return {
        "id": session.id,
        "associated_id": session.meeting_id,
        "meeting_display_name": session.title,
        "organization_id": session.app_id,
        "status": session.status.value,
        "live_participants": session.live_participants,
        "max_concurrent_participants": session.max_concurrent_participants,
        "minutes_consumed": report.minutes_consumed,
        "started_at": iso_ms(session.started_at),
        "ended_at": UNSET if session.ended_at is None else iso_ms(session.ended_at),
        "created_at": iso_ms(session.created_at),
        "updated_at": iso_ms(session.updated_at),
    }


def shape_of(report: SessionReport) -> SessionShape:
    """A session."""
    return SessionShape(**_fields(report))


def details_of(report: SessionReport, rooms: Sequence[SessionReport] | None) -> SessionDetails:
    """A session with its breakout rooms; None = not asked for."""
    fields = _fields(report)
    if rooms is not None:
        fields["breakout_rooms"] = [shape_of(room) for room in rooms]
    return SessionDetails(**fields, session=SessionWithRooms(**fields))
