"""Tables of accounts, meetings, events, jobs and webhooks.

Instants are milliseconds since 1970; JSON is text; every tenant's row names its app.

Those of channels are in `channels.py`. The migrations in `migrations/versions` create exactly these
(`tests/store/test_schema.py`).
"""

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
    text,
)

from parley.store.schema.columns import Serial, flag, instant, metadata, of_app, text_column

# --- accounts ---------------------------------------------------------------------------------

organizations = Table(
    "organizations",
    metadata,
    Column("id", Text, primary_key=True),
    text_column("name"),
    instant("created_at"),
)

apps = Table(
    "apps",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False),
    text_column("name"),
    Column("environment", Text, nullable=False, server_default="live"),
    text_column("live_app_id", null=True),
    instant("created_at"),
    Index("ix_apps_organization", "organization_id", "created_at"),
    Index(
        "uq_apps_test",
        "live_app_id",
        unique=True,
        sqlite_where=text("live_app_id IS NOT NULL"),
        postgresql_where=text("live_app_id IS NOT NULL"),
    ),
)

credentials = Table(
    "credentials",
    metadata,
    Column("id", Text, primary_key=True),
    Column("organization_id", Text, ForeignKey("organizations.id", ondelete="CASCADE"), nullable=False),
    Column("app_id", Text, ForeignKey("apps.id", ondelete="CASCADE")),
    text_column("kind"),
    text_column("name"),
    text_column("secret_hash"),
    Column("sealed_secret", LargeBinary),
    text_column("rights"),
    text_column("environment"),
    instant("expires_at", null=True),
    instant("revoked_at", null=True),
    instant("created_at"),
    UniqueConstraint("secret_hash"),
)

server_secrets = Table(
    "server_secrets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    instant("created_at"),
)

# --- meetings ---------------------------------------------------------------------------------

meetings = Table(
    "meetings",
    metadata,
    Column("id", Text, primary_key=True),
    of_app(),
    Column("parent_id", Text, ForeignKey("meetings.id", ondelete="CASCADE")),
    text_column("title", null=True),
    text_column("status"),
    flag("record_on_start"),
    flag("live_stream_on_start"),
    flag("persist_chat"),
    Column("session_keep_alive_s", Integer, nullable=False),
    flag("summarize_on_end"),
    flag("transcribe_on_end"),
    text_column("recording_config", null=True),
    text_column("ai_config", null=True),
    instant("created_at"),
    instant("updated_at"),
    Index("ix_meetings_app", "app_id", "parent_id", "created_at", "id"),
    Index("ix_meetings_parent", "parent_id"),
)

presets = Table(
    "presets",
    metadata,
    Column("id", Text, primary_key=True),
    of_app(),
    text_column("name"),
    text_column("config"),
    text_column("permissions"),
    text_column("ui"),
    instant("created_at"),
    instant("updated_at"),
    UniqueConstraint("app_id", "name"),
)

