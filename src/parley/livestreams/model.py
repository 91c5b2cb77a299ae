"""What a live stream is (`realtimekit.md` section 11)."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, NewType

import msgspec

from parley.base.ids import AppId, MeetingId, SessionId
from parley.base.paging import Order

LivestreamId = NewType("LivestreamId", str)
RunId = NewType("RunId", str)


class LivestreamStatus(StrEnum):
    """How a stream stands."""

    IDLE = "IDLE"
    INVOKED = "INVOKED"
    """Asked for; nothing to see yet."""
    LIVE = "LIVE"
    ERRORED = "ERRORED"
    """It ended because it could not go on."""


ACTIVE = frozenset({LivestreamStatus.INVOKED, LivestreamStatus.LIVE})


class Told(StrEnum):
    """What is announced of a stream."""

    INVOKED = "INVOKED"
    LIVE = "LIVE"
    OFFLINE = "OFFLINE"
    """It has ended; viewers still see the last seconds."""
    IDLE = "IDLE"
    """Those are over, too."""
    ERRORED = "ERRORED"


Size = Annotated[int, msgspec.Meta(ge=1, le=1920)]


class StreamSettings(msgspec.Struct, frozen=True):
    """How a meeting is streamed."""

    width: Size = 1280
    height: Size = 720
    manual_ingest: bool = False
    """Somebody pushes RTMP instead of Parley showing the meeting."""
    rtmp_url: str | None = None
    """Where the picture is also sent."""


class Livestream(msgspec.Struct, frozen=True):
    """A place where something can be seen live, again and again; a meeting has at most one."""

    id: LivestreamId
    app_id: AppId
    meeting_id: MeetingId | None
    """None for an independent one."""
    name: str | None
    status: LivestreamStatus
    is_disabled: bool
    config: StreamSettings
    sealed_key: bytes
    key_hash: str
    created_at: datetime
    updated_at: datetime

    @property
    def is_active(self) -> bool:
        """Asked for, or live."""
        return self.status in ACTIVE

    @property
    def takes_ingest(self) -> bool:
        """Whether RTMP may be pushed to it."""
        return self.meeting_id is None or self.config.manual_ingest


FLOWS_FOR = timedelta(seconds=30)
"""How long media counts as flowing after that was noted last."""


class Run(msgspec.Struct, frozen=True):
    """One time that a stream was on: a "livestream session" on the wire."""

    id: RunId
    app_id: AppId
    livestream_id: LivestreamId
    session_id: SessionId | None
    """Of the meeting."""
    error: str | None
    """What went wrong, in plain words; a stream may go on all the same."""
    ingest_ms: int
    """Media flowed in for so long."""
    viewer_ms: int
    """All viewers together watched for so long."""
    invoked_at: datetime
    started_at: datetime | None
    stopped_at: datetime | None
    created_at: datetime
    updated_at: datetime

    def ingested_until(self, now: datetime) -> int:
        """Milliseconds for which media flowed in, up to now while it is on.

        Every few seconds it is noted that it flows; what lies longer back is the gap of a lost server.
        """
        if self.started_at is None or self.stopped_at is not None:
            return self.ingest_ms
        since = min(now - self.updated_at, FLOWS_FOR)
        return self.ingest_ms + max(0, round(since.total_seconds() * 1000))


class LivestreamFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which streams; absent conditions do not count."""

    status: LivestreamStatus | None = None
    without_meetings: bool = False
    created_from: datetime | None = None
    created_to: datetime | None = None
    order: Order = Order.DESC


class DayUse(msgspec.Struct, frozen=True):
    """What was streamed of the runs that began on one day (UTC)."""

    day: datetime
    count: int
    ingest_ms: int
    viewer_ms: int
