"""Use cases of webhooks."""

from __future__ import annotations

from msgspec.structs import replace

from parley.accounts.model import Right
from parley.accounts.scope import AppScope, Change
from parley.base.errors import NotFound, StateForbids
from parley.base.ids import DeliveryId, WebhookId, new_uuid
from parley.base.paging import Page, PageRequest
from parley.webhooks import store
from parley.webhooks.jobs import wake_webhook
from parley.webhooks.model import Attempt, Delivery, DeliveryState, Webhook, WebhookEdit, WebhookInput


async def list_webhooks(scope: AppScope) -> list[Webhook]:
    """The app's webhooks, newest first."""
    return await store.list_all(scope)


async def get_webhook(scope: AppScope, webhook_id: WebhookId) -> Webhook:
    """One webhook.

    Raises:
        NotFound: no such webhook in this app.
    """
    return _found(await store.get(scope, webhook_id), webhook_id)


async def create_webhook(scope: AppScope, given: WebhookInput) -> Webhook:
    """Subscribe an endpoint; it hears of what happens from now on."""
    scope.require(Right.WRITE)
    now = scope.now()
    webhook = Webhook(
        id=WebhookId(new_uuid()),
        app_id=scope.app_id,
        name=given.name,
        url=given.url,
        events=_unique(given.events),
        is_enabled=given.is_enabled,
        created_at=now,
        updated_at=now,
    )
    async with scope.change() as change:
        await store.add(change, webhook)
    return webhook


async def replace_webhook(scope: AppScope, webhook_id: WebhookId, given: WebhookInput) -> Webhook:
    """Set everything a customer decides.

    Raises:
        NotFound: no such webhook in this app.
    """
    edit = WebhookEdit(name=given.name, url=given.url, events=given.events, is_enabled=given.is_enabled)
    return await edit_webhook(scope, webhook_id, edit)


async def edit_webhook(scope: AppScope, webhook_id: WebhookId, edit: WebhookEdit) -> Webhook:
    """Change some of it.

    What waits goes to the new URL, at once even if the old one had failed; disabling drops what waits.

    Raises:
        NotFound: no such webhook in this app.
    """
    scope.require(Right.WRITE)
    async with scope.change() as change:
        before = _found(await store.lock(change, webhook_id), webhook_id)
        after = replace(
            before,
            name=before.name if edit.name is None else edit.name,
            url=before.url if edit.url is None else edit.url,
            events=before.events if edit.events is None else _unique(edit.events),
            is_enabled=before.is_enabled if edit.is_enabled is None else edit.is_enabled,
            updated_at=change.now(),
        )
        is_fresh_start = after.url != before.url or (after.is_enabled and not before.is_enabled)
        if is_fresh_start:
            after = replace(after, failures_in_row=0, resume_at=None)
        await store.put(change, after)
        if not after.is_enabled:
            await store.drop_waiting(change, webhook_id)
        elif is_fresh_start:
            await _wake(change, scope, webhook_id)
    return after


async def delete_webhook(scope: AppScope, webhook_id: WebhookId) -> Webhook:
    """Remove a webhook, what waits for it and its log; returns it as it was.

    Raises:
        NotFound: no such webhook in this app.
    """
    scope.require(Right.WRITE)
    async with scope.change() as change:
        webhook = _found(await store.lock(change, webhook_id), webhook_id)
        await store.remove(change, webhook_id)
    return webhook


async def list_deliveries(scope: AppScope, webhook_id: WebhookId, page: PageRequest) -> Page[Delivery]:
    """The log of a webhook, newest first; `model.LOG_KEPT` back.

    Raises:
        NotFound: no such webhook in this app.
    """
    await get_webhook(scope, webhook_id)
    rows, total = await store.delivery_log(scope, webhook_id, size=page.size, skip=page.skip)
    return Page(rows, total, page)


async def get_delivery(scope: AppScope, delivery_id: DeliveryId) -> tuple[Delivery, list[Attempt]]:
    """One delivery and its attempts in order.

    Raises:
        NotFound: no such delivery in this app.
    """
    delivery = await store.get_delivery(scope, delivery_id)
    if delivery is None:
        raise NotFound(f"No webhook delivery found with id {delivery_id}")
    return delivery, await store.attempts_of(scope, delivery_id)


async def replay_delivery(scope: AppScope, delivery_id: DeliveryId) -> Delivery:
    """Send the same body again, as a new delivery, so that a receiver does not drop it as a duplicate.

    Raises:
        NotFound: no such delivery in this app.
        StateForbids: its webhook is disabled.
    """
    scope.require(Right.WRITE)
    old, _ = await get_delivery(scope, delivery_id)
    async with scope.change() as change:
        webhook = _found(await store.lock(change, old.webhook_id), old.webhook_id)
        if not webhook.is_enabled:
            raise StateForbids("The webhook is disabled.")
        now = change.now()
        again = Delivery(
            id=DeliveryId(new_uuid()),
            app_id=old.app_id,
            webhook_id=old.webhook_id,
            event=old.event,
            order_key=old.order_key,
            body=old.body,
            state=DeliveryState.PENDING,
            due_at=now,
            created_at=now,
        )
        await store.add_deliveries(change.tx, [again])
        await _wake(change, scope, webhook.id)
    return again


async def _wake(change: Change, scope: AppScope, webhook_id: WebhookId) -> None:
    await wake_webhook(scope.store.jobs, change.tx, scope.app_id, webhook_id)


def _found(webhook: Webhook | None, webhook_id: WebhookId) -> Webhook:
    if webhook is None:
        raise NotFound(f"No webhook found with id {webhook_id}")
    return webhook


def _unique(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))
