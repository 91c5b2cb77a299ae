"""Tables of users and what is addressed to them: availability, notifications, tasks, files, sources.

`number` counts rows as they are added: it decides between rows of the same instant.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    text,
)

from parley.store.schema.columns import Serial, flag, instant, metadata, of_app, text_column


def _number() -> Column[int]:
    return Column("number", Serial, primary_key=True, autoincrement=True)


users = Table(
    "users",
    metadata,
    _number(),
    of_app(),
    text_column("id"),
    text_column("email", null=True),
    text_column("name", null=True),
    text_column("username", null=True),
    text_column("avatar_url", null=True),
    text_column("role_name", null=True),
    text_column("status"),
    text_column("payload", null=True),
    instant("registered_at", null=True),
    instant("ai_registered_at", null=True),
    instant("created_at"),
    instant("updated_at"),
    UniqueConstraint("app_id", "id"),
    Index("ix_users_age", "app_id", "created_at"),
)

availabilities = Table(
    "availabilities",
    metadata,
    of_app(),
    text_column("user_id"),
    text_column("status"),
    text_column("custom_status", null=True),
    text_column("payload", null=True),
    instant("last_seen_at", null=True),
    instant("updated_at"),
    PrimaryKeyConstraint("app_id", "user_id"),
)

notification_settings = Table(
    "notification_settings",
    metadata,
    of_app(),
    text_column("user_id"),
    text_column("body"),
    instant("created_at"),
    instant("updated_at"),
    PrimaryKeyConstraint("app_id", "user_id"),
)

notifications = Table(
    "notifications",
    metadata,
    _number(),
    of_app(),
    text_column("id"),
    text_column("content"),
    text_column("source", null=True),
    text_column("source_alias", null=True),
    text_column("source_id", null=True),
    text_column("source_type", null=True),
    text_column("source_unique_id", null=True),
    text_column("url", null=True),
    text_column("target", null=True),
    text_column("target_id", null=True),
    text_column("target_alias", null=True),
    text_column("target_type", null=True),
    text_column("target_email", null=True),
    text_column("target_phone", null=True),
    text_column("target_device_id", null=True),
    flag("multichannel"),
    text_column("channels"),
    text_column("payload", null=True),
    text_column("status"),
    text_column("created_by", null=True),
    text_column("updated_by", null=True),
    instant("read_at", null=True),
    instant("expires_at", null=True),
    instant("created_at"),
    instant("updated_at"),
    UniqueConstraint("app_id", "id"),
    Index("ix_notifications_target", "app_id", "target_id", "created_at"),
    Index("ix_notifications_author", "app_id", "created_by", "created_at"),
)

web_notifications = Table(
    "web_notifications",
    metadata,
    _number(),
    of_app(),
    text_column("id"),
    text_column("recipient_unique_id"),
    text_column("title"),
    text_column("body", null=True),
    text_column("icon", null=True),
    text_column("image_url", null=True),
    text_column("action_url", null=True),
    text_column("notification_type"),
    text_column("priority"),
    text_column("payload", null=True),
    text_column("tags"),
    text_column("status"),
    flag("enabled"),
    text_column("created_by", null=True),
    instant("sent_at"),
    instant("read_at", null=True),
    instant("clicked_at", null=True),
    instant("created_at"),
    instant("updated_at"),
    UniqueConstraint("app_id", "id"),
    Index("ix_web_notifications_recipient", "app_id", "recipient_unique_id", "created_at"),
    Index("ix_web_notifications_author", "app_id", "created_by", "created_at"),
)

sources = Table(
    "sources",
    metadata,
    _number(),
    of_app(),
    text_column("id"),
    text_column("source_type"),
    text_column("external_id"),
    text_column("name", null=True),
    text_column("status"),
    text_column("metadata", null=True),
    text_column("payload", null=True),
    instant("created_at"),
    instant("updated_at"),
    UniqueConstraint("app_id", "id"),
    UniqueConstraint("app_id", "source_type", "external_id"),
)

tasks = Table(
    "tasks",
    metadata,
    _number(),
    of_app(),
    text_column("id"),
    text_column("context_unique_id"),
    text_column("user_unique_id", null=True),
    text_column("description"),
    text_column("text_key"),
    text_column("priority"),
    text_column("status"),
    text_column("conversation_summary_id", null=True),
    instant("completed_at", null=True),
    instant("dismissed_at", null=True),
    instant("created_at"),
    instant("updated_at"),
    UniqueConstraint("app_id", "id"),
    Index("ix_tasks_conversation", "app_id", "context_unique_id", "user_unique_id", "text_key"),
    Index("ix_tasks_user", "app_id", "user_unique_id", "created_at"),
)

message_files = Table(
    "message_files",
    metadata,
    _number(),
    of_app(),
    text_column("id"),
    text_column("conversation_unique_id"),
    text_column("message_unique_id", null=True),
    text_column("uploaded_by", null=True),
    text_column("name"),
    text_column("original_name"),
    text_column("content_type", null=True),
    Column("size", BigInteger),
    text_column("external_url", null=True),
    text_column("thumbnail_url", null=True),
    text_column("blob_key", null=True),
    text_column("status"),
    text_column("payload", null=True),
    instant("created_at"),
    instant("updated_at"),
    instant("expires_at", null=True),
    UniqueConstraint("id"),
    Index("ix_message_files_conversation", "app_id", "conversation_unique_id", "message_unique_id"),
    Index(
        "ix_message_files_expiry",
        "expires_at",
        sqlite_where=text("expires_at IS NOT NULL"),
        postgresql_where=text("expires_at IS NOT NULL"),
    ),
)
