"""What meetings announce."""

from __future__ import annotations

from datetime import datetime

from parley.base.events import Event, event
from parley.base.ids import MeetingId, ParticipantId, PeerId, SessionId
from parley.meetings.model import EndReason, MeetingStatus


class SessionEvent(Event, frozen=True, kw_only=True):
    """Base of the events of one session; carries what receivers need without asking back."""

    meeting_id: MeetingId
    session_id: SessionId
    title: str
    started_at: datetime
    created_at: datetime

    @property
    def topic(self) -> str:
        """Events of one session keep their order."""
        return f"session:{self.session_id}"


@event("meeting.started", since="0.1")
class MeetingStarted(SessionEvent, frozen=True, kw_only=True):
    """The first peer joined and a session began."""


@event("meeting.ended", since="0.1")
class MeetingEnded(SessionEvent, frozen=True, kw_only=True):
    """A session was closed."""

    ended_at: datetime
    reason: EndReason


@event("meeting.chat_synced", since="0.2")
class ChatSynced(SessionEvent, frozen=True, kw_only=True):
    """The chat of an ended session can be downloaded; not announced for a session without chat."""

    ended_at: datetime
    download_url: str
    download_url_expiry: datetime


class PeerEventBase(SessionEvent, frozen=True, kw_only=True):
    """Base of events about one peer."""

    peer_id: PeerId
    participant_id: ParticipantId
    custom_participant_id: str
    display_name: str
    preset_name: str
    joined_at: datetime


@event("meeting.participant_joined", since="0.1")
class ParticipantJoined(PeerEventBase, frozen=True, kw_only=True):
    """A peer joined (people in the waiting room have not joined)."""


@event("meeting.participant_left", since="0.1")
class ParticipantLeft(PeerEventBase, frozen=True, kw_only=True):
    """A peer left, was removed, or was lost."""

    left_at: datetime


@event("meeting.participant_removed", since="0.1")
class ParticipantRemoved(Event, frozen=True, kw_only=True):
    """An invitation was deleted; its connected peers are disconnected."""

    meeting_id: MeetingId
    participant_id: ParticipantId

    @property
    def topic(self) -> str:
        """One stream per meeting."""
        return f"meeting:{self.meeting_id}"


@event("meeting.updated", since="0.1")
class MeetingUpdated(Event, frozen=True, kw_only=True):
    """Settings were changed; status and title count at once, the rest from the next session on."""

    meeting_id: MeetingId
    title: str | None
    status: MeetingStatus

    @property
    def topic(self) -> str:
        """One stream per meeting."""
        return f"meeting:{self.meeting_id}"
