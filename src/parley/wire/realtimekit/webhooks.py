"""Webhooks over REST (`realtimekit.md` 14.1; routes 39 to 44, `webhooks/all`) and the published key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from parley.accounts.scope import AppScope
from parley.base.errors import Invalid
from parley.base.ids import WebhookId, is_uuid
from parley.base.text import storable
from parley.base.times import iso_ms
from parley.webhooks import service
from parley.webhooks.model import Webhook, WebhookEdit, WebhookInput
from parley.webhooks.signing import Signer
from parley.wire.realtimekit.webhook_events import EVENT_NAMES

NAME_LIMIT = 256
URL_LIMIT = 2048
_MAX_PORT = 65535


class WebhookShape(msgspec.Struct):
    """A webhook as REST shows it."""

    id: str
    name: str
    url: str
    enabled: bool
    events: list[str]
    created_at: str
    updated_at: str

    @classmethod
    def of(cls, webhook: Webhook) -> WebhookShape:
        """The shape of a webhook."""
        return cls(
            webhook.id,
            webhook.name,
            webhook.url,
            webhook.is_enabled,
            webhook.events,
            iso_ms(webhook.created_at),
            iso_ms(webhook.updated_at),
        )


async def list_webhooks(scope: AppScope) -> list[WebhookShape]:
    """`GET {app}/webhooks`: everything, newest first, without paging."""
    return [WebhookShape.of(webhook) for webhook in await service.list_webhooks(scope)]


def list_event_names() -> list[str]:
    """`GET {app}/webhooks/all`: every event a webhook can subscribe to."""
    return list(EVENT_NAMES)


async def create_webhook(scope: AppScope, body: Mapping[str, Any]) -> WebhookShape:
    """`POST {app}/webhooks`, answered with 201."""
    return WebhookShape.of(await service.create_webhook(scope, read_input(body)))


async def get_webhook(scope: AppScope, webhook_id: str) -> WebhookShape:
    """`GET {app}/webhooks/{webhook_id}`."""
    return WebhookShape.of(await service.get_webhook(scope, read_id(webhook_id)))


async def replace_webhook(scope: AppScope, webhook_id: str, body: Mapping[str, Any]) -> WebhookShape:
    """`PUT {app}/webhooks/{webhook_id}`."""
    known = await service.get_webhook(scope, read_id(webhook_id))  # 404 comes before 400 (1.4)
    return WebhookShape.of(await service.replace_webhook(scope, known.id, read_input(body)))


async def edit_webhook(scope: AppScope, webhook_id: str, body: Mapping[str, Any]) -> WebhookShape:
    """`PATCH {app}/webhooks/{webhook_id}`."""
    known = await service.get_webhook(scope, read_id(webhook_id))
    return WebhookShape.of(await service.edit_webhook(scope, known.id, read_edit(body)))


async def delete_webhook(scope: AppScope, webhook_id: str) -> WebhookShape:
    """`DELETE {app}/webhooks/{webhook_id}`: answered with the webhook as it was."""
    return WebhookShape.of(await service.delete_webhook(scope, read_id(webhook_id)))


def published_key(signer: Signer) -> dict[str, Any]:
    """The whole body of `GET /.well-known/webhooks.json`, which needs no credential."""
    return {"success": True, "data": {"publicKey": signer.public_key_pem}, "message": ""}


def read_id(text: str) -> WebhookId:
    """The id of the path.

    Raises:
        Invalid: not a UUID.
    """
    if not is_uuid(text):
        raise Invalid('"id" must be a valid GUID', field="id")
    return WebhookId(text.lower())


def read_input(body: Mapping[str, Any]) -> WebhookInput:
    """The body of POST and PUT; null and absent are the same, `enabled` is true then.

    Raises:
        Invalid: names the first failing field.
    """
    for name in ("name", "url", "events"):
        if body.get(name) is None:
            raise Invalid(f'"{name}" is required', field=name)
    edit = read_edit(body)
    assert edit.name is not None
    assert edit.url is not None
    assert edit.events is not None
    return WebhookInput(
        name=edit.name,
        url=edit.url,
        events=edit.events,
        is_enabled=True if edit.is_enabled is None else edit.is_enabled,
    )


def read_edit(body: Mapping[str, Any]) -> WebhookEdit:
    """The body of PATCH; none of its fields can be cleared, so null leaves a value as it is.

    Raises:
        Invalid: names the first failing field.
    """
    name, url, events, enabled = (body.get(key) for key in ("name", "url", "events", "enabled"))
    return WebhookEdit(
        name=None if name is None else _name(name),
        url=None if url is None else _url(url),
        events=None if events is None else _events(events),
        is_enabled=None if enabled is None else _enabled(enabled),
    )


def _name(value: Any) -> str:
    if not isinstance(value, str) or not storable(value):
        raise Invalid('"name" must be a string', field="name")
    if not value.strip():
        raise Invalid('"name" is not allowed to be empty', field="name")
    if len(value) > NAME_LIMIT:
        raise Invalid(f'"name" must be at most {NAME_LIMIT} characters long', field="name")
    return value


def _url(value: Any) -> str:
    if not isinstance(value, str) or not _is_http_url(value):
        raise Invalid('"url" must be a valid uri with a scheme of http or https', field="url")
    if len(value) > URL_LIMIT:
        raise Invalid(f'"url" must be at most {URL_LIMIT} characters long', field="url")
    return value


def _is_http_url(text: str) -> bool:
    if not text.isprintable() or any(character.isspace() for character in text):
        return False
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:  # such as an unclosed bracket, or a port that is no number
        return False
    if port is not None and not 0 < port <= _MAX_PORT:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _events(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise Invalid('"events" must be an array', field="events")
    if not value:
        raise Invalid('"events" must contain at least 1 items', field="events")
    for index, name in enumerate(value):
        if name not in EVENT_NAMES:
            field = f"events[{index}]"
            raise Invalid(f'"{field}" must be one of [{", ".join(EVENT_NAMES)}]', field=field)
    return value


def _enabled(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Invalid('"enabled" must be a boolean', field="enabled")
    return value
