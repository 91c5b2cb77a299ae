"""What webhooks need of a dialect and of the network."""

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


class Answer(NamedTuple):
    """What an HTTP server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_complete: bool
    """False when the body was longer than wanted or did not arrive in time."""


class Http(Protocol):
    """Outgoing HTTP that minds where it goes (`outgoing.OutgoingHttp`)."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout_s: float,
        max_body_bytes: int = ...,
    ) -> Answer:
        """Send a request, follow no redirect.

        Raises:
            OutgoingError: no answer (`outgoing.AddressRefused`: not allowed to go there).
        """
        ...
