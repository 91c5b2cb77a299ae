"""Every table. Instants are milliseconds since 1970; JSON is text; every tenant's row names its app.

The migrations in `migrations/versions` create exactly this (`tests/store/test_schema.py`).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
Serial = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only in an INTEGER primary key."""


def _text(name: str, *, null: bool = False) -> Column[str]:
    return Column(name, Text, nullable=null)


def _instant(name: str, *, null: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=null)


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


def _app() -> Column[str]:
    return Column("app_id", Text, ForeignKey("apps.id", ondelete="CASCADE"), nullable=False)


# --- accounts ---------------------------------------------------------------------------------

organizations = Table(
    "organizations", metadata, Column("id", Text, primary_key=True), _text("name"), _instant("created_at")
)

apps = Table(
    "apps",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False),
    _text("name"),
    _instant("created_at"),
    Index("ix_apps_organization", "organization_id", "created_at"),
)

credentials = Table(
    "credentials",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False),
    Column("app_id", Text, ForeignKey("apps.id", ondelete="CASCADE")),
    _text("kind"),
    _text("name"),
    _text("secret_hash"),
    _text("rights"),
    _text("environment"),
    _instant("expires_at", null=True),
    _instant("revoked_at", null=True),
    _instant("created_at"),
    UniqueConstraint("secret_hash"),
)

server_secrets = Table(
    "server_secrets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    _instant("created_at"),
)

# --- meetings ---------------------------------------------------------------------------------

meetings = Table(
    "meetings",
    metadata,
    Column("id", Text, primary_key=True),
    _app(),
    Column("parent_id", Text, ForeignKey("meetings.id", ondelete="CASCADE")),
    _text("title", null=True),
    _text("status"),
    _flag("record_on_start"),
    _flag("live_stream_on_start"),
    _flag("persist_chat"),
    Column("session_keep_alive_s", Integer, nullable=False),
    _flag("summarize_on_end"),
    _flag("transcribe_on_end"),
    _text("recording_config", null=True),
    _text("ai_config", null=True),
    _instant("created_at"),
    _instant("updated_at"),
    Index("ix_meetings_app", "app_id", "parent_id", "created_at", "id"),
    Index("ix_meetings_parent", "parent_id"),
)

presets = Table(
    "presets",
    metadata,
    Column("id", Text, primary_key=True),
    _app(),
    _text("name"),
    _text("config"),
    _text("permissions"),
    _text("ui"),
    _instant("created_at"),
    _instant("updated_at"),
    UniqueConstraint("app_id", "name"),
)

