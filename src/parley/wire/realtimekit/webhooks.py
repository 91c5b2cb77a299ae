"""Webhooks over REST (`realtimekit.md` 14.1; routes 39 to 44, `webhooks/all`) and the published key.

The log of deliveries is Parley's own addition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta

from parley.accounts.scope import AppScope
from parley.base.errors import Invalid, NotFound
from parley.base.ids import DeliveryId, WebhookId
from parley.base.text import storable
from parley.base.times import iso_ms
from parley.webhooks import service
from parley.webhooks.model import Attempt, Delivery, Webhook, WebhookEdit, WebhookInput
from parley.webhooks.signing import Signer
from parley.wire.realtimekit.answers import Many, One, Timestamp, Uuid, many
from parley.wire.realtimekit.endpoint import AppCall, Routes
from parley.wire.realtimekit.reading import PageQuery
from parley.wire.realtimekit.webhook_events import EVENT_NAMES, EventName

Logged = tuple[Delivery, list[Attempt]]


async def _load_logged(scope: AppScope, path: Mapping[str, str]) -> Logged:
    webhook = await service.get_webhook(scope, WebhookId(path["webhook_id"]))
    found = await service.get_delivery(scope, DeliveryId(path["delivery_id"]))
    if found[0].webhook_id != webhook.id:
        raise NotFound(f"No webhook delivery found with id {path['delivery_id']}")
    return found


routes = Routes("Webhooks", loads={"logged": _load_logged})
KEY_PATH = "/.well-known/webhooks.json"

Name = Annotated[str, Meta(min_length=1, max_length=256)]
HttpUrl = Annotated[
    str,
    Meta(
        max_length=2048,
        pattern=r"^[hH][tT][tT][pP][sS]?://[^\s/?#]+\S*$",
        extra_json_schema={"format": "uri"},
    ),
]
Events = Annotated[list[EventName], Meta(min_length=1)]


class WebhookBody(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook as it is created or replaced."""

    name: Name
    url: HttpUrl
    events: Events
    enabled: bool | None = None
    """True when absent."""


class WebhookChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to change; nothing here can be cleared, so null leaves a value as it is."""

    name: Name | None = None
    url: HttpUrl | None = None
    events: Events | None = None
    enabled: bool | None = None


class WebhookShape(msgspec.Struct, frozen=True):
    """A webhook."""

    id: Uuid
    name: str
    url: str
    enabled: bool
    events: Sequence[str]
    created_at: Timestamp
    updated_at: Timestamp


class DeliveryShape(msgspec.Struct, frozen=True, kw_only=True):
    """One event on its way to a webhook."""

    id: Uuid
    """`rtk-uuid` of the requests."""
    event: str
    status: Literal["PENDING", "DELIVERED", "FAILED", "DROPPED"]
    attempt_count: int
    last_error: str | None
    created_at: Timestamp
    next_attempt_at: Timestamp | None
    finished_at: Timestamp | None


class AttemptShape(msgspec.Struct, frozen=True):
    """One request."""

    number: int
    response_status: int | None
    """HTTP status; null when there was no answer."""
    error: str | None
    duration_ms: int
    created_at: Timestamp


class DeliveryDetails(DeliveryShape, frozen=True, kw_only=True):
    """The same with all its requests."""

    body: str
    """As it is signed and sent."""
    attempts: Sequence[AttemptShape]


@routes.get("{app}/webhooks")
async def list_webhooks(call: AppCall) -> One[list[WebhookShape]]:
    """List the app's webhooks, newest first; all of them, without paging."""
    return One([_shape(webhook) for webhook in await service.list_webhooks(call.scope)])


@routes.get("{app}/webhooks/all")
async def list_event_names(call: AppCall) -> One[Sequence[str]]:
    """List the events a webhook can subscribe to."""
    return One(EVENT_NAMES)


@routes.post("{app}/webhooks", status=201)
async def create_webhook(call: AppCall, body: WebhookBody) -> One[WebhookShape]:
    """Subscribe an endpoint to events of the app."""
    return One(_shape(await service.create_webhook(call.scope, _input(body))))


@routes.get("{app}/webhooks/{webhook_id}")
async def get_webhook(call: AppCall, webhook_id: str) -> One[WebhookShape]:
    """Get a webhook."""
    return One(_shape(await service.get_webhook(call.scope, _id(webhook_id))))


@routes.put("{app}/webhooks/{webhook_id}")
async def replace_webhook(call: AppCall, webhook_id: str, body: WebhookBody) -> One[WebhookShape]:
    """Replace a webhook."""
    return One(_shape(await service.replace_webhook(call.scope, _id(webhook_id), _input(body))))


