"""What a token lets its holder do on which channels (`realtime-block.md` 1.5, 13.4)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import lru_cache

import msgspec

from parley.base.errors import Invalid
from parley.channels.realtime.names import NAME_LIMIT, Kind, kind_of

PATTERNS_LIMIT = 100
_GUARDED = (Kind.PRIVATE, Kind.PRESENCE, Kind.CONVERSATION, Kind.INBOX)
_NAME_PART = re.compile(r"[A-Za-z0-9_\-=@.,;:]+", re.ASCII)
_PATTERN = re.compile(r"[A-Za-z0-9_\-=@.,;:*]+", re.ASCII)


class Op(StrEnum):
    """What may be done on a channel."""

    SUBSCRIBE = "subscribe"
    PUBLISH = "publish"
    PRESENCE = "presence"
    HISTORY = "history"


ALL = frozenset(Op)


class Grant(msgspec.Struct, frozen=True):
    """A permission for every channel whose whole name fits the pattern.

    `*` stands for one or more characters of any kind. Channels that guard something (private, presence,
    conversation, inbox) are opened only by a pattern that names their first word.
    """

    pattern: str
    ops: frozenset[Op] = ALL

    def covers(self, name: str) -> bool:
        """Whether the channel fits the pattern."""
        return _covers(self.pattern, name)


class Grants:
    """All grants of one token."""

    __slots__ = ("_grants",)

    def __init__(self, grants: Iterable[Grant]) -> None:
        self._grants = tuple(grants)

    def allow(self, name: str, op: Op) -> bool:
        """Whether any of them does."""
        return any(op in grant.ops and grant.covers(name) for grant in self._grants)


DEFAULT = ("public:*", "chat:*", "notifications:{user_id}", "inbox:{user_id}")
"""Patterns of a token that names no channels; `{user_id}` stands for the user."""


def default_grants(user_id: str, patterns: Iterable[str] = DEFAULT) -> list[Grant]:
    """What a token opens that names no channels."""
    return [Grant(pattern) for pattern in of_user(patterns, user_id)]


def of_user(patterns: Iterable[str], user_id: str) -> list[str]:
    """The patterns with the user's id where they say `{user_id}`.

    Those are left out for a user whose id cannot be a part of a name: nothing is called so, and one called
    `*` would get what is everybody else's.
    """
    is_part = _NAME_PART.fullmatch(user_id) is not None
    return [p.replace("{user_id}", user_id) for p in patterns if is_part or "{user_id}" not in p]


def client_may_ask(pattern: str, user_id: str, allowed: Iterable[str] | None = None) -> bool:
    """Whether a client may have the pattern in a token that it asks for itself.

    Args:
        pattern: what it asks for.
        user_id: who it is.
        allowed: the app's own rule: patterns that allow what fits them; `{user_id}` stands for the user.
    """
    if allowed is not None:
        # A star of the asked pattern is only covered by a star: what it stands for is covered then, too.
        return any(Grant(each).covers(pattern) for each in of_user(allowed, user_id))
    if pattern.startswith("inbox:"):
        return pattern == f"inbox:{user_id}" and "*" not in pattern
    if pattern.startswith("presence:"):
        return pattern.startswith("presence:chat:")
    return not pattern.startswith("private:")


def check_grants(grants: Sequence[Grant]) -> None:
    """Refuse malformed patterns.

    Raises:
        Invalid: too many, too long, or with characters that no name has.
    """
    if len(grants) > PATTERNS_LIMIT:
        raise Invalid(f"A token has at most {PATTERNS_LIMIT} patterns.", field="channels")
    for number, grant in enumerate(grants):
        if not 1 <= len(grant.pattern) <= NAME_LIMIT or not _PATTERN.fullmatch(grant.pattern):
            raise Invalid("This is not a channel pattern.", field=f"channels.{number}")


@lru_cache(maxsize=8_192)
def _covers(pattern: str, name: str) -> bool:
    kind = kind_of(name)
    if kind in _GUARDED and not pattern.startswith(f"{kind.value}:"):
        return False
    start, *rest = _cut(pattern)
    if not rest:
        return pattern == name
    if not name.startswith(start[1]):
        return False
    at = len(start[1])
    *middle, (gap, end) = rest
    for least, literal in middle:
        # The first place that fits is the best one: it leaves the most to what follows. A regular expression
        # would try all the others as well, and a pattern with a hundred stars would never come to an end.
        found = name.find(literal, at + least)
        if found < 0:
            return False
        at = found + len(literal)
    return len(name) - len(end) >= at + gap and name.endswith(end)


@lru_cache(maxsize=1_024)
def _cut(pattern: str) -> list[tuple[int, str]]:
    """The literal parts of a pattern, each with the number of stars before it."""
    parts = re.split(r"(\*+)", pattern)
    return [(0, parts[0]), *((len(parts[n]), parts[n + 1]) for n in range(1, len(parts), 2))]