participants = Table(
    "participants",
    metadata,
    Column("id", Text, primary_key=True),
    _app(),
    Column("meeting_id", Text, ForeignKey("meetings.id", ondelete="CASCADE"), nullable=False),
    Column("preset_id", Text, ForeignKey("presets.id"), nullable=False),
    _text("custom_participant_id"),
    _text("name", null=True),
    _text("picture", null=True),
    _instant("created_at"),
    _instant("updated_at"),
    UniqueConstraint("meeting_id", "custom_participant_id"),
    Index("ix_participants_meeting", "meeting_id", "created_at", "id"),
    Index("ix_participants_preset", "preset_id"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    _app(),
    Column("meeting_id", Text, ForeignKey("meetings.id", ondelete="CASCADE"), nullable=False),
    Column("parent_id", Text, ForeignKey("sessions.id", ondelete="CASCADE")),
    _text("status"),
    _text("title"),
    _text("settings"),
    _instant("started_at"),
    _instant("ended_at", null=True),
    _text("end_reason", null=True),
    _instant("idle_since", null=True),
    Column("live_participants", Integer, nullable=False),
    Column("max_concurrent_participants", Integer, nullable=False),
    Column("connected_ms", BigInteger, nullable=False),
    _instant("created_at"),
    _instant("updated_at"),
    Index("ix_sessions_app", "app_id", "created_at", "id"),
    Index("ix_sessions_meeting", "meeting_id", "created_at"),
    Index(
        "uq_sessions_live",
        "meeting_id",
        unique=True,
        sqlite_where=text("status = 'LIVE'"),
        postgresql_where=text("status = 'LIVE'"),
    ),
)

peers = Table(
    "peers",
    metadata,
    Column("session_id", Text, ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
    Column("id", Text, nullable=False),
    _app(),
    _text("participant_id"),
    _text("custom_participant_id"),
    _text("display_name"),
    _text("preset_id"),
    _text("preset_name"),
    _text("view_type"),
    _flag("is_hidden"),
    _instant("joined_at"),
    _instant("left_at", null=True),
    _text("leave_reason", null=True),
    _instant("created_at"),
    _instant("updated_at"),
    PrimaryKeyConstraint("session_id", "id"),
    Index("ix_peers_app", "app_id", "id"),
    Index("ix_peers_participant", "session_id", "participant_id"),
)

peer_events = Table(
    "peer_events",
    metadata,
    Column("id", Text, primary_key=True),
    _app(),
    Column("session_id", Text, ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
    _text("peer_id"),
    _text("participant_id"),
    _text("name"),
    _text("view_type"),
    _text("socket_session_id"),
    _instant("created_at"),
    Index("ix_peer_events_peer", "session_id", "peer_id", "created_at"),
)

session_roles = Table(
    "session_roles",
    metadata,
    Column("session_id", Text, ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
    _text("participant_id"),
    _app(),
    _flag("is_admitted"),
    Column("stage", Integer, nullable=False),
    _text("permission_changes"),
    _instant("updated_at"),
    PrimaryKeyConstraint("session_id", "participant_id"),
)

polls = Table(
    "polls",
    metadata,
    Column("id", Text, primary_key=True),
    _app(),
    Column("session_id", Text, ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
    _text("question"),
    _text("options"),
    _flag("is_anonymous"),
    _flag("hides_votes"),
    _text("created_by"),
    _text("created_by_id"),
    _instant("created_at"),
    Index("ix_polls_session", "session_id", "created_at"),
)

poll_votes = Table(
    "poll_votes",
    metadata,
    Column("poll_id", Text, ForeignKey("polls.id", ondelete="CASCADE"), nullable=False),
    _text("participant_id"),
    _app(),
    Column("option_index", Integer, nullable=False),
    _text("name"),
    _instant("created_at"),
    PrimaryKeyConstraint("poll_id", "participant_id"),
)

shared_values = Table(
    "shared_values",
    metadata,
    Column("session_id", Text, ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
    _text("store_name"),
    _text("key"),
    _app(),
    Column("value", LargeBinary, nullable=False),
    _text("peer_id"),
    _instant("updated_at"),
    PrimaryKeyConstraint("session_id", "store_name", "key"),
)

# --- channels ---------------------------------------------------------------------------------

messages = Table(
    "messages",
    metadata,
    Column("channel_id", Text, nullable=False),
    Column("offset", BigInteger, nullable=False),
    _app(),
    _text("id"),
    _text("session_id", null=True),
    _text("peer_id"),
    _text("sender_id"),
    _text("sender_name"),
    Column("kind", Integer, nullable=False),
    _text("payload"),
    _text("recipient_ids"),
    _flag("is_pinned"),
    _flag("is_edited"),
    _instant("created_at"),
    PrimaryKeyConstraint("channel_id", "offset"),
    UniqueConstraint("id"),
    Index("ix_messages_time", "channel_id", "created_at"),
)

files = Table(
    "files",
    metadata,
    Column("id", Text, primary_key=True),
    _app(),
    _text("meeting_id"),
    _text("uploaded_by"),
    _text("name"),
    _text("content_type", null=True),
    Column("size_bytes", BigInteger),
    _text("blob_key"),
    _instant("created_at"),
    _instant("expires_at", null=True),
    Index("ix_files_expiry", "expires_at"),
)

# --- events, jobs, webhooks -------------------------------------------------------------------

streams = Table(
    "streams",
    metadata,
    _text("app_id"),
    _text("topic"),
    _text("epoch"),
    Column("last_offset", BigInteger, nullable=False),
    PrimaryKeyConstraint("app_id", "topic"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    _text("organization_id"),
    _text("app_id"),
    _text("topic"),
    _text("epoch"),
    Column("offset", BigInteger, nullable=False),
    _text("name"),
    _text("body"),
    Column("failures", Integer, nullable=False),
    _text("last_error", null=True),
    _instant("created_at"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    _text("queue"),
    _text("key"),
    _text("app_id"),
    _text("body"),
    Column("attempts", Integer, nullable=False),
    _instant("run_at"),
    _instant("lease_until", null=True),
    _text("leased_by", null=True),
    _text("last_error", null=True),
    _instant("created_at"),
    UniqueConstraint("queue", "key"),
    Index("ix_jobs_due", "queue", "run_at"),
    Index(
        "ix_jobs_leases",
        "lease_until",
        sqlite_where=text("lease_until IS NOT NULL"),
        postgresql_where=text("lease_until IS NOT NULL"),
    ),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Text, primary_key=True),
    _app(),
    _text("name"),
    _text("url"),
    _text("events"),
    _flag("is_enabled"),
    Column("failures_in_row", Integer, nullable=False),
    _instant("resume_at", null=True),
    _instant("created_at"),
    _instant("updated_at"),
    Index("ix_webhooks_app", "app_id", "created_at", "id"),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("number", Serial, primary_key=True, autoincrement=True),
    _text("id"),
    _app(),
    Column("webhook_id", Text, ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    _text("event"),
    _text("order_key"),
    _text("body"),
    _text("state"),
    Column("attempts", Integer, nullable=False),
    _instant("due_at", null=True),
    _text("last_error", null=True),
    _instant("created_at"),
    _instant("finished_at", null=True),
    UniqueConstraint("id"),
    Index("ix_webhook_deliveries_webhook", "webhook_id", "number"),
    Index(
        "ix_webhook_deliveries_waiting",
        "webhook_id",
        "number",
        sqlite_where=text("due_at IS NOT NULL"),
        postgresql_where=text("due_at IS NOT NULL"),
    ),
    Index("ix_webhook_deliveries_created", "created_at"),
)

webhook_attempts = Table(
    "webhook_attempts",
    metadata,
    Column("delivery_id", Text, ForeignKey("webhook_deliveries.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    _app(),
    Column("status", Integer),
    _text("error", null=True),
    Column("duration_ms", Integer, nullable=False),
    _instant("created_at"),
    PrimaryKeyConstraint("delivery_id", "number"),
)
