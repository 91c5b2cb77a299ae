"""Settings of an app that conversations read (`realtime-block.md` 16.4); stored as sections of their own."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from parley.insight import prompts

Template = Annotated[str, Meta(pattern=r"\S", max_length=prompts.MAX_TEMPLATE_CHARS)]


class DigestSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `digest`: which conversations a digest is made of."""

    recency_days: Annotated[int, Meta(ge=1, le=3_650)] = 30
    max_fresh_per_request: Annotated[int, Meta(ge=1, le=10)] = 10
    """Summaries that one request may have made."""
    unread_only: bool = True


class PromptSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `prompts`: the app's own texts (see `insight.prompts`); null = the built-in one."""

    conversation_summary: Template | None = None
    conversation_digest: Template | None = None


class AiSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `ai`: who writes summaries and digests."""

    provider: Literal["extractive", "http"] = "extractive"
    url: Annotated[str, Meta(max_length=2_000)] | None = None
    """Of a chat-completions endpoint."""
    model: Annotated[str, Meta(pattern=r"\S", max_length=200)] | None = None


DIGEST, PROMPTS, AI = "digest", "prompts", "ai"
"""Names of the sections."""