@routes.patch("{app}/webhooks/{webhook_id}")
async def edit_webhook(call: AppCall, webhook_id: str, body: WebhookChange) -> One[WebhookShape]:
    """Change some of a webhook."""
    edit = WebhookEdit(
        name=_checked_name(body.name) if body.name is not None else None,
        url=_checked_url(body.url) if body.url is not None else None,
        events=list(body.events) if body.events is not None else None,
        is_enabled=body.enabled,
    )
    return One(_shape(await service.edit_webhook(call.scope, _id(webhook_id), edit)))


@routes.delete("{app}/webhooks/{webhook_id}")
async def delete_webhook(call: AppCall, webhook_id: str) -> One[WebhookShape]:
    """Delete a webhook, what waits for it and its log; answers with the webhook as it was."""
    return One(_shape(await service.delete_webhook(call.scope, _id(webhook_id))))


@routes.get("{app}/webhooks/{webhook_id}/deliveries")
async def list_deliveries(call: AppCall, webhook_id: str, query: PageQuery) -> Many[DeliveryShape]:
    """List what was sent to a webhook, or is to be sent.

    Newest first, a month back.
    """
    page = await service.list_deliveries(call.scope, _id(webhook_id), query.page())
    return many(page, lambda delivery: DeliveryShape(**_delivery_fields(delivery)))


@routes.get("{app}/webhooks/{webhook_id}/deliveries/{delivery_id}")
async def get_delivery(call: AppCall, logged: Logged) -> One[DeliveryDetails]:
    """Get a delivery with its body and every request."""
    delivery, attempts = logged
    made = [
        AttemptShape(one.number, one.status, one.error, one.duration_ms, iso_ms(one.created_at))
        for one in attempts
    ]
    return One(DeliveryDetails(**_delivery_fields(delivery), body=delivery.body, attempts=made))


@routes.post("{app}/webhooks/{webhook_id}/deliveries/{delivery_id}/replay", status=201)
async def replay_delivery(call: AppCall, logged: Logged) -> One[DeliveryShape]:
    """Send the same body again, as a new delivery.

    A webhook that is switched off gets nothing (400).
    """
    again = await service.replay_delivery(call.scope, logged[0].id)
    return One(DeliveryShape(**_delivery_fields(again)))


def key_handler(signer: Signer) -> HTTPRouteHandler:
    """`GET /.well-known/webhooks.json`, at the root of the origin and without a credential.

    Receivers verify `rtk-signature` with the key it names (`realtimekit.md` 14.2).
    """
    body = {"success": True, "data": {"publicKey": signer.public_key_pem}, "message": ""}

    @get(KEY_PATH, include_in_schema=False, sync_to_thread=False)
    def published_key() -> dict[str, Any]:
        """The key that signs webhooks."""
        return body

    return published_key


def _id(text: str) -> WebhookId:
    return WebhookId(text.lower())


def _shape(webhook: Webhook) -> WebhookShape:
    return WebhookShape(
        webhook.id,
        webhook.name,
        webhook.url,
        webhook.is_enabled,
        webhook.events,
        iso_ms(webhook.created_at),
        iso_ms(webhook.updated_at),
    )


def _delivery_fields(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "event": delivery.event,
        "status": delivery.state.value,
        "attempt_count": delivery.attempts,
        "last_error": delivery.last_error,
        "created_at": iso_ms(delivery.created_at),
        "next_attempt_at": None if delivery.due_at is None else iso_ms(delivery.due_at),
        "finished_at": None if delivery.finished_at is None else iso_ms(delivery.finished_at),
    }


def _input(body: WebhookBody) -> WebhookInput:
    return WebhookInput(
        name=_checked_name(body.name),
        url=_checked_url(body.url),
        events=list(body.events),
        is_enabled=body.enabled is not False,
    )


def _checked_name(name: str) -> str:
    if not name.strip():
        raise Invalid('"name" is not allowed to be empty', field="name")
    if not storable(name):
        raise Invalid('"name" must be a string', field="name")
    return name


def _checked_url(url: str) -> str:
    """What the pattern cannot say: a host, a port that exists, nothing invisible."""
    try:
        parts = urlsplit(url)
        is_usable = url.isprintable() and bool(parts.hostname) and parts.port != 0
    except ValueError:  # such as an unclosed bracket, or a port that is none
        is_usable = False
    if not is_usable:
        raise Invalid('"url" must be a valid uri', field="url")
    return url
