"""Digests: several conversations at a glance (`realtime-block.md` 16.2, 16.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple

import msgspec

from parley.base.text import clean_line
from parley.insight import prompts
from parley.insight.answers import Made, ask, read_object
from parley.insight.model import MAX_ITEMS, MAX_SUMMARY_CHARS, ConversationSummary, Items, tidy, tidy_items
from parley.insight.ports import DigestEntry, DigestMaterial, Prompt, TextEngine
from parley.insight.triage import Categories, grouped, repaired, sounds_urgent

MAX_WARMED = 10
"""Summaries made for one digest, whatever the tenant's setting says."""


class DigestAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a digest, as engines answer it."""

    summary: str
    categories: Categories
    action_items: Items


class DigestStats(msgspec.Struct, frozen=True, kw_only=True):
    """Counted by the server."""

    total_unread_messages: int
    conversations_with_unread: int
    oldest_unread: datetime | None


async def make_digest(
    engine: TextEngine,
    material: DigestMaterial,
    *,
    user_id: str,
    user_role: str = "",
    template: str = prompts.DIGEST_TEMPLATE,
) -> Made[DigestAnswer]:
    """Write a digest with every conversation in exactly one category.

    Without conversations no engine is asked.

    Args:
        engine: writes it.
        material: the selected conversations, with the summaries there are.
        user_id: on whose behalf.
        user_role: of that user, when it is the same everywhere; roles by conversation are in the entries.
        template: the tenant's prompt.

    Raises:
        EngineError: see `ports`; `digest_by_rule` is what remains.
    """
    if not material.entries:
        return Made(digest_by_rule(material), 0, engine.name, 0)
    values = {
        "summaries": prompts.summaries_block(material.entries) if engine.capabilities.is_model else "",
        "user_role": clean_line(user_role, limit=prompts.MAX_NAME_CHARS) or "participant",
    }
    prompt = Prompt(
        id=prompts.CONVERSATION_DIGEST,
        user_id=user_id,
        instructions=prompts.DIGEST_INSTRUCTIONS,
        text=prompts.fill(template, values, needed="summaries") if engine.capabilities.is_model else "",
        schema=prompts.DIGEST_SCHEMA,
        material=material,
    )
    return await ask(engine, prompt, lambda text: parse_digest(text, material))


def parse_digest(text: str, material: DigestMaterial) -> DigestAnswer:
    """A digest out of an engine's answer, with categories made complete and action items from the summaries
    when it gave none.

    Raises:
        Unusable: the message says what is wrong.
    """
    found = read_object(text, DigestAnswer)
    categories = repaired(found.categories, material.entries, material.now)
    return DigestAnswer(
        summary=tidy(found.summary, MAX_SUMMARY_CHARS),
        categories=categories,
        action_items=tidy_items(found.action_items) or merged_action_items(material.entries, categories),
    )


def digest_by_rule(material: DigestMaterial) -> DigestAnswer:
    """What can be said without an engine: categories and action items, and no text."""
    categories = grouped(material.entries, material.now)
    return DigestAnswer(
        summary="", categories=categories, action_items=merged_action_items(material.entries, categories)
    )


def merged_action_items(entries: Sequence[DigestEntry], categories: Categories) -> list[str]:
    """Action items of all summaries, each once, at most 20.

    Those that sound urgent come first, then by the category of their conversation.
    """
    by_id = {entry.conversation_id: entry for entry in entries}
    summaries = [by_id[one].summary for one in categories.in_order() if one in by_id]
    items = [item for summary in summaries if summary is not None for item in summary.action_items]
    return sorted(tidy_items(items), key=lambda item: not sounds_urgent(item))[:MAX_ITEMS]


def digest_stats(entries: Iterable[DigestEntry]) -> DigestStats:
    """Unread messages of the selected conversations."""
    unread = [entry for entry in entries if entry.unread > 0]
    oldest = [entry.oldest_unread_at for entry in unread if entry.oldest_unread_at is not None]
    return DigestStats(
        total_unread_messages=sum(entry.unread for entry in unread),
        conversations_with_unread=len(unread),
        oldest_unread=min(oldest, default=None),
    )


class Warmth(NamedTuple):
    """How current the summary of a conversation is."""

    conversation_id: str
    is_current: bool
    active_at: datetime
    """Of its newest message."""


def to_warm(known: Iterable[Warmth], limit: int) -> list[str]:
    """Conversations to summarise now: missing or stale ones, newest activity first, never more than ten."""
    cold = sorted((one for one in known if not one.is_current), key=lambda one: one.active_at, reverse=True)
    return [one.conversation_id for one in cold[: max(0, min(limit, MAX_WARMED))]]


SummaryState = Literal["completed", "pending", "failed", "stale"]


class ChosenItem(msgspec.Struct, frozen=True, kw_only=True):
    """One conversation in a digest of chosen ones."""

    conversation_id: str
    status: SummaryState
    summary: ConversationSummary | None = None
    """None when there is no content."""
    message_count: int = 0
    from_cache: bool = False


class ChosenDigest(msgspec.Struct, frozen=True, kw_only=True):
    """A digest of chosen conversations, in the order of the request."""

    items: list[ChosenItem]
    conversations_found: int
    """Ids that exist and are visible."""
    total: int
    """Items with content."""
    error: str | None = None
    """Only when the provider failed."""


def chosen_digest(
    wanted: Sequence[str], found: Mapping[str, ChosenItem], error: str | None = None
) -> ChosenDigest:
    """Put the summaries of the visible ones among the wanted conversations in order, each once."""
    items = [found[one] for one in dict.fromkeys(wanted) if one in found]
    return ChosenDigest(
        items=items,
        conversations_found=len(items),
        total=sum(one.summary is not None and bool(one.summary.overall_summary) for one in items),
        error=error,
    )
