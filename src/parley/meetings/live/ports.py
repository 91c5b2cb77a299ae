"""What a running meeting needs of its neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from parley.base.ids import MeetingId, SessionId
from parley.meetings.model import EndReason

if TYPE_CHECKING:
    from parley.meetings.live.meeting import LiveMeeting
    from parley.meetings.live.peer import LivePeer


class Family(Protocol):
    """The main meeting and its breakout rooms, of which each is a `LiveMeeting`."""

    async def open(self, meeting_id: MeetingId) -> LiveMeeting:
        """The running (or now opened) meeting of that id in the same app."""

    def running(self, root_id: MeetingId) -> list[LiveMeeting]:
        """The main meeting and its rooms, as far as they are open here."""

    async def session_of_parent(self, live: LiveMeeting) -> SessionId | None:
        """The live session of the main meeting, for a breakout room's new session."""

    def has_children_live(self, live: LiveMeeting) -> bool:
        """Whether somebody is in a breakout room of this meeting."""

    def changed(self, live: LiveMeeting) -> None:
        """Who is there, or what they publish, may have changed."""

    def broadcast(self, live: LiveMeeting, kind: str, payload: bytes) -> None:
        """A client sent all others a message."""

    def peer_left(self, live: LiveMeeting) -> None:
        """Somebody left; the parent may be idle now, or the meeting not worth keeping."""

    async def session_ended(self, live: LiveMeeting, session_id: SessionId, reason: EndReason) -> None:
        """The sessions of breakout rooms end with their parent's."""

    def issue_token(self, live: LiveMeeting, peer: LivePeer, meeting_id: MeetingId) -> str:
        """A participant token for a peer that moves to another room."""
