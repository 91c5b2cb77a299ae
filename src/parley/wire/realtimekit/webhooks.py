"""Webhooks over REST (`realtimekit.md` 14.1; routes 39 to 44, `webhooks/all`) and the published key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta

from parley.base.errors import Invalid
from parley.base.ids import WebhookId
from parley.base.text import storable
from parley.base.times import iso_ms
from parley.webhooks import service
from parley.webhooks.model import Webhook, WebhookEdit, WebhookInput
from parley.webhooks.signing import Signer
from parley.wire.realtimekit.answers import One, Timestamp, Uuid
from parley.wire.realtimekit.endpoint import AppCall, Routes
from parley.wire.realtimekit.webhook_events import EVENT_NAMES, EventName

routes = Routes("Webhooks")
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
