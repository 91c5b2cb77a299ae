"""Summaries and digests as they are kept."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, NamedTuple

import msgspec

from parley.conversations.threads.model import Conversation
from parley.insight.digest import DigestAnswer, DigestStats, SummaryState
from parley.insight.model import ConversationSummary, Stats
from parley.insight.prompts import CONVERSATION_SUMMARY

PROMPT_ID = CONVERSATION_SUMMARY


class SummaryBody(msgspec.Struct, frozen=True, kw_only=True):
    """A summary with what was counted when it was made."""

    summary: ConversationSummary
    stats: Stats


class Summary(msgspec.Struct, frozen=True):
    """The summary of a conversation by one prompt."""

    conversation_id: str
    prompt_id: str
    id: str
    content: SummaryBody
    revision: int
    """Of the conversation when it was made: it is fresh as long as that is the conversation's."""
    last_number: int
    """Of the last message that went into it."""
    last_message_id: str | None
    must_rebuild: bool
    """A message that went into it was changed or taken away."""
    tokens_used: int
    engine: str
    generated_at: datetime


class Summarised(NamedTuple):
    """What somebody gets who asks for a summary."""

    conversation: Conversation
    prompt_id: str
    status: SummaryState
    summary: Summary | None
    """None: `pending`."""
    is_cached: bool
    retry_after_s: float | None = None
    """Until a newer one may be had, when this one is stale because of the limit."""


class DigestBody(msgspec.Struct, frozen=True, kw_only=True):
    """A digest across conversations."""

    answer: DigestAnswer
    stats: DigestStats
    conversations_found: int


class Digest(msgspec.Struct, frozen=True):
    """Somebody's digest for one choice of filters."""

    user_id: str
    filters: str
    id: str
    body: DigestBody
    fingerprint: str
    """Of the conversations it was made of."""
    tokens_used: int
    generated_at: datetime


CacheStatus = Literal["fresh", "cached", "partial", "stale"]


class Warming(msgspec.Struct, frozen=True):
    """What became of the summaries that a digest needs."""

    fresh: int
    cached: int
    remaining: int


class Digested(NamedTuple):
    """What somebody gets who asks for a digest."""

    digest: Digest
    cache_status: CacheStatus
    warming: Warming
