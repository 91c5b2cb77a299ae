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

    def __iter__(self) -> Iterable[Grant]:
        return iter(self._grants)


def default_grants(user_id: str) -> list[Grant]:
    """What a token opens that names no channels."""
    return [Grant(p) for p in ("public:*", "chat:*", f"notifications:{user_id}", f"inbox:{user_id}")]


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
    if "*" not in pattern:
        return pattern == name
    return _glob(pattern).fullmatch(name) is not None


@lru_cache(maxsize=1_024)
def _glob(pattern: str) -> re.Pattern[str]:
    # A run of stars is one star that wants more characters: written so, it cannot backtrack exponentially.
    parts = re.split(r"(\*+)", pattern)
    return re.compile("".join(f".{{{len(p)},}}" if p.startswith("*") else re.escape(p) for p in parts))
