"""Meetings, participants, sessions and peers as data."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

import msgspec

from parley.base.ids import AppId, MeetingId, ParticipantId, PeerId, PollId, PresetId, SessionId

KEEP_ALIVE_MIN_S, KEEP_ALIVE_MAX_S = 60, 600


class MeetingStatus(StrEnum):
    """Whether a meeting may be joined."""

    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"


class Meeting(msgspec.Struct, frozen=True, kw_only=True):
    """A place to meet; runs any number of sessions, one at a time."""

    id: MeetingId
    app_id: AppId
    parent_id: MeetingId | None = None
    """The main meeting, for a breakout room."""
    title: str | None = None
    status: MeetingStatus = MeetingStatus.ACTIVE
    record_on_start: bool = False
    live_stream_on_start: bool = False
    persist_chat: bool = False
    """Keep chat beyond the session and show it in later ones."""
    session_keep_alive_s: int = KEEP_ALIVE_MIN_S
    """How long a session without peers stays open, 60 to 600."""
    summarize_on_end: bool = False
    transcribe_on_end: bool = False
    recording_config: dict[str, Any] | None = None
    ai_config: dict[str, Any] | None = None
    created_at: datetime
    updated_at: datetime


class Participant(msgspec.Struct, frozen=True, kw_only=True):
    """A durable invitation: somebody may join one meeting with one preset, from any number of devices."""

    id: ParticipantId
    app_id: AppId
    meeting_id: MeetingId
    preset_id: PresetId
    custom_participant_id: str
    """The customer's own id for this person; unique in the meeting."""
    name: str | None = None
    picture: str | None = None
    created_at: datetime
    updated_at: datetime


class Invited(NamedTuple):
    """A participant and the present name of their preset."""

    participant: Participant
    preset_name: str


class MeetingFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which meetings are wanted; None = any."""

    search: str | None = None
    """Part of the title in either case, or the whole id."""
    status: MeetingStatus | None = None
    created_from: datetime | None = None
    """Inclusive, like `created_to`."""
    created_to: datetime | None = None


class SessionStatus(StrEnum):
    """Whether a session still runs."""

    LIVE = "LIVE"
    ENDED = "ENDED"


class EndReason(StrEnum):
    """Why a session ended."""

    HOST_ENDED_MEETING = "HOST_ENDED_MEETING"
    ALL_PARTICIPANTS_LEFT = "ALL_PARTICIPANTS_LEFT"


class SessionSettings(msgspec.Struct, frozen=True):
    """The meeting's settings as they were when the session started."""

    session_keep_alive_s: int
    persist_chat: bool
    record_on_start: bool
    live_stream_on_start: bool
    summarize_on_end: bool
    transcribe_on_end: bool
    recording_config: dict[str, Any] | None = None
    ai_config: dict[str, Any] | None = None


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One live run of a meeting, from the first join to the end of the keep-alive."""

    id: SessionId
    app_id: AppId
    meeting_id: MeetingId
    parent_id: SessionId | None = None
    """The main meeting's session, for a breakout room."""
    status: SessionStatus = SessionStatus.LIVE
    title: str
    settings: SessionSettings
    started_at: datetime
    ended_at: datetime | None = None
    end_reason: EndReason | None = None
    idle_since: datetime | None = None
    """When the last peer left; None while somebody is there, and after the end."""
    live_participants: int = 0
    max_concurrent_participants: int = 0
    connected_ms: int = 0
    """Connected time of peers that have left, added up, in milliseconds; hidden service peers excluded."""
    created_at: datetime
    updated_at: datetime

    @property
    def keep_alive(self) -> timedelta:
        """How long it stays open without peers."""
        return timedelta(seconds=self.settings.session_keep_alive_s)


class LeaveReason(StrEnum):
    """How a peer left."""

    LEFT = "left"
    KICKED = "kicked"
    LOST = "lost"
    """The connection went away and did not come back."""
    ENDED = "ended"
    """The session was ended for all."""
    MOVED = "moved"
    """To another room of the same meeting."""


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """One connection of a participant in a session, with what it was called when it joined."""

    session_id: SessionId
    id: PeerId
    app_id: AppId
    participant_id: ParticipantId
    custom_participant_id: str
    display_name: str
    preset_id: PresetId
    preset_name: str
    view_type: str
    is_hidden: bool = False
    """Recorders and observers: neither start nor keep a session, and are not announced."""
    joined_at: datetime
    left_at: datetime | None = None
    leave_reason: LeaveReason | None = None
    created_at: datetime
    updated_at: datetime


class PeerEventName(StrEnum):
    """Steps of a peer's life (`realtimekit.md` 8.4)."""

    PEER_CREATED = "PEER_CREATED"
    PEER_JOINING = "PEER_JOINING"
    PEER_LEAVING = "PEER_LEAVING"


class PeerEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a peer's life."""

    id: str
    app_id: AppId
    session_id: SessionId
    peer_id: PeerId
    participant_id: ParticipantId
    name: PeerEventName
    view_type: str
    socket_session_id: str
    created_at: datetime


class StageState(IntEnum):
    """Where a participant of a meeting with a stage is; the numbers are those of the client protocol."""

    UNSPECIFIED = 0
    """The initial one of the preset."""
    ON_STAGE = 1
    APPROVED = 2
    REQUESTED = 3
    OFF_STAGE = 4


class SessionRole(msgspec.Struct, frozen=True, kw_only=True):
    """What a participant was granted during one session; survives reconnects and restarts."""

    session_id: SessionId
    participant_id: ParticipantId
    app_id: AppId
    is_admitted: bool = False
    """Accepted from the waiting room."""
    stage: StageState = StageState.UNSPECIFIED
    permission_changes: dict[str, Any]
    """Deep patch over the preset's permissions."""
    updated_at: datetime


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """A question asked in a session."""

    id: PollId
    app_id: AppId
    session_id: SessionId
    question: str
    options: list[str]
    is_anonymous: bool = False
    hides_votes: bool = False
    """Results are hidden from those who have not voted."""
    created_by: str
    created_by_id: str
    created_at: datetime


class PollVote(msgspec.Struct, frozen=True, kw_only=True):
    """One participant's answer."""

    poll_id: PollId
    app_id: AppId
    participant_id: ParticipantId
    option_index: int
    name: str
    created_at: datetime
