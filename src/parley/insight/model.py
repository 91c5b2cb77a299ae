"""What was said, and what is said about it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, NamedTuple

import msgspec

from parley.base.text import storable

MAX_ITEMS = 20
"""Of each list in a summary (`realtime-block.md` 16.1 rule 6)."""
MAX_ITEM_CHARS = 500
MAX_SUMMARY_CHARS = 8_000
"""What is longer is cut: engines are told to be brief, and rows should stay small."""

Sentiment = Literal["positive", "neutral", "negative", "mixed"]
Items = Annotated[list[str], msgspec.Meta(max_length=MAX_ITEMS)]


class Message(NamedTuple):
    """One thing said: a chat message or an utterance."""

    id: str
    author_id: str
    author: str
    """Name to show."""
    text: str
    sent_at: datetime


class ConversationSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a summary, as engines answer it."""

    overall_summary: str
    """Not empty in an engine's answer; empty for an empty conversation."""
    categories: Items
    action_items: Items
    key_decisions: Items
    sentiment: Sentiment
    key_points: Items | None = None
    """None when the engine gives none: show `key_decisions` then."""

    def tidied(self) -> ConversationSummary:
        """The same without blank, repeated and overlong texts."""
        return ConversationSummary(
            overall_summary=tidy(self.overall_summary, MAX_SUMMARY_CHARS),
            categories=tidy_items(self.categories),
            action_items=tidy_items(self.action_items),
            key_decisions=tidy_items(self.key_decisions),
            sentiment=self.sentiment,
            key_points=None if self.key_points is None else tidy_items(self.key_points),
        )

    @property
    def points(self) -> list[str]:
        """`key_points`, or the decisions when there are none (16.1)."""
        return self.key_points or self.key_decisions


EMPTY = ConversationSummary(
    overall_summary="", categories=[], action_items=[], key_decisions=[], sentiment="neutral", key_points=[]
)
"""Of a conversation without messages; no engine is asked (16.1 rule 1)."""


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """Counted by the server, never taken from an engine."""

    total_messages: int
    participants: int
    """Different authors."""
    time_span: str
    """Like `2h 15m`; see `time_span`."""


def stats(total_messages: int, participants: int, first: datetime | None, last: datetime | None) -> Stats:
    """Of a conversation with its first and last message at these times; None when it has no message."""
    span = time_span(first, last) if first is not None and last is not None else "0s"
    return Stats(total_messages=total_messages, participants=participants, time_span=span)


def time_span(first: datetime, last: datetime) -> str:
    """Last minus first in its largest unit and the next smaller one, which is left out when it is zero.

    `2h 15m`, `3d 4h`, `45s`; `0s` for one message, and when the clock went back between the two.
    """
    seconds = max(0, int((last - first).total_seconds()))
    days, hours, minutes = seconds // 86_400, seconds // 3_600 % 24, seconds // 60 % 60
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (seconds % 60, "s")]
    start = next((place for place, (amount, _) in enumerate(parts) if amount), len(parts) - 1)
    return " ".join(f"{n}{unit}" for n, unit in parts[start : start + 2] if n) or "0s"


def tidy(text: str, limit: int) -> str:
    """Trimmed, without what no database holds, at most `limit` characters with an ellipsis when cut."""
    if not storable(text):
        text = text.replace("\x00", "").encode("utf-8", "replace").decode()
    text = text.strip()
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def tidy_items(items: list[str]) -> list[str]:
    """Each text once, without blank ones, on one line."""
    found: dict[str, str] = {}
    for item in items:
        if text := tidy(" ".join(item.split()), MAX_ITEM_CHARS):
            found.setdefault(normalised(text), text)
    return list(found.values())


def normalised(text: str) -> str:
    """What two texts have in common that differ only in case, punctuation and spacing (16.1 rule 8)."""
    kept = "".join(c if c.isalnum() else " " for c in text.casefold())
    return " ".join(kept.split()) or text.casefold().strip()
