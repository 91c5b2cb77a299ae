"""What recordings announce."""

from __future__ import annotations

from datetime import datetime

from parley.base.events import Event, event
from parley.base.ids import MeetingId
from parley.recordings.model import RecordingId, RecordingKind, RecordingStatus


@event("recording.status_changed", since="0.2")
class RecordingStatusChanged(Event, frozen=True, kw_only=True):
    """A recording was started, or has come one step further."""

    recording_id: RecordingId
    meeting_id: MeetingId
    session_id: str | None
    kind: RecordingKind
    status: RecordingStatus
    file_name: str
    invoked_at: datetime
    started_at: datetime | None
    stopped_at: datetime | None
    recorded_ms: int
    size_bytes: int | None
    download_url: str | None = None
    audio_download_url: str | None = None
    download_url_expiry: datetime | None = None
    stop_reason: str | None = None
    """JSON, as it is told on the wire."""
    copied_by: str | None = None
    """See `RecordingSettings`."""
    meeting_title: str = ""
    session_started_at: datetime | None = None
    session_created_at: datetime | None = None
    session_ended_at: datetime | None = None

    @property
    def topic(self) -> str:
        """Events of one recording keep their order."""
        return f"recording:{self.recording_id}"
