"""What webhooks need of a dialect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from parley.base.events import Event
from parley.base.ids import AppId, DeliveryId, WebhookId


class AppLabel(NamedTuple):
    """The app an event belongs to, as receivers see it."""

    id: AppId
    name: str


class PayloadCodec(Protocol):
    """How one dialect tells an event."""

    def public_name(self, happened: Event) -> str | None:
        """The name customers subscribe to, or None when the dialect does not tell this event."""
        ...

    def body(self, happened: Event, app: AppLabel) -> str:
        """The request body; asked for only when `public_name` gave one."""
        ...

    def headers(self, delivery_id: DeliveryId, webhook_id: WebhookId, signature: str) -> Mapping[str, str]:
        """The request headers; `signature` is the base64 one over the body's UTF-8 bytes."""
        ...
