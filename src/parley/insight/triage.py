"""Which conversations wait for somebody, by rule (`realtime-block.md` 16.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from parley.insight.ports import DigestEntry

STALE_AFTER = timedelta(days=7)
Category = Literal["urgent", "pending", "on_track", "stale"]

_URGENT = re.compile(
    r"(?<!\w)(?:urgent(?:ly)?|asap|as soon as possible|immediate(?:ly)?|emergency|critical|blocker|blocking"
    r"|outage|overdue|right away|deadline (?:is|was) today|dringend|sofort|eilt|notfall|urgence|immédiatement"
    r"|urgente|urgentemente|inmediatamente|emergencia|subito|emergenza|imediatamente|emergência|spoed|onmiddellijk)(?!\w)",
    re.IGNORECASE,
)
_QUESTION = ("?", "？", "؟")  # noqa: RUF001


class Categories(msgspec.Struct, frozen=True, kw_only=True):
    """Ids of conversations by what they need."""

    urgent: list[str]
    pending: list[str]
    on_track: list[str]
    stale: list[str]

    def in_order(self) -> list[str]:
        """All ids, the most urgent first."""
        return [*self.urgent, *self.pending, *self.on_track, *self.stale]

    def named(self) -> list[tuple[Category, list[str]]]:
        """The lists with their names, the most urgent first."""
        return [
            ("urgent", self.urgent),
            ("pending", self.pending),
            ("on_track", self.on_track),
            ("stale", self.stale),
        ]


def sounds_urgent(text: str) -> bool:
    """Whether a word of the text says so."""
    return _URGENT.search(text) is not None


def category(entry: DigestEntry, now: datetime) -> Category:
    """By rule: quiet for a week, an urgent word or task, something unread or asked, in this order."""
    if entry.last_message_at is None or now - entry.last_message_at >= STALE_AFTER:
        return "stale"
    texts = [entry.last_message]
    if entry.summary is not None:
        texts += [entry.summary.overall_summary, *entry.summary.action_items]
    if entry.is_urgent or any(map(sounds_urgent, texts)):
        return "urgent"
    if entry.unread > 0 or entry.last_message.rstrip().endswith(_QUESTION):
        return "pending"
    return "on_track"


def grouped(entries: Sequence[DigestEntry], now: datetime) -> Categories:
    """Every conversation by rule, in the given order."""
    return _collected((entry.conversation_id, category(entry, now)) for entry in entries)


def repaired(given: Categories, entries: Sequence[DigestEntry], now: datetime) -> Categories:
    """Categories that an engine gave, with every conversation in exactly one list.

    Invented ids are dropped, forgotten ones go where the rule puts them, and what stands in several lists
    stays in the most urgent one.
    """
    known = {entry.conversation_id for entry in entries}
    placed: dict[str, Category] = {}
    for name, ids in given.named():
        for one in ids:
            if one in known:
                placed.setdefault(one, name)
    for entry in entries:
        if entry.conversation_id not in placed:
            placed[entry.conversation_id] = category(entry, now)
    return _collected(placed.items())


def _collected(placed: Iterable[tuple[str, Category]]) -> Categories:
    lists: dict[Category, dict[str, None]] = {"urgent": {}, "pending": {}, "on_track": {}, "stale": {}}
    for one, name in placed:
        lists[name][one] = None
    return Categories(
        urgent=list(lists["urgent"]),
        pending=list(lists["pending"]),
        on_track=list(lists["on_track"]),
        stale=list(lists["stale"]),
    )
