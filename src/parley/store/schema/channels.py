"""Tables of realtime channels: what was published, who has read it, and the rooms on them.

A channel's place counter is its row in `streams` (topic `channel:<name>`), which is locked while places are
given out, so that offsets follow the order of commits.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
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

app_settings = Table(
    "app_settings",
    metadata,
    of_app(),
    text_column("section"),
    text_column("body"),
    Column("sealed", LargeBinary),
    instant("updated_at"),
    PrimaryKeyConstraint("app_id", "section"),
)

publications = Table(
    "publications",
    metadata,
    Column("number", Serial, primary_key=True, autoincrement=True),
    of_app(),
    text_column("channel"),
    Column("offset", BigInteger, nullable=False),
    text_column("id"),
    text_column("event"),
    text_column("user_id", null=True),
    text_column("data"),
    text_column("client_id", null=True),
    flag("in_history"),
    flag("is_event"),
    instant("created_at"),
    UniqueConstraint("app_id", "channel", "offset"),
    Index("ix_publications_age", "app_id", "created_at"),
    Index(
        "ix_publications_passing",
        "app_id",
        "channel",
        "offset",
        sqlite_where=text("NOT in_history"),
        postgresql_where=text("NOT in_history"),
    ),
    Index(
        "ix_publications_client",
        "app_id",
        "channel",
        "client_id",
        sqlite_where=text("client_id IS NOT NULL"),
        postgresql_where=text("client_id IS NOT NULL"),
    ),
)

receipts = Table(
    "receipts",
    metadata,
    of_app(),
    text_column("channel"),
    Column("offset", BigInteger, nullable=False),
    text_column("user_id"),
    instant("read_at"),
    PrimaryKeyConstraint("app_id", "channel", "offset", "user_id"),
    Index("ix_receipts_age", "app_id", "read_at"),
)
"""Messages that somebody has read, one by one."""

reading_steps = Table(
    "reading_steps",
    metadata,
    of_app(),
    text_column("channel"),
    text_column("user_id"),
    Column("read_to", BigInteger, nullable=False),
    instant("read_at"),
    PrimaryKeyConstraint("app_id", "channel", "user_id", "read_to"),
    Index("ix_reading_steps_age", "app_id", "read_at"),
)
"""Each time somebody has read everything up to a place; the first at or behind a message counts for it."""

reading_marks = Table(
    "reading_marks",
    metadata,
    of_app(),
    text_column("channel"),
    text_column("user_id"),
    Column("read_to", BigInteger, nullable=False),
    Column("delivered_to", BigInteger, nullable=False),
    instant("updated_at"),
    PrimaryKeyConstraint("app_id", "channel", "user_id"),
    Index("ix_reading_marks_age", "app_id", "updated_at"),
)
"""How far somebody is: the newest step, and what has arrived."""

rooms = Table(
    "rooms",
    metadata,
    Column("id", Text, primary_key=True),
    of_app(),
    text_column("name"),
    text_column("created_by", null=True),
    Column("max_participants", Integer, nullable=False),
    flag("recording_enabled"),
    text_column("access"),
    text_column("settings"),
    text_column("status"),
    instant("created_at"),
    instant("ended_at", null=True),
    Index("ix_rooms_app", "app_id", "created_at", "id"),
)

room_recordings = Table(
    "room_recordings",
    metadata,
    Column("id", Text, primary_key=True),
    of_app(),
    text_column("room_id"),
    text_column("blob_key"),
    text_column("content_type"),
    Column("size_bytes", BigInteger, nullable=False),
    Column("duration_seconds", Integer),
    instant("created_at"),
    Index("ix_room_recordings_room", "app_id", "room_id", "created_at"),
)

room_meetings = Table(
    "room_meetings",
    metadata,
    Column("number", Serial, primary_key=True, autoincrement=True),
    of_app(),
    text_column("id"),
    text_column("title"),
    text_column("description", null=True),
    text_column("host_unique_id", null=True),
    text_column("conversation_unique_id", null=True),
    text_column("group_unique_id", null=True),
    instant("scheduled_at", null=True),
    instant("started_at", null=True),
    instant("ended_at", null=True),
    text_column("meeting_type"),
    text_column("provider"),
    text_column("room_id", null=True),
    text_column("meeting_url", null=True),
    text_column("external_meeting_id", null=True),
    Column("max_participants", Integer, nullable=False),
    flag("is_recording"),
    text_column("status"),
    flag("enabled"),
    text_column("payload", null=True),
    instant("created_at"),
    instant("updated_at"),
    UniqueConstraint("app_id", "id"),
    Index("ix_room_meetings_page", "app_id", "created_at", "number"),
    Index("ix_room_meetings_host", "app_id", "host_unique_id"),
    Index("ix_room_meetings_conversation", "app_id", "conversation_unique_id"),
    Index("ix_room_meetings_group", "app_id", "group_unique_id"),
    Index("ix_room_meetings_room", "app_id", "room_id"),
)
"""Planned meetings, each held in a room of its own or by another provider."""
