"""Channels, keys and conversations."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "app_settings",
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("section", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["app_id"], ["apps.id"], name=op.f("fk_app_settings_app_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("app_id", "section", name=op.f("pk_app_settings")),
    )
    op.create_table(
        "availabilities",
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("custom_status", sa.Text(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=True),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["app_id"], ["apps.id"], name=op.f("fk_availabilities_app_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("app_id", "user_id", name=op.f("pk_availabilities")),
    )
    op.create_table(
        "conversation_digests",
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("filters", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("tokens_used", sa.BigInteger(), nullable=False),
        sa.Column("generated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["app_id"], ["apps.id"], name=op.f("fk_conversation_digests_app_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("app_id", "user_id", "filters", name=op.f("pk_conversation_digests")),
    )
    op.create_table(
        "conversation_members",
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=True),
        sa.Column("unread_count", sa.BigInteger(), nullable=False),
        sa.Column("last_read_at", sa.BigInteger(), nullable=True),
        sa.Column("joined_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["app_id"], ["apps.id"], name=op.f("fk_conversation_members_app_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("app_id", "conversation_id", "user_id", name=op.f("pk_conversation_members")),
    )
    op.create_index(
        "ix_conversation_members_user", "conversation_members", ["app_id", "user_id"], unique=False
    )
    op.create_table(
        "conversation_messages",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("context_id", sa.Text(), nullable=True),
        sa.Column("parent_id", sa.Text(), nullable=True),
        sa.Column("content", sa.Text(), nullable=True),
        sa.Column("source_id", sa.Text(), nullable=True),
        sa.Column("target_id", sa.Text(), nullable=True),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("source_unique_id", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("updated_by", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("edited_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["app_id"], ["apps.id"], name=op.f("fk_conversation_messages_app_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_conversation_messages")),
        sa.UniqueConstraint("app_id", "id", name=op.f("uq_conversation_messages_app_id_id")),
    )
    op.create_index(
        "ix_conversation_messages_age",
        "conversation_messages",
        ["app_id", "created_at", "number"],
        unique=False,
    )
    op.create_index(
        "ix_conversation_messages_page",
        "conversation_messages",
        ["app_id", "conversation_id", "created_at", "number"],
        unique=False,
    )
    op.create_index(
        "ix_conversation_messages_parent", "conversation_messages", ["app_id", "parent_id"], unique=False
    )
    op.create_index(
        "ix_conversation_messages_source", "conversation_messages", ["app_id", "source_id"], unique=False
    )
    op.create_index(
        "ix_conversation_messages_target", "conversation_messages", ["app_id", "target_id"], unique=False
    )
    op.create_index(
        "ix_conversation_messages_thread",
        "conversation_messages",
        ["app_id", "conversation_id", "number"],
        unique=False,
    )
    op.create_index(
        "uq_conversation_messages_idempotency",
        "conversation_messages",
        ["app_id", "conversation_id", "sender", "idempotency_key"],
        unique=True,
        sqlite_where=sa.text("idempotency_key IS NOT NULL"),
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
    )
    op.create_table(
        "conversation_summaries",
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("prompt_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("last_number", sa.BigInteger(), nullable=False),
        sa.Column("last_message_id", sa.Text(), nullable=True),
        sa.Column("must_rebuild", sa.Boolean(), nullable=False),
        sa.Column("tokens_used", sa.BigInteger(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("generated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["app_id"], ["apps.id"], name=op.f("fk_conversation_summaries_app_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(
            "app_id", "conversation_id", "prompt_id", name=op.f("pk_conversation_summaries")
        ),
    )
    op.create_table(
        "conversations",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("context_key", sa.Text(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("context_type", sa.Text(), nullable=True),
        sa.Column("metadata", sa.Text(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=True),
        sa.Column("group_id", sa.Text(), nullable=True),
        sa.Column("notify_roles", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("source_id", sa.Text(), nullable=True),
        sa.Column("source_alias", sa.Text(), nullable=True),
        sa.Column("source_type", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("last_message_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["app_id"], ["apps.id"], name=op.f("fk_conversations_app_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_conversations")),
        sa.UniqueConstraint("app_id", "context_key", name=op.f("uq_conversations_app_id_context_key")),
        sa.UniqueConstraint("app_id", "id", name=op.f("uq_conversations_app_id_id")),
    )
    op.create_index("ix_conversations_group", "conversations", ["app_id", "group_id"], unique=False)
    op.create_table(
        "draft_messages",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("author_id", sa.Text(), nullable=True),
        sa.Column("context_id", sa.Text(), nullable=True),
        sa.Column("source_id", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("updated_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["app_id"], ["apps.id"], name=op.f("fk_draft_messages_app_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_draft_messages")),
        sa.UniqueConstraint("app_id", "id", name=op.f("uq_draft_messages_app_id_id")),
    )
    op.create_index(
        "ix_draft_messages_author", "draft_messages", ["app_id", "author_id", "created_at"], unique=False
    )
    op.create_table(
        "group_invites",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("inviter_id", sa.Text(), nullable=True),
        sa.Column("max_uses", sa.BigInteger(), nullable=True),
        sa.Column("uses_count", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["app_id"], ["apps.id"], name=op.f("fk_group_invites_app_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_group_invites")),
        sa.UniqueConstraint("app_id", "code", name=op.f("uq_group_invites_app_id_code")),
    )
    op.create_index("ix_group_invites_group", "group_invites", ["app_id", "group_id"], unique=False)
    op.create_table(
        "group_users",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("joined_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["app_id"], ["apps.id"], name=op.f("fk_group_users_app_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_group_users")),
        sa.UniqueConstraint(
            "app_id", "group_id", "user_id", name=op.f("uq_group_users_app_id_group_id_user_id")
        ),
    )
    op.create_index("ix_group_users_user", "group_users", ["app_id", "user_id"], unique=False)
    op.create_table(
        "groups",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("unique_code", sa.Text(), nullable=False),
        sa.Column("qcode", sa.Text(), nullable=True),
        sa.Column("group_type", sa.Text(), nullable=True),
        sa.Column("context_id", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("source_alias", sa.Text(), nullable=True),
        sa.Column("source_id", sa.Text(), nullable=True),
        sa.Column("source_type", sa.Text(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_groups_app_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_groups")),
        sa.UniqueConstraint("app_id", "id", name=op.f("uq_groups_app_id_id")),
        sa.UniqueConstraint("app_id", "unique_code", name=op.f("uq_groups_app_id_unique_code")),
    )
    op.create_index("ix_groups_context", "groups", ["app_id", "context_id"], unique=False)
    op.create_table(
        "message_actions",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("control", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=True),
        sa.Column("response", sa.Text(), nullable=True),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["app_id"], ["apps.id"], name=op.f("fk_message_actions_app_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_message_actions")),
        sa.UniqueConstraint("app_id", "id", name=op.f("uq_message_actions_app_id_id")),
    )
    op.create_index("ix_message_actions_message", "message_actions", ["app_id", "message_id"], unique=False)
    op.create_table(
        "message_files",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("conversation_unique_id", sa.Text(), nullable=False),
        sa.Column("message_unique_id", sa.Text(), nullable=True),
        sa.Column("uploaded_by", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("original_name", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("external_url", sa.Text(), nullable=True),
        sa.Column("thumbnail_url", sa.Text(), nullable=True),
        sa.Column("blob_key", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["app_id"], ["apps.id"], name=op.f("fk_message_files_app_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_message_files")),
        sa.UniqueConstraint("id", name=op.f("uq_message_files_id")),
    )
    op.create_index(
        "ix_message_files_conversation",
        "message_files",
        ["app_id", "conversation_unique_id", "message_unique_id"],
        unique=False,
    )
    op.create_index(
        "ix_message_files_expiry",
        "message_files",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("expires_at IS NOT NULL"),
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    op.create_table(
        "message_receipts",
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("user_name", sa.Text(), nullable=True),
        sa.Column("role_name", sa.Text(), nullable=True),
        sa.Column("read_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["app_id"], ["apps.id"], name=op.f("fk_message_receipts_app_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("app_id", "message_id", "user_id", name=op.f("pk_message_receipts")),
    )
    op.create_table(
        "notification_settings",
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["app_id"], ["apps.id"], name=op.f("fk_notification_settings_app_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("app_id", "user_id", name=op.f("pk_notification_settings")),
    )
    op.create_table(
        "notifications",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("source_alias", sa.Text(), nullable=True),
        sa.Column("source_id", sa.Text(), nullable=True),
        sa.Column("source_type", sa.Text(), nullable=True),
        sa.Column("source_unique_id", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("target", sa.Text(), nullable=True),
        sa.Column("target_id", sa.Text(), nullable=True),
        sa.Column("target_alias", sa.Text(), nullable=True),
        sa.Column("target_type", sa.Text(), nullable=True),
        sa.Column("target_email", sa.Text(), nullable=True),
        sa.Column("target_phone", sa.Text(), nullable=True),
        sa.Column("target_device_id", sa.Text(), nullable=True),
        sa.Column("multichannel", sa.Boolean(), nullable=False),
        sa.Column("channels", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("updated_by", sa.Text(), nullable=True),
        sa.Column("read_at", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["app_id"], ["apps.id"], name=op.f("fk_notifications_app_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_notifications")),
        sa.UniqueConstraint("app_id", "id", name=op.f("uq_notifications_app_id_id")),
    )
    op.create_index(
        "ix_notifications_author", "notifications", ["app_id", "created_by", "created_at"], unique=False
    )
    op.create_index(
        "ix_notifications_target", "notifications", ["app_id", "target_id", "created_at"], unique=False
    )
    op.create_table(
        "publications",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=True),
        sa.Column("in_history", sa.Boolean(), nullable=False),
        sa.Column("is_event", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["app_id"], ["apps.id"], name=op.f("fk_publications_app_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_publications")),
        sa.UniqueConstraint(
            "app_id", "channel", "offset", name=op.f("uq_publications_app_id_channel_offset")
        ),
    )
    op.create_index("ix_publications_age", "publications", ["app_id", "created_at"], unique=False)
    op.create_index(
        "ix_publications_client",
        "publications",
        ["app_id", "channel", "client_id"],
        unique=False,
        sqlite_where=sa.text("client_id IS NOT NULL"),
        postgresql_where=sa.text("client_id IS NOT NULL"),
    )
    op.create_index(
        "ix_publications_passing",
        "publications",
        ["app_id", "channel", "offset"],
        unique=False,
        sqlite_where=sa.text("NOT in_history"),
        postgresql_where=sa.text("NOT in_history"),
    )
    op.create_table(
        "reading_marks",
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("read_to", sa.BigInteger(), nullable=False),
        sa.Column("delivered_to", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["app_id"], ["apps.id"], name=op.f("fk_reading_marks_app_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("app_id", "channel", "user_id", name=op.f("pk_reading_marks")),
    )
    op.create_index("ix_reading_marks_age", "reading_marks", ["app_id", "updated_at"], unique=False)
    op.create_table(
        "reading_steps",
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("read_to", sa.BigInteger(), nullable=False),
        sa.Column("read_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["app_id"], ["apps.id"], name=op.f("fk_reading_steps_app_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("app_id", "channel", "user_id", "read_to", name=op.f("pk_reading_steps")),
    )
    op.create_index("ix_reading_steps_age", "reading_steps", ["app_id", "read_at"], unique=False)
    op.create_table(
        "receipts",
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("read_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_receipts_app_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("app_id", "channel", "offset", "user_id", name=op.f("pk_receipts")),
    )
    op.create_index("ix_receipts_age", "receipts", ["app_id", "read_at"], unique=False)
    op.create_table(
        "room_meetings",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("host_unique_id", sa.Text(), nullable=True),
        sa.Column("conversation_unique_id", sa.Text(), nullable=True),
        sa.Column("group_unique_id", sa.Text(), nullable=True),
        sa.Column("scheduled_at", sa.BigInteger(), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("meeting_type", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("room_id", sa.Text(), nullable=True),
        sa.Column("meeting_url", sa.Text(), nullable=True),
        sa.Column("external_meeting_id", sa.Text(), nullable=True),
        sa.Column("max_participants", sa.Integer(), nullable=False),
        sa.Column("is_recording", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["app_id"], ["apps.id"], name=op.f("fk_room_meetings_app_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_room_meetings")),
        sa.UniqueConstraint("app_id", "id", name=op.f("uq_room_meetings_app_id_id")),
    )
    op.create_index(
        "ix_room_meetings_conversation", "room_meetings", ["app_id", "conversation_unique_id"], unique=False
    )
    op.create_index("ix_room_meetings_group", "room_meetings", ["app_id", "group_unique_id"], unique=False)
    op.create_index("ix_room_meetings_host", "room_meetings", ["app_id", "host_unique_id"], unique=False)
    op.create_index(
        "ix_room_meetings_page", "room_meetings", ["app_id", "created_at", "number"], unique=False
    )
    op.create_index("ix_room_meetings_room", "room_meetings", ["app_id", "room_id"], unique=False)
    op.create_table(
        "room_recordings",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("room_id", sa.Text(), nullable=False),
        sa.Column("blob_key", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("duration_seconds", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["app_id"], ["apps.id"], name=op.f("fk_room_recordings_app_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_room_recordings")),
    )
    op.create_index(
        "ix_room_recordings_room", "room_recordings", ["app_id", "room_id", "created_at"], unique=False
    )
    op.create_table(
        "rooms",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("max_participants", sa.Integer(), nullable=False),
        sa.Column("recording_enabled", sa.Boolean(), nullable=False),
        sa.Column("access", sa.Text(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_rooms_app_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rooms")),
    )
    op.create_index("ix_rooms_app", "rooms", ["app_id", "created_at", "id"], unique=False)
    op.create_table(
        "sources",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("source_type", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_sources_app_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_sources")),
        sa.UniqueConstraint("app_id", "id", name=op.f("uq_sources_app_id_id")),
        sa.UniqueConstraint(
            "app_id", "source_type", "external_id", name=op.f("uq_sources_app_id_source_type_external_id")
        ),
    )
    op.create_table(
        "tasks",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("context_unique_id", sa.Text(), nullable=False),
        sa.Column("user_unique_id", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("text_key", sa.Text(), nullable=False),
        sa.Column("priority", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("conversation_summary_id", sa.Text(), nullable=True),
        sa.Column("completed_at", sa.BigInteger(), nullable=True),
        sa.Column("dismissed_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_tasks_app_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_tasks")),
        sa.UniqueConstraint("app_id", "id", name=op.f("uq_tasks_app_id_id")),
    )
    op.create_index(
        "ix_tasks_conversation",
        "tasks",
        ["app_id", "context_unique_id", "user_unique_id", "text_key"],
        unique=False,
    )
    op.create_index("ix_tasks_user", "tasks", ["app_id", "user_unique_id", "created_at"], unique=False)
    op.create_table(
        "unread_messages",
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["app_id"], ["apps.id"], name=op.f("fk_unread_messages_app_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(
            "app_id", "user_id", "conversation_id", "message_id", name=op.f("pk_unread_messages")
        ),
    )
    op.create_index("ix_unread_messages_message", "unread_messages", ["app_id", "message_id"], unique=False)
    op.create_table(
        "users",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("username", sa.Text(), nullable=True),
        sa.Column("avatar_url", sa.Text(), nullable=True),
        sa.Column("role_name", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=True),
        sa.Column("registered_at", sa.BigInteger(), nullable=True),
        sa.Column("ai_registered_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["app_id"], ["apps.id"], name=op.f("fk_users_app_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_users")),
        sa.UniqueConstraint("app_id", "id", name=op.f("uq_users_app_id_id")),
    )
    op.create_index("ix_users_age", "users", ["app_id", "created_at"], unique=False)
    op.create_table(
        "web_notifications",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("recipient_unique_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("icon", sa.Text(), nullable=True),
        sa.Column("image_url", sa.Text(), nullable=True),
        sa.Column("action_url", sa.Text(), nullable=True),
        sa.Column("notification_type", sa.Text(), nullable=False),
        sa.Column("priority", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=True),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=True),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("read_at", sa.BigInteger(), nullable=True),
        sa.Column("clicked_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["app_id"], ["apps.id"], name=op.f("fk_web_notifications_app_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_web_notifications")),
        sa.UniqueConstraint("app_id", "id", name=op.f("uq_web_notifications_app_id_id")),
    )
    op.create_index(
        "ix_web_notifications_author",
        "web_notifications",
        ["app_id", "created_by", "created_at"],
        unique=False,
    )
    op.create_index(
        "ix_web_notifications_recipient",
        "web_notifications",
        ["app_id", "recipient_unique_id", "created_at"],
        unique=False,
    )
    op.add_column("apps", sa.Column("environment", sa.Text(), server_default="live", nullable=False))
    op.add_column("apps", sa.Column("live_app_id", sa.Text(), nullable=True))
    op.create_index(
        "uq_apps_test",
        "apps",
        ["live_app_id"],
        unique=True,
        sqlite_where=sa.text("live_app_id IS NOT NULL"),
        postgresql_where=sa.text("live_app_id IS NOT NULL"),
    )
    op.add_column("credentials", sa.Column("sealed_secret", sa.LargeBinary(), nullable=True))
    op.add_column("webhook_deliveries", sa.Column("event_id", sa.Text(), nullable=True))
    op.create_index(
        "ix_webhook_deliveries_event",
        "webhook_deliveries",
        ["webhook_id", "event_id"],
        unique=False,
        sqlite_where=sa.text("event_id IS NOT NULL"),
        postgresql_where=sa.text("event_id IS NOT NULL"),
    )
    op.add_column("webhooks", sa.Column("dialect", sa.Text(), server_default="realtimekit", nullable=False))
    op.add_column("webhooks", sa.Column("sealed_secret", sa.LargeBinary(), nullable=True))
    op.add_column("webhooks", sa.Column("old_sealed_secret", sa.LargeBinary(), nullable=True))
    op.add_column("webhooks", sa.Column("old_secret_until", sa.BigInteger(), nullable=True))
    op.add_column("webhooks", sa.Column("suspended_at", sa.BigInteger(), nullable=True))
