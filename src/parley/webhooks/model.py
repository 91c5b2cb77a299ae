"""Webhooks, their deliveries and attempts as data."""

from __future__ import annotations

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

    @property
    def is_circuit_open(self) -> bool:
        """Whether only one attempt per `CIRCUIT_PAUSE` is made."""
        return self.failures_in_row >= CIRCUIT_FAILURES


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
