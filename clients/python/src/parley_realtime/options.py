"""How the client behaves, and what close codes ask of it."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

TokenSource: TypeAlias = Callable[[], Awaitable[str] | str]
"""Asked for a connection token whenever a new one is needed; may be a coroutine function."""
Authorize: TypeAlias = Callable[[str, str, str], Awaitable[Mapping[str, Any]]]
"""Asked for `auth` (and `channel_data`) of a channel: socket id, channel, user id."""

JITTER = 0.25
LIMITED_DELAY_S = 5.0
"""After a refusal because there are too many connections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the client behaves; times are seconds."""

    auto_reconnect: bool = True
    reconnect_delay_s: float = 1.0
    """Before the first attempt; doubles with each (±25 %)."""
    reconnect_delay_max_s: float = 30.0
    max_reconnect_attempts: int | None = 10
    """In a row; None = for ever."""
    stable_after_s: float = 60.0
    """Connected for so long, the attempts are counted anew."""
    heartbeat_interval_s: float = 30.0
    heartbeat_timeout_s: float = 10.0
    connect_timeout_s: float = 10.0
    """Of one attempt, until the server's welcome."""
    request_timeout_s: float = 60.0
    """Of one request, waiting for a connection included."""
    queue_limit: int = 1_000
    """Requests without an answer, those waiting for a connection included."""
    buffer_limit: int = 1_000
    """Messages that wait for handlers, or for the reader of one stream."""
    report_delivered: bool = True
    """Tell the server, at most once a second, what has arrived."""
    auth_endpoint: str | None = None
    """Of the application's own server: asked to open `private:` and `presence:` channels."""
    auth_headers: Mapping[str, str] = field(default_factory=dict)
    authorize: Authorize | None = None
    """Asked in the place of `auth_endpoint`."""


class After(Enum):
    """What follows the end of a connection."""

    STAY_AWAY = "stay away"
    NEW_TOKEN = "with a new token"  # noqa: S105 - not a secret
    AT_ONCE = "at once"
    SLOWLY = "after five seconds at least"
    BACKOFF = "after the usual delay"


_AFTER = {
    1000: After.STAY_AWAY,
    1002: After.STAY_AWAY,
    1007: After.STAY_AWAY,
    1008: After.STAY_AWAY,
    4400: After.STAY_AWAY,
    4401: After.NEW_TOKEN,
    4403: After.STAY_AWAY,
    4409: After.STAY_AWAY,
    4408: After.BACKOFF,
    4429: After.SLOWLY,
    4500: After.BACKOFF,
    4503: After.AT_ONCE,
}


def after_close(code: int | None) -> After:
    """What a close code asks for; unknown codes of applications are decisions, others passing trouble."""
    if code is None:
        return After.BACKOFF
    return _AFTER.get(code, After.BACKOFF if code < 4000 else After.STAY_AWAY)


def backoff_s(options: Options, attempt: int) -> float:
    """Seconds before an attempt, from 1."""
    exponent = min(attempt - 1, 30)  # 2^30 is beyond any cap
    delay: float = min(options.reconnect_delay_s * 2.0**exponent, options.reconnect_delay_max_s)
    return delay * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - spreads load, guards nothing
