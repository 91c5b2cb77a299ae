"""What webhooks need of a dialect."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from parley.base.events import Event
from parley.base.ids import AppId, DeliveryId, WebhookId
from parley.outgoing.ports import Http
from parley.store.outbox import Announced
from parley.webhooks.model import Delivery, Policy, Webhook


class AppLabel(NamedTuple):
    """The app an event belongs to, as receivers see it."""

    id: AppId
    name: str


class PayloadCodec(Protocol):
    """How a dialect tells an event whose requests are signed with the installation's key."""

    def public_name(self, happened: Event) -> str | None:
        """The name customers subscribe to, or None when the dialect does not tell this event."""
        ...

    def body(self, happened: Event, app: AppLabel) -> str:
        """The request body; asked for only when `public_name` gave one."""
        ...

    def headers(self, delivery_id: DeliveryId, webhook_id: WebhookId, signature: str) -> Mapping[str, str]:
        """The request headers; `signature` is the base64 one over the body's UTF-8 bytes."""
        ...


class EventCodec(Protocol):
    """How a dialect tells an event in the envelope of Standard Webhooks."""

    def public_name(self, happened: Event) -> str | None:
        """The name customers subscribe to, or None when the dialect does not tell this event."""
        ...

    def data(self, happened: Event) -> Mapping[str, Any]:
        """What happened; asked for only when `public_name` gave a name."""
        ...


class Told(NamedTuple):
    """An event as it is sent."""

    event_id: str | None
    body: str
    """The exact text that is signed and sent (UTF-8)."""


class Dialect(Protocol):
    """How events become requests."""

    @property
    def name(self) -> str:
        """Stored with each webhook of it."""

    @property
    def policy(self) -> Policy:
        """When and how often."""

    @property
    def http(self) -> Http | None:
        """What its requests go through, where not everything may be reached; None = as all others."""

    def public_name(self, happened: Event) -> str | None:
        """See `PayloadCodec.public_name`."""

    def tell(self, happened: Announced, app: AppLabel) -> Told:
        """The event's body; asked for only when `public_name` gave a name."""

    def headers(self, webhook: Webhook, delivery: Delivery, body: bytes, now: datetime) -> Mapping[str, str]:
        """Of one attempt, signature included."""
