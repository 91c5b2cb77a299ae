"""Webhooks, their deliveries and attempts as data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from parley.base.ids import AppId, DeliveryId, WebhookId

RETRY_AFTER = tuple(timedelta(seconds=s) for s in (1, 5, 25, 120, 600))
"""Waiting times before the retries (`realtimekit.md` 14.2); after the last one a delivery has failed."""
JITTER = 0.2
"""A retry comes up to this share later, so that a receiver that comes back is not met by a wave."""
CIRCUIT_FAILURES = 20
"""After so many deliveries in a row whose sending failed, the circuit opens."""
CIRCUIT_PAUSE = timedelta(minutes=1)
"""Between attempts while it is open."""
GIVE_UP_AFTER = timedelta(days=1)
"""A delivery still waiting after that (behind an open circuit) has failed: bounds a dead endpoint's queue."""
LOG_KEPT = timedelta(days=30)
"""How long deliveries and attempts can be looked up (`realtimekit.md` 15)."""
TIMEOUT_S = 3.0
CAUGHT_UP_WITHIN = timedelta(days=3)
"""For a webhook that was switched off because it failed, events are still written down so long."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How a dialect delivers."""

    retry_after: tuple[timedelta, ...]
    """Waiting times before the retries."""
    jitter: tuple[float, float]
    """Between which factors a waiting time varies."""
    timeout_s: float
    """For one request, connecting included."""
    at_once: int
    """Requests of one webhook at the same time."""
    in_order: bool
    """Whether first sendings of one order key wait for each other."""
    retries_refusals: bool
    """Whether what was answered with 3xx or 4xx is tried again."""
    give_up_after: timedelta
    """What waits for longer has failed."""
    circuit_failures: int | None
    """Failures in a row that open the circuit: from then on one attempt every `CIRCUIT_PAUSE`."""
    suspend_after: int | None
    """Failures in a row that switch the webhook off."""
    gone_ends: bool
    """Whether an answer of 410 switches the webhook off."""


REALTIMEKIT = "realtimekit"
BLOCK = "block"
POLICIES = {
    # `realtimekit.md` 14.2
    REALTIMEKIT: Policy(
        retry_after=RETRY_AFTER,
        jitter=(1.0, 1.0 + JITTER),
        timeout_s=TIMEOUT_S,
        at_once=8,
        in_order=True,
        retries_refusals=False,
        give_up_after=GIVE_UP_AFTER,
        circuit_failures=CIRCUIT_FAILURES,
        suspend_after=None,
        gone_ends=False,
    ),
    # `realtime-block.md` 14.5
    BLOCK: Policy(
        retry_after=(
            *(timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30)),
            *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20)),
        ),
        jitter=(0.9, 1.1),
        timeout_s=10.0,
        at_once=20,
        in_order=False,
        retries_refusals=True,
        give_up_after=timedelta(days=4),
        circuit_failures=None,
        suspend_after=100,
        gone_ends=True,
    ),
}
"""By dialect."""


class Webhook(msgspec.Struct, frozen=True):
    """An endpoint of a customer and what it wants to hear of."""

    id: WebhookId
    app_id: AppId
    name: str
    url: str
    events: list[str]
    """Names as the dialect's codec spells them."""
    created_at: datetime
    updated_at: datetime
    is_enabled: bool = True
    failures_in_row: int = 0
    """Deliveries whose first sending failed since the last success."""
    resume_at: datetime | None = None
    """Nothing is sent before; None while the circuit is closed."""
    dialect: str = REALTIMEKIT
    """In whose words it is told of events."""
    sealed_secret: bytes | None = None
    """What its requests are signed with, encrypted, in dialects where each webhook has its own."""
    old_sealed_secret: bytes | None = None
    """The secret before the last change; signs as well until `old_secret_until`."""
    old_secret_until: datetime | None = None
    suspended_at: datetime | None = None
    """When it was switched off because it failed; None when nobody or somebody did that."""

    @property
    def is_circuit_open(self) -> bool:
        """Whether only one attempt per `CIRCUIT_PAUSE` is made."""
        limit = POLICIES[self.dialect].circuit_failures
        return limit is not None and self.failures_in_row >= limit


class DeliveryState(StrEnum):
    """Where a delivery is."""

    PENDING = "PENDING"
    """To be sent, or to be sent again."""
    DELIVERED = "DELIVERED"
    """Answered with 2xx."""
    FAILED = "FAILED"
    """Refused with 3xx or 4xx, or out of retries."""
    DROPPED = "DROPPED"
    """The webhook was disabled while it waited."""


class Delivery(msgspec.Struct, frozen=True):
    """One event for one webhook, over all its attempts."""

    id: DeliveryId
    """The same in every attempt, so that receivers can drop duplicates."""
    app_id: AppId
    webhook_id: WebhookId
    event: str
    order_key: str
    """First sendings of one key keep their order."""
    body: str
    """The exact text that is signed and sent (UTF-8)."""
    created_at: datetime
    due_at: datetime | None
    """When to send next; None once it is finished."""
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    last_error: str | None = None
    finished_at: datetime | None = None
    event_id: str | None = None
    """Of the event, the same for all webhooks, in dialects where events have ids."""


class Attempt(msgspec.Struct, frozen=True):
    """One HTTP request of a delivery."""

    delivery_id: DeliveryId
    number: int
    """1 for the first."""
    app_id: AppId
    status: int | None
    """The answer's HTTP status; None when there was none."""
    error: str | None
    duration_ms: int
    created_at: datetime


class WebhookInput(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer decides about a webhook."""

    name: str
    url: str
    events: list[str]
    is_enabled: bool = True


class WebhookEdit(msgspec.Struct, frozen=True, kw_only=True):
    """A change of some of it; None leaves a value as it is."""

    name: str | None = None
    url: str | None = None
    events: list[str] | None = None
    is_enabled: bool | None = None


class LoggedAttempt(msgspec.Struct, frozen=True):
    """One attempt, with what matters of its delivery."""

    delivery_id: DeliveryId
    event_id: str | None
    event: str
    number: int
    """1 for the first."""
    response_code: int | None
    error: str | None
    duration_ms: int
    created_at: datetime
    state: DeliveryState
    """Of the delivery, now."""
    attempts: int
    """Of the delivery, until now."""
    due_at: datetime | None
    """When the delivery is tried again."""

    @property
    def is_last(self) -> bool:
        """Whether no later attempt of the delivery was made."""
        return self.number == self.attempts


class LoggedEvent(msgspec.Struct, frozen=True):
    """An event, and what became of it."""

    delivery_id: DeliveryId
    event_id: str
    event: str
    body: str
    """The envelope, JSON."""
    state: DeliveryState
    created_at: datetime
