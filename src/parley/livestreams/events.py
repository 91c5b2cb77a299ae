"""What live streams announce."""

from __future__ import annotations

from datetime import datetime

from parley.base.events import Event, event
from parley.base.ids import MeetingId
from parley.livestreams.model import LivestreamId, Told


@event("livestream.status_changed", since="0.2")
class LivestreamStatusChanged(Event, frozen=True, kw_only=True):
    """A stream was asked for, is on, or has ended."""

    livestream_id: LivestreamId
    status: Told
    name: str | None
    is_ingested: bool
    """Somebody pushes RTMP to it."""
    playback_url: str
    ingest_server: str
    error: str | None = None
    meeting_id: MeetingId | None = None
    session_id: str | None = None
    meeting_title: str = ""
    session_created_at: datetime | None = None
    session_started_at: datetime | None = None

    @property
    def topic(self) -> str:
        """Events of one stream keep their order."""
        return f"livestream:{self.livestream_id}"
