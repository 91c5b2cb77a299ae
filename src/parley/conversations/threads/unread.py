"""What somebody has not read, in one list and by what the conversations are about (16.5)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from parley.accounts.scope import AppScope
from parley.base.errors import Invalid
from parley.conversations.threads import store
from parley.conversations.threads.store import Overview
from parley.people.model import Caller

CONVERSATIONS_LIMIT = 10_000
_KEY = re.compile(r"[A-Za-z0-9_]{1,100}", re.ASCII)
_FIXED = ("reference", "source", "source_type", "source_alias")


class InvalidGrouping(Invalid):
    """A payload cannot have such a key."""

    code = "rt-076540"


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """Conversations that share a value."""

    key: str
    unread_count: int
    conversation_count: int
    conversation_payload: dict[str, Any] | None
    """Of one of them, when grouped by a member of the payload."""
    last_message_at: datetime | None


class UnreadSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Most unread first, then the most recent ones."""

    conversations: list[Overview]
    group_by: str
    buckets: list[Bucket]
    total_unread: int


async def unread_summary(
    scope: AppScope,
    caller: Caller,
    user_id: str,
    *,
    group_by: str | None = None,
    custom: Mapping[str, str] | None = None,
    unread_only: bool = True,
) -> UnreadSummary:
    """What a user has not read.

    Args:
        scope: the app.
        caller: that user, or a server.
        user_id: whose.
        group_by: `reference`, `source`, `source_type`, `source_alias` or `payload:<key>`; what is none of
            these counts as `reference`.
        custom: members of the payload that conversations must have.
        unread_only: leave out what is read.

    Raises:
        NotAllowed: somebody else's.
        InvalidGrouping: no payload has such a key.
        Invalid: a key of `custom` cannot be one.
    """
    caller.must_be(user_id)
    check_keys(custom or {}, field="?custom")
    by, key = grouping(group_by)
    found = await store.overview(scope, user_id, unread_only=unread_only, size=CONVERSATIONS_LIMIT)
    wanted = [one for one in found if matches(one.payload, custom or {})]
    return UnreadSummary(
        conversations=wanted,
        group_by=f"payload:{key}" if key else by,
        buckets=buckets_of(wanted, by, key),
        total_unread=sum(one.unread_count for one in wanted),
    )


def check_keys(custom: Mapping[str, str], *, field: str) -> None:
    """Raise `Invalid` unless each may be a key of a payload."""
    for key in custom:
        if not _KEY.fullmatch(key):
            raise Invalid("Keys consist of letters, digits and underscores.", field=field)


def matches(payload: Mapping[str, Any] | None, custom: Mapping[str, str]) -> bool:
    """Whether a payload has these members, compared as texts."""
    return all(_text((payload or {}).get(key)) == value for key, value in custom.items())


def grouping(group_by: str | None) -> tuple[str, str | None]:
    """What to group by: a column, or `payload` and the key in it.

    Raises:
        InvalidGrouping: no payload has such a key.
    """
    if group_by is not None and group_by.startswith("payload:"):
        key = group_by.removeprefix("payload:")
        if not _KEY.fullmatch(key):
            raise InvalidGrouping("Group by a key of letters, digits and underscores.", field="?group_by")
        return "payload", key
    return (group_by if group_by in _FIXED else "reference"), None


def buckets_of(conversations: Iterable[Overview], by: str, key: str | None) -> list[Bucket]:
    """Conversations by the value of a column, or of a key of the payload; those without the key are left out.

    Most unread first, then the most recent ones.
    """
    members: dict[str, list[Overview]] = {}
    for one in conversations:
        if key is None:
            value: str | None = getattr(one, by) or ""
        else:
            value = _text((one.payload or {}).get(key))
        if value is not None:
            members.setdefault(value, []).append(one)
    buckets = [
        Bucket(
            key=value,
            unread_count=sum(one.unread_count for one in some),
            conversation_count=len(some),
            conversation_payload=some[0].payload if key else None,
            last_message_at=max((one.last_message_at for one in some if one.last_message_at), default=None),
        )
        for value, some in members.items()
    ]
    # Twice: the second order keeps the first among equals.
    buckets.sort(key=lambda one: (one.last_message_at is not None, one.last_message_at), reverse=True)
    return sorted(buckets, key=lambda one: one.unread_count, reverse=True)


def _text(value: Any) -> str | None:
    """A member as a text; None when there is none."""
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()
