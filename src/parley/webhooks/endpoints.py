"""Webhooks with secrets of their own (`realtime-block.md` 14.1, 14.5): use cases."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Collection
from datetime import timedelta
from urllib.parse import urlsplit

import msgspec

from parley.accounts.scope import AppScope, Change
from parley.base.errors import Conflict, Invalid, NotFound
from parley.base.ids import DeliveryId, WebhookId, new_uuid
from parley.base.paging import Page, PageRequest
from parley.base.text import storable
from parley.outgoing.http import NOT_PUBLIC, OutgoingPolicy
from parley.webhooks import store
from parley.webhooks.dialects import PREFIX, envelope, seal_secret, secrets_of, with_secret
from parley.webhooks.events import WebhooksChanged
from parley.webhooks.log import store as log
from parley.webhooks.model import BLOCK, Delivery, LoggedAttempt, LoggedEvent, Webhook, WebhookEdit
from parley.webhooks.service import apply_edit, send_again, send_to, unique

LIMIT = 10
"""Webhooks of one app and environment."""
SECRET_BYTES = 32
SECRET_LIMIT = 200
OLD_SECRET_SIGNS = timedelta(hours=24)
URL_LIMIT = 2048
TEST_EVENT = "webhook.test"
_ALL = "*"


class EndpointChange(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer decides about a webhook; absent = unchanged."""

    url: str | msgspec.UnsetType = msgspec.UNSET
    events: list[str] | msgspec.UnsetType = msgspec.UNSET
    active: bool | msgspec.UnsetType = msgspec.UNSET
    secret: str | msgspec.UnsetType | None = msgspec.UNSET
    """None = a fresh one."""


class Shown(msgspec.Struct, frozen=True):
    """A webhook, and what may be shown of its secret."""

    webhook: Webhook
    secret: str
    """Whole right after it was made or changed, otherwise `whsec_****` and its end."""