participants = Table(
    "participants",
    metadata,
    Column("id", Text, primary_key=True),
    of_app(),
    Column("meeting_id", Text, ForeignKey("meetings.id", ondelete="CASCADE"), nullable=False),
    Column("preset_id", Text, ForeignKey("presets.id"), nullable=False),
    text_column("custom_participant_id"),
    text_column("name", null=True),
    text_column("picture", null=True),
    instant("created_at"),
    instant("updated_at"),
    UniqueConstraint("meeting_id", "custom_participant_id"),
    Index("ix_participants_meeting", "meeting_id", "created_at", "id"),
    Index("ix_participants_preset", "preset_id"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    of_app(),
    Column("meeting_id", Text, ForeignKey("meetings.id", ondelete="CASCADE"), nullable=False),
    Column("parent_id", Text, ForeignKey("sessions.id", ondelete="CASCADE")),
    text_column("status"),
    text_column("title"),
    text_column("settings"),
    instant("started_at"),
    instant("ended_at", null=True),
    text_column("end_reason", null=True),
    instant("idle_since", null=True),
    Column("live_participants", Integer, nullable=False),
    Column("max_concurrent_participants", Integer, nullable=False),
    Column("connected_ms", BigInteger, nullable=False),
    instant("created_at"),
    instant("updated_at"),
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
    of_app(),
    text_column("participant_id"),
    text_column("custom_participant_id"),
    text_column("display_name"),
    text_column("preset_id"),
    text_column("preset_name"),
    text_column("view_type"),
    flag("is_hidden"),
    instant("joined_at"),
    instant("left_at", null=True),
    text_column("leave_reason", null=True),
    instant("created_at"),
    instant("updated_at"),
    PrimaryKeyConstraint("session_id", "id"),
    Index("ix_peers_app", "app_id", "id"),
    Index("ix_peers_participant", "session_id", "participant_id"),
)

peer_events = Table(
    "peer_events",
    metadata,
    Column("id", Text, primary_key=True),
    of_app(),
    Column("session_id", Text, ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
    text_column("peer_id"),
    text_column("participant_id"),
    text_column("name"),
    text_column("view_type"),
    text_column("socket_session_id"),
    instant("created_at"),
    Index("ix_peer_events_peer", "session_id", "peer_id", "created_at"),
)

session_roles = Table(
    "session_roles",
    metadata,
    Column("session_id", Text, ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
    text_column("participant_id"),
    of_app(),
    flag("is_admitted"),
    Column("stage", Integer, nullable=False),
    text_column("permission_changes"),
    instant("updated_at"),
    PrimaryKeyConstraint("session_id", "participant_id"),
)

polls = Table(
    "polls",
    metadata,
    Column("id", Text, primary_key=True),
    of_app(),
    Column("session_id", Text, ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
    text_column("question"),
    text_column("options"),
    flag("is_anonymous"),
    flag("hides_votes"),
    text_column("created_by"),
    text_column("created_by_id"),
    instant("created_at"),
    Index("ix_polls_session", "session_id", "created_at"),
)

poll_votes = Table(
    "poll_votes",
    metadata,
    Column("poll_id", Text, ForeignKey("polls.id", ondelete="CASCADE"), nullable=False),
    text_column("participant_id"),
    of_app(),
    Column("option_index", Integer, nullable=False),
    text_column("name"),
    instant("created_at"),
    PrimaryKeyConstraint("poll_id", "participant_id"),
)

shared_values = Table(
    "shared_values",
    metadata,
    Column("session_id", Text, ForeignKey("sessions.id", ondelete="CASCADE"), nullable=False),
    text_column("store_name"),
    text_column("key"),
    of_app(),
    Column("value", LargeBinary, nullable=False),
    text_column("peer_id"),
    instant("updated_at"),
    PrimaryKeyConstraint("session_id", "store_name", "key"),
)

# --- channels ---------------------------------------------------------------------------------

messages = Table(
    "messages",
    metadata,
    Column("channel_id", Text, nullable=False),
    Column("offset", BigInteger, nullable=False),
    of_app(),
    text_column("id"),
    text_column("session_id", null=True),
    text_column("peer_id"),
    text_column("sender_id"),
    text_column("sender_name"),
    Column("kind", Integer, nullable=False),
    text_column("payload"),
    text_column("recipient_ids"),
    flag("is_pinned"),
    flag("is_edited"),
    instant("created_at"),
    PrimaryKeyConstraint("channel_id", "offset"),
    UniqueConstraint("id"),
    Index("ix_messages_time", "channel_id", "created_at"),
)

files = Table(
    "files",
    metadata,
    Column("id", Text, primary_key=True),
    of_app(),
    text_column("meeting_id"),
    text_column("uploaded_by"),
    text_column("name"),
    text_column("content_type", null=True),
    Column("size_bytes", BigInteger),
    text_column("blob_key"),
    instant("created_at"),
    instant("expires_at", null=True),
    Index("ix_files_expiry", "expires_at"),
)

# --- events, jobs, webhooks -------------------------------------------------------------------

streams = Table(
    "streams",
    metadata,
    text_column("app_id"),
    text_column("topic"),
    text_column("epoch"),
    Column("last_offset", BigInteger, nullable=False),
    PrimaryKeyConstraint("app_id", "topic"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    text_column("organization_id"),
    text_column("app_id"),
    text_column("topic"),
    text_column("epoch"),
    Column("offset", BigInteger, nullable=False),
    text_column("name"),
    text_column("body"),
    Column("failures", Integer, nullable=False),
    text_column("last_error", null=True),
    instant("created_at"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    text_column("queue"),
    text_column("key"),
    text_column("app_id"),
    text_column("body"),
    Column("attempts", Integer, nullable=False),
    instant("run_at"),
    instant("lease_until", null=True),
    text_column("leased_by", null=True),
    text_column("last_error", null=True),
    instant("created_at"),
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
    of_app(),
    text_column("name"),
    text_column("url"),
    text_column("events"),
    flag("is_enabled"),
    Column("failures_in_row", Integer, nullable=False),
    instant("resume_at", null=True),
    Column("dialect", Text, nullable=False, server_default="realtimekit"),
    Column("sealed_secret", LargeBinary),
    Column("old_sealed_secret", LargeBinary),
    instant("old_secret_until", null=True),
    instant("suspended_at", null=True),
    instant("created_at"),
    instant("updated_at"),
    Index("ix_webhooks_app", "app_id", "created_at", "id"),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("number", Serial, primary_key=True, autoincrement=True),
    text_column("id"),
    of_app(),
    Column("webhook_id", Text, ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    text_column("event"),
    text_column("event_id", null=True),
    text_column("order_key"),
    text_column("body"),
    text_column("state"),
    Column("attempts", Integer, nullable=False),
    instant("due_at", null=True),
    text_column("last_error", null=True),
    instant("created_at"),
    instant("finished_at", null=True),
    UniqueConstraint("id"),
    Index("ix_webhook_deliveries_webhook", "webhook_id", "number"),
    Index(
        "ix_webhook_deliveries_event",
        "webhook_id",
        "event_id",
        sqlite_where=text("event_id IS NOT NULL"),
        postgresql_where=text("event_id IS NOT NULL"),
    ),
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
    of_app(),
    Column("status", Integer),
    text_column("error", null=True),
    Column("duration_ms", Integer, nullable=False),
    instant("created_at"),
    PrimaryKeyConstraint("delivery_id", "number"),
)
