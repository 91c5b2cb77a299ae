"""What Parley needs of something that writes text, and how it fails.

    EngineError              no usable answer; the rules of degradation apply
    ├── EngineUnavailable    refused connection, timeout, server error, nonsense instead of an answer
    ├── EngineRateLimited    over the provider's limit (says for how long)
    ├── EngineRefused        wrong key, model or address: stays so until a setting changes
    ├── UnknownUser          the provider knows no such user (any more): register, then once again
    ├── AlreadyRegistered    of `register` only; counts as success
    └── InvalidAnswer        an answer came, and had the wrong shape after all corrections

`retry` says whether asking again makes sense, `reached_provider` whether the request may have got there: such
a call counts toward the callers' own rate limit (`realtime-block.md` 16.1 rule 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from parley.base.errors import NEVER, Retry, Unavailable
from parley.insight.model import ConversationSummary, Message

TIMEOUT_S = 15.0
"""Of one `complete` or `register` (16.1 rule 7)."""


class EngineError(Unavailable):
    """The engine gave no usable answer; nothing was changed."""

    code = "engine_unavailable"

    def __init__(self, message: str, *, reached_provider: bool, detail: str | None = None) -> None:
        super().__init__(message, detail=detail)
        self.reached_provider = reached_provider
        """Whether the provider may have worked (and billed); true when in doubt."""


class EngineUnavailable(EngineError):
    """Refused connection, timeout, server error, nonsense instead of an answer."""

    retry = Retry.after(60)


class EngineRateLimited(EngineError):
    """The provider wants fewer requests."""

    code = "engine_rate_limited"
    retry = Retry.after(60)

    def __init__(self, message: str, *, retry_after_s: float, detail: str | None = None) -> None:
        super().__init__(message, reached_provider=True, detail=detail)
        self.retry_after_s = retry_after_s
        """What the provider asked for, or a default; between 1 s and an hour."""


class EngineRefused(EngineError):
    """Key, model, address or request are wrong; only a change of settings helps."""

    code = "engine_refused"
    retry = NEVER


class UnknownUser(EngineError):
    """The provider does not know the user (any more)."""

    code = "engine_unknown_user"
    retry = Retry.after(0)


class AlreadyRegistered(EngineError):
    """The user is registered already."""

    code = "engine_already_registered"
    retry = NEVER


class InvalidAnswer(EngineError):
    """The answer had the wrong shape, however often the engine was told."""

    code = "engine_invalid_answer"
    retry = Retry.after(60)


class Capabilities(NamedTuple):
    """What an engine declares about itself."""

    structured_output: bool
    """Whether it can be held to a JSON schema."""
    is_model: bool
    """Whether it is a language model; if not, it only picks from what was said."""


class Completion(NamedTuple):
    """An answer."""

    text: str
    tokens_used: int
    """As the provider counts them; 0 when it does not say or has none."""


class Correction(NamedTuple):
    """An answer that was not usable, and why."""

    answer: str
    problem: str


@dataclass(frozen=True, slots=True)
class SummaryMaterial:
    """What a conversation's summary is made of."""

    messages: tuple[Message, ...]
    """Those since `previous`, oldest first."""
    previous: ConversationSummary | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestEntry:
    """One conversation of a digest."""

    conversation_id: str
    title: str = ""
    role: str = ""
    """Of the user in it."""
    summary: ConversationSummary | None = None
    """None while there is none yet."""
    unread: int = 0
    """Messages of others that the user has not read."""
    oldest_unread_at: datetime | None = None
    last_message_at: datetime | None = None
    last_message: str = ""
    is_urgent: bool = False
    """Whether it has an open task of priority urgent."""


@dataclass(frozen=True, slots=True)
class DigestMaterial:
    """What a digest is made of."""

    entries: tuple[DigestEntry, ...]
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One question to an engine: as prose for models, and as values for engines that do not read prose."""

    id: str
    """Like `conversation-summary`."""
    user_id: str
    """On whose behalf; what `register` was given."""
    instructions: str
    """Trusted: what to do, and the shape of the answer."""
    text: str
    """The task with its material, where untrusted text is marked."""
    schema: Mapping[str, Any]
    """JSON schema of the answer, as strict structured output wants it."""
    material: SummaryMaterial | DigestMaterial
    corrections: tuple[Correction, ...] = ()
    """Earlier answers to this prompt that were not usable."""


class TextEngine(Protocol):
    """Writes text. Safe to use from several tasks at once."""

    @property
    def name(self) -> str:
        """What results are labelled with."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it declares; the same for its whole life."""
        ...

    async def register(self, user_id: str) -> None:
        """Make a user known to the provider, where it wants that; may be called twice.

        Raises:
            AlreadyRegistered: that had been done; a success.
            EngineError: it did not work.
        """
        ...

    async def complete(self, prompt: Prompt) -> Completion:
        """Answer a prompt within `TIMEOUT_S`.

        Raises:
            UnknownUser: `prompt.user_id` has to be registered (again) first.
            EngineError: no answer.
        """
        ...