class Endpoints:
    """The webhooks of all apps, in the dialect with secrets."""

    def __init__(self, event_names: Collection[str], policy: OutgoingPolicy) -> None:
        """Prepare.

        Args:
            event_names: what can be subscribed to, beside `*`.
            policy: where requests may go; addresses that it refuses are refused when they are written down.
        """
        self._names = frozenset(event_names)
        self.policy = policy

    async def create(self, scope: AppScope, given: EndpointChange, *, needs_tls: bool) -> Shown:
        """Subscribe an endpoint; it hears of what happens from now on.

        Raises:
            Invalid: names the field.
            Conflict: there are `LIMIT` already.
        """
        if given.url is msgspec.UNSET:
            raise Invalid("`url` is required.", field="/data/attributes/url")
        if given.events is msgspec.UNSET:
            raise Invalid("`events` is required.", field="/data/attributes/events")
        url = self._checked_url(given.url, needs_tls)
        events = self._checked_events(given.events)
        secret = _checked_secret(given.secret)
        now = scope.now()
        webhook = Webhook(
            id=WebhookId(f"wh_{secrets.token_hex(12)}"),
            app_id=scope.app_id,
            name="",
            url=url,
            events=events,
            is_enabled=given.active is not False,
            created_at=now,
            updated_at=now,
            dialect=BLOCK,
            sealed_secret=seal_secret(scope.store.vault, secret),
        )
        async with scope.change() as change:
            await store.lock_app(change)
            if len(await store.list_all(change, BLOCK)) >= LIMIT:
                raise Conflict(f"There are at most {LIMIT} webhooks.")
            await store.add(change, webhook)
            change.announce(WebhooksChanged(scope.app_id))
        return Shown(webhook, secret)

    async def all(self, scope: AppScope) -> list[Shown]:
        """The app's webhooks, newest first."""
        return [self._masked(scope, one) for one in await store.list_all(scope, BLOCK)]

    async def get(self, scope: AppScope, webhook_id: str) -> Shown:
        """One webhook.

        Raises:
            NotFound: no such webhook in this app.
        """
        return self._masked(scope, await self._find(scope, webhook_id))

    async def change(
        self, scope: AppScope, webhook_id: str, given: EndpointChange, *, needs_tls: bool
    ) -> Shown:
        """Change some of it; a secret that is replaced signs beside the new one for a day.

        What waits goes to the new URL. Switching it off drops what waits, and switching it on forgets its
        failures.

        Raises:
            NotFound: no such webhook in this app.
            Invalid: names the field.
        """
        edit = WebhookEdit(
            url=None if given.url is msgspec.UNSET else self._checked_url(given.url, needs_tls),
            events=None if given.events is msgspec.UNSET else self._checked_events(given.events),
            is_enabled=None if given.active is msgspec.UNSET else given.active,
        )
        secret = None if given.secret is msgspec.UNSET else _checked_secret(given.secret)
        async with scope.change() as change:
            before = _ours(await store.lock(change, _storable_id(webhook_id)))
            now, vault = change.now(), scope.store.vault
            is_new_secret = secret is not None and secret not in secrets_of(vault, before, now)[:1]
            if secret is not None and is_new_secret:
                before = with_secret(before, seal_secret(vault, secret), now + OLD_SECRET_SIGNS)
            after = await apply_edit(change, before, edit)
            change.announce(WebhooksChanged(scope.app_id))
        return Shown(after, secret) if secret is not None and is_new_secret else self._masked(scope, after)

    async def delete(self, scope: AppScope, webhook_id: str) -> None:
        """Remove a webhook, what waits for it and its log.

        Raises:
            NotFound: no such webhook in this app.
        """
        async with scope.change() as change:
            webhook = _ours(await store.lock(change, _storable_id(webhook_id)))
            await store.remove(change, webhook.id)
            change.announce(WebhooksChanged(scope.app_id))

    async def test(self, scope: AppScope, webhook_id: str) -> Delivery:
        """Send a `webhook.test` event.

        Raises:
            NotFound: no such webhook in this app.
            StateForbids: it is not active.
        """
        async with scope.change() as change:
            webhook = _ours(await store.lock(change, _storable_id(webhook_id)))
            now = change.now()
            event_id = f"evt_{secrets.token_hex(12)}"
            made = Delivery(
                id=DeliveryId(new_uuid()),
                app_id=scope.app_id,
                webhook_id=webhook.id,
                event=TEST_EVENT,
                event_id=event_id,
                order_key=event_id,
                body=envelope(event_id, TEST_EVENT, now, {"webhook_id": webhook.id}),
                due_at=now,
                created_at=now,
            )
            return await send_to(change, webhook, made)

    async def attempts(self, scope: AppScope, webhook_id: str, page: PageRequest) -> Page[LoggedAttempt]:
        """Recent attempts, newest first; `model.LOG_KEPT` back.

        Raises:
            NotFound: no such webhook in this app.
        """
        webhook = await self._find(scope, webhook_id)
        return await log.attempts(scope, webhook.id, page)

    async def events(
        self, scope: AppScope, webhook_id: str, *, after: str | None, count: int
    ) -> list[LoggedEvent]:
        """Events that this webhook was, or should have been, told of: oldest first, each once.

        Args:
            scope: the app.
            webhook_id: whose.
            after: only those behind this event; None = from the oldest that is kept.
            count: at most so many.

        Raises:
            NotFound: no such webhook in this app, or it was never to be told of the event `after`.
        """
        webhook = await self._find(scope, webhook_id)
        return await log.events(scope, webhook.id, after, count)

    async def replay_delivery(self, scope: AppScope, webhook_id: str, delivery_id: str) -> Delivery:
        """Send what a delivery sent again, with the same event id.

        Raises:
            NotFound: no such webhook, or no such delivery of it.
            StateForbids: the webhook is not active.
        """
        async with scope.change() as change:
            webhook = _ours(await store.lock(change, _storable_id(webhook_id)))
            return await send_again(change, webhook, await log.delivery(change, webhook.id, delivery_id))

    async def replay_event(self, scope: AppScope, webhook_id: str, event_id: str) -> Delivery:
        """The same for an event."""
        async with scope.change() as change:
            webhook = _ours(await store.lock(change, _storable_id(webhook_id)))
            return await send_again(change, webhook, await log.delivery_of(change, webhook.id, event_id))

    async def signing_secret(self, scope: AppScope) -> str | None:
        """What requests for channel authorizations are signed with: the secret of the oldest active webhook.

        None without webhooks (`realtime-block.md` 13.1).
        """
        active = [one for one in await store.list_all(scope, BLOCK) if one.is_enabled]
        return secrets_of(scope.store.vault, active[-1], scope.now())[0] if active else None

    async def _find(self, scope: AppScope | Change, webhook_id: str) -> Webhook:
        return _ours(await store.get(scope, _storable_id(webhook_id)))

    def _masked(self, scope: AppScope, webhook: Webhook) -> Shown:
        secret = secrets_of(scope.store.vault, webhook, scope.now())[0].removeprefix(PREFIX)
        end = secret[-4:] if len(secret) >= 16 else ""
        return Shown(webhook, f"{PREFIX}****{end}")

    def _checked_events(self, names: list[str]) -> list[str]:
        if not names:
            raise Invalid("A webhook wants at least one event.", field="/data/attributes/events")
        for place, name in enumerate(names):
            if name != _ALL and name not in self._names:
                raise Invalid("There is no such event.", field=f"/data/attributes/events/{place}")
        return unique(names)

    def _checked_url(self, url: str, needs_tls: bool) -> str:
        field = "/data/attributes/url"
        try:
            parts = urlsplit(url)
            is_usable = (
                parts.scheme in ("http", "https")
                and len(url) <= URL_LIMIT
                and url.isprintable()
                and " " not in url
                and bool(parts.hostname)
                and parts.port != 0
                and storable(url)
            )
        except ValueError:  # such as an unclosed bracket, or a port that is none
            is_usable = False
        if not is_usable:
            raise Invalid("The URL must be an absolute http or https URL.", field=field)
        if needs_tls and parts.scheme != "https":
            raise Invalid("With live keys the URL must be https.", field=field)
        if not self.policy.allows_host(parts.hostname or ""):
            raise Invalid(NOT_PUBLIC, field=field)
        return url


def _checked_secret(given: str | msgspec.UnsetType | None) -> str:
    if given is None or isinstance(given, msgspec.UnsetType):
        return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    if not given.startswith(PREFIX) or not len(PREFIX) < len(given) <= SECRET_LIMIT or not given.isascii():
        raise Invalid(f"A secret begins with {PREFIX}.", field="/data/attributes/secret")
    return given


def _ours(webhook: Webhook | None) -> Webhook:
    if webhook is None or webhook.dialect != BLOCK:
        raise NotFound("There is no such webhook.")
    return webhook


def _storable_id(webhook_id: str) -> WebhookId:
    if not storable(webhook_id):
        raise NotFound("There is no such webhook.")
    return WebhookId(webhook_id)
