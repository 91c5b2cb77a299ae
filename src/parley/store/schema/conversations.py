"""Tables of conversations: who is in them, what was said, groups, and what engines wrote about it.

`number` counts rows as they are added. Messages of one conversation are added one after the other, so that
their numbers follow the order in which they become visible.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, PrimaryKeyConstraint, Table, UniqueConstraint, text

from parley.store.schema.columns import Serial, flag, instant, metadata, of_app, text_column


def _number() -> Column[int]:
    return Column("number", Serial, primary_key=True, autoincrement=True)


conversations = Table(
    "conversations",
    metadata,
    _number(),
    of_app(),
    text_column("id"),
    # The free text that addresses it; its reference may be that of others as well.
    text_column("context_key", null=True),
    text_column("reference", null=True),
    text_column("name", null=True),
    text_column("description", null=True),
    text_column("context_type", null=True),
    text_column("metadata", null=True),
    text_column("payload", null=True),
    text_column("group_id", null=True),
    text_column("notify_roles"),
    text_column("source", null=True),
    text_column("source_id", null=True),
    text_column("source_alias", null=True),
    text_column("source_type", null=True),
    text_column("status"),
    text_column("created_by", null=True),
    # Goes up with every message that is added, changed or taken away.
    Column("revision", BigInteger, nullable=False),
    instant("last_message_at", null=True),
    instant("created_at"),
    instant("updated_at"),
    instant("deleted_at", null=True),
    UniqueConstraint("app_id", "id"),
    UniqueConstraint("app_id", "context_key"),
    Index("ix_conversations_group", "app_id", "group_id"),
)

conversation_members = Table(
    "conversation_members",
    metadata,
    of_app(),
    text_column("conversation_id"),
    text_column("user_id"),
    text_column("role", null=True),
    Column("unread_count", BigInteger, nullable=False),
    instant("last_read_at", null=True),
    instant("joined_at"),
    PrimaryKeyConstraint("app_id", "conversation_id", "user_id"),
    Index("ix_conversation_members_user", "app_id", "user_id"),
)

conversation_messages = Table(
    "conversation_messages",
    metadata,
    _number(),
    of_app(),
    text_column("id"),
    # Empty: a message between two parties, outside any conversation.
    text_column("conversation_id"),
    text_column("context_id", null=True),
    text_column("parent_id", null=True),
    text_column("content", null=True),
    text_column("source_id", null=True),
    text_column("target_id", null=True),
    text_column("details"),
    text_column("payload", null=True),
    text_column("status"),
    flag("enabled"),
    # Whose idempotency keys these are; empty: the customer's server.
    text_column("sender"),
    text_column("idempotency_key", null=True),
    text_column("source_unique_id", null=True),
    text_column("created_by", null=True),
    text_column("updated_by", null=True),
    instant("expires_at", null=True),
    instant("edited_at", null=True),
    instant("created_at"),
    instant("updated_at"),
    instant("deleted_at", null=True),
    UniqueConstraint("app_id", "id"),
    Index("ix_conversation_messages_thread", "app_id", "conversation_id", "number"),
    Index("ix_conversation_messages_age", "app_id", "created_at", "number"),
    Index("ix_conversation_messages_page", "app_id", "conversation_id", "created_at", "number"),
    Index("ix_conversation_messages_parent", "app_id", "parent_id"),
    Index("ix_conversation_messages_source", "app_id", "source_id"),
    Index("ix_conversation_messages_target", "app_id", "target_id"),
    Index(
        "uq_conversation_messages_idempotency",
        "app_id",
        "conversation_id",
        "sender",
        "idempotency_key",
        unique=True,
        sqlite_where=text("idempotency_key IS NOT NULL"),
        postgresql_where=text("idempotency_key IS NOT NULL"),
    ),
)

# One row for each message that somebody has not read.
unread_messages = Table(
    "unread_messages",
    metadata,
    of_app(),
    text_column("conversation_id"),
    text_column("user_id"),
    text_column("message_id"),
    PrimaryKeyConstraint("app_id", "user_id", "conversation_id", "message_id"),
    Index("ix_unread_messages_message", "app_id", "message_id"),
)

message_receipts = Table(
    "message_receipts",
    metadata,
    of_app(),
    text_column("message_id"),
    text_column("conversation_id"),
    text_column("user_id"),
    text_column("user_name", null=True),
    text_column("role_name", null=True),
    instant("read_at"),
    PrimaryKeyConstraint("app_id", "message_id", "user_id"),
)

message_actions = Table(
    "message_actions",
    metadata,
    _number(),
    of_app(),
    text_column("id"),
    text_column("message_id"),
    text_column("control"),
    text_column("status"),
    flag("enabled"),
    text_column("payload", null=True),
    text_column("response", null=True),
    text_column("user_id", null=True),
    instant("created_at"),
    instant("updated_at"),
    instant("deleted_at", null=True),
    UniqueConstraint("app_id", "id"),
    Index("ix_message_actions_message", "app_id", "message_id"),
)

draft_messages = Table(
    "draft_messages",
    metadata,
    _number(),
    of_app(),
    text_column("id"),
    text_column("author_id", null=True),
    text_column("context_id", null=True),
    text_column("source_id", null=True),
    text_column("body"),
    text_column("status"),
    flag("enabled"),
    text_column("message_id", null=True),
    text_column("updated_by", null=True),
    instant("created_at"),
    instant("updated_at"),
    UniqueConstraint("app_id", "id"),
    Index("ix_draft_messages_author", "app_id", "author_id", "created_at"),
)

groups = Table(
    "groups",
    metadata,
    _number(),
    of_app(),
    text_column("id"),
    text_column("name"),
    text_column("code", null=True),
    text_column("unique_code"),
    text_column("qcode", null=True),
    text_column("group_type", null=True),
    text_column("context_id", null=True),
    text_column("source", null=True),
    text_column("source_alias", null=True),
    text_column("source_id", null=True),
    text_column("source_type", null=True),
    text_column("payload", null=True),
    text_column("status"),
    flag("enabled"),
    text_column("created_by", null=True),
    instant("created_at"),
    instant("updated_at"),
    instant("deleted_at", null=True),
    UniqueConstraint("app_id", "id"),
    UniqueConstraint("app_id", "unique_code"),
    Index("ix_groups_context", "app_id", "context_id"),
)

group_users = Table(
    "group_users",
    metadata,
    _number(),
    of_app(),
    text_column("group_id"),
    text_column("user_id"),
    text_column("role"),
    instant("joined_at"),
    UniqueConstraint("app_id", "group_id", "user_id"),
    Index("ix_group_users_user", "app_id", "user_id"),
)

group_invites = Table(
    "group_invites",
    metadata,
    _number(),
    of_app(),
    text_column("id"),
    text_column("group_id"),
    text_column("code"),
    text_column("inviter_id", null=True),
    Column("max_uses", BigInteger),
    Column("uses_count", BigInteger, nullable=False),
    text_column("status"),
    instant("expires_at", null=True),
    instant("created_at"),
    instant("updated_at"),
    UniqueConstraint("app_id", "code"),
    Index("ix_group_invites_group", "app_id", "group_id"),
)

conversation_summaries = Table(
    "conversation_summaries",
    metadata,
    of_app(),
    text_column("conversation_id"),
    text_column("prompt_id"),
    text_column("id"),
    text_column("content"),
    Column("revision", BigInteger, nullable=False),
    # The place after which messages are new to it.
    Column("last_number", BigInteger, nullable=False),
    text_column("last_message_id", null=True),
    # Something that went into it has been changed since.
    flag("must_rebuild"),
    Column("tokens_used", BigInteger, nullable=False),
    text_column("engine"),
    instant("generated_at"),
    PrimaryKeyConstraint("app_id", "conversation_id", "prompt_id"),
)

conversation_digests = Table(
    "conversation_digests",
    metadata,
    of_app(),
    text_column("user_id"),
    text_column("filters"),
    text_column("id"),
    text_column("body"),
    text_column("fingerprint"),
    Column("tokens_used", BigInteger, nullable=False),
    instant("generated_at"),
    PrimaryKeyConstraint("app_id", "user_id", "filters"),
)
