"""Tables of what is kept of a session: recordings with their tracks, live streams, and call quality."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

from parley.store.schema.columns import Serial, flag, instant, metadata, of_app, text_column

# --- recordings -------------------------------------------------------------------------------

recordings = Table(
    "recordings",
    metadata,
    Column("id", Text, primary_key=True),
    of_app(),
    Column("meeting_id", Text, ForeignKey("meetings.id", ondelete="CASCADE")),
    Column("room_id", Text, ForeignKey("rooms.id", ondelete="CASCADE")),
    text_column("session_id", null=True),
    text_column("kind"),
    text_column("status"),
    text_column("config"),
    text_column("file_name"),
    text_column("start_reason"),
    text_column("stop_reason", null=True),
    text_column("error", null=True),
    Column("recorded_ms", BigInteger, nullable=False),
    instant("capturing_since", null=True),
    Column("progress", Integer, nullable=False),
    Column("size_bytes", BigInteger),
    text_column("files"),
    instant("invoked_at"),
    instant("started_at", null=True),
    instant("stopped_at", null=True),
    instant("uploaded_at", null=True),
    instant("expires_at", null=True),
    instant("updated_at"),
    Index("ix_recordings_app", "app_id", "invoked_at", "id"),
    Index("ix_recordings_meeting", "meeting_id", "status"),
    Index("ix_recordings_room", "room_id", "status"),
    Index("ix_recordings_expiry", "expires_at"),
)

recording_tracks = Table(
    "recording_tracks",
    metadata,
    Column("id", Text, primary_key=True),
    of_app(),
    Column("recording_id", Text, ForeignKey("recordings.id", ondelete="CASCADE"), nullable=False),
    text_column("peer_id"),
    text_column("participant_id"),
    text_column("custom_participant_id"),
    text_column("display_name"),
    text_column("picture", null=True),
    text_column("source"),
    text_column("file_name"),
    instant("started_at"),
    instant("stopped_at", null=True),
    Index("ix_recording_tracks_recording", "recording_id", "started_at"),
)

recording_moments = Table(
    "recording_moments",
    metadata,
    Column("number", Serial, primary_key=True, autoincrement=True),
    of_app(),
    Column("recording_id", Text, ForeignKey("recordings.id", ondelete="CASCADE"), nullable=False),
    text_column("kind"),
    text_column("payload"),
    instant("at"),
    Index("ix_recording_moments_recording", "recording_id", "number"),
)

# --- live streams -----------------------------------------------------------------------------

livestreams = Table(
    "livestreams",
    metadata,
    Column("id", Text, primary_key=True),
    of_app(),
    Column("meeting_id", Text, ForeignKey("meetings.id", ondelete="CASCADE")),
    text_column("name", null=True),
    text_column("status"),
    flag("is_disabled"),
    text_column("config"),
    Column("sealed_key", LargeBinary, nullable=False),
    text_column("key_hash"),
    instant("created_at"),
    instant("updated_at"),
    UniqueConstraint("key_hash"),
    UniqueConstraint("meeting_id"),
    Index("ix_livestreams_app", "app_id", "created_at", "id"),
)

livestream_sessions = Table(
    "livestream_sessions",
    metadata,
    Column("id", Text, primary_key=True),
    of_app(),
    Column("livestream_id", Text, ForeignKey("livestreams.id", ondelete="CASCADE"), nullable=False),
    text_column("session_id", null=True),
    text_column("error", null=True),
    Column("ingest_ms", BigInteger, nullable=False),
    Column("viewer_ms", BigInteger, nullable=False),
    instant("invoked_at"),
    instant("started_at", null=True),
    instant("stopped_at", null=True),
    instant("created_at"),
    instant("updated_at"),
    Index("ix_livestream_sessions_livestream", "livestream_id", "created_at", "id"),
    Index("ix_livestream_sessions_app", "app_id", "created_at"),
)

# --- quality of calls -------------------------------------------------------------------------

peer_metadata = Table(
    "peer_metadata",
    metadata,
    Column("session_id", Text, ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
    text_column("peer_id"),
    of_app(),
    text_column("report"),
    instant("updated_at"),
    PrimaryKeyConstraint("session_id", "peer_id"),
    Index("ix_peer_metadata_app", "app_id", "peer_id"),
)

quality_samples = Table(
    "quality_samples",
    metadata,
    Column("number", Serial, primary_key=True, autoincrement=True),
    of_app(),
    Column("session_id", Text, ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
    text_column("peer_id"),
    text_column("stream"),
    text_column("sample"),
    instant("at"),
    Index("ix_quality_samples_peer", "session_id", "peer_id", "number"),
)
