"""Events of sessions, as the meetings domain announces them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from parley.base.ids import MeetingId, ParticipantId, PeerId, SessionId
from parley.meetings.events import MeetingEnded, MeetingStarted, ParticipantJoined, ParticipantLeft
from parley.meetings.model import EndReason

MEETING = MeetingId("3f1d2c7a-54d0-4a7e-9a55-0d8f6f2f9b01")
SESSION = SessionId("a2b7d1c4-0b6e-4f0c-8a2a-7a1d4c9e5f10")
PEER = PeerId("6c1f9d30-7d0a-4b53-8a5e-2b7f0c4d1e99")
PARTICIPANT = ParticipantId("0d4c1c52-2f7d-4b53-9a0f-1f6a2d3e4c55")
START = datetime(2031, 4, 2, 9, 0, tzinfo=UTC)


def started(session_id: str = SESSION) -> MeetingStarted:
    return MeetingStarted(
        meeting_id=MEETING,
        session_id=SessionId(session_id),
        title="Release review",
        started_at=START,
        created_at=START,
    )


def ended(session_id: str = SESSION, reason: EndReason = EndReason.ALL_PARTICIPANTS_LEFT) -> MeetingEnded:
    return MeetingEnded(
        meeting_id=MEETING,
        session_id=SessionId(session_id),
        title="Release review",
        started_at=START,
        created_at=START,
        ended_at=START + timedelta(minutes=41, seconds=12, milliseconds=310),
        reason=reason,
    )


def joined(name: str = "Viewer Two", session_id: str = SESSION) -> ParticipantJoined:
    return ParticipantJoined(
        meeting_id=MEETING,
        session_id=SessionId(session_id),
        title="Release review",
        started_at=START,
        created_at=START,
        peer_id=PEER,
        participant_id=PARTICIPANT,
        custom_participant_id="viewer-42",
        display_name=name,
        preset_name="group_call_participant",
        joined_at=START + timedelta(minutes=2, seconds=10, milliseconds=4),
    )


def left(session_id: str = SESSION) -> ParticipantLeft:
    return ParticipantLeft(
        meeting_id=MEETING,
        session_id=SessionId(session_id),
        title="Release review",
        started_at=START,
        created_at=START,
        peer_id=PEER,
        participant_id=PARTICIPANT,
        custom_participant_id="viewer-42",
        display_name="Viewer Two",
        preset_name="group_call_participant",
        joined_at=START + timedelta(minutes=2, seconds=10, milliseconds=4),
        left_at=START + timedelta(minutes=40, seconds=59, milliseconds=870),
    )
