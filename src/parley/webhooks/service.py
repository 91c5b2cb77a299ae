"""Use cases of webhooks whose requests the installation signs; `endpoints.py`: those with secrets."""

from __future__ import annotations

from msgspec.structs import replace

from parley.accounts.model import Right
from parley.accounts.scope import AppScope, Change
from parley.base.errors import NotFound, StateForbids
from parley.base.ids import DeliveryId, WebhookId, new_uuid
from parley.base.paging import Page, PageRequest
from parley.webhooks import store
from parley.webhooks.jobs import wake_webhook
from parley.webhooks.model import (
    REALTIMEKIT,
    Attempt,
    Delivery,
    Webhook,
    WebhookEdit,
    WebhookInput,
)


async def list_webhooks(scope: AppScope) -> list[Webhook]:
    """The app's webhooks, newest first."""
    return await store.list_all(scope, REALTIMEKIT)


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
        events=unique(given.events),
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
        return await apply_edit(change, _found(await store.lock(change, webhook_id), webhook_id), edit)


async def apply_edit(change: Change, before: Webhook, edit: WebhookEdit) -> Webhook:
    """The same for a locked webhook of any dialect; values that an edit cannot name are written as well."""
    after = replace(
        before,
        name=before.name if edit.name is None else edit.name,
        url=before.url if edit.url is None else edit.url,
        events=before.events if edit.events is None else unique(edit.events),
        is_enabled=before.is_enabled if edit.is_enabled is None else edit.is_enabled,
        updated_at=change.now(),
    )
    is_fresh_start = after.url != before.url or (after.is_enabled and not before.is_enabled)
    if is_fresh_start:
        after = replace(after, failures_in_row=0, resume_at=None)
    if edit.is_enabled is not None:
        after = replace(after, suspended_at=None)
    await store.put(change, after)
    if not after.is_enabled:
        await store.drop_waiting(change, after.id)
    elif is_fresh_start:
        await _wake(change, after.id)
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
        return await send_again(change, webhook, old)


async def send_again(change: Change, webhook: Webhook, old: Delivery) -> Delivery:
    """Add a delivery with the body of an old one.

    Raises:
        StateForbids: the webhook is disabled.
    """
    now = change.now()
    return await send_to(
        change,
        webhook,
        Delivery(
            id=DeliveryId(new_uuid()),
            app_id=old.app_id,
            webhook_id=old.webhook_id,
            event=old.event,
            event_id=old.event_id,
            order_key=old.order_key,
            body=old.body,
            due_at=now,
            created_at=now,
        ),
    )


async def send_to(change: Change, webhook: Webhook, delivery: Delivery) -> Delivery:
    """Send something to one webhook, after the change.

    Raises:
        StateForbids: the webhook is disabled.
    """
    if not webhook.is_enabled:
        raise StateForbids("The webhook is disabled.")
    await store.add_deliveries(change.tx, [delivery])
    await _wake(change, webhook.id)
    return delivery


async def _wake(change: Change, webhook_id: WebhookId) -> None:
    assert isinstance(change.scope, AppScope)
    await wake_webhook(change.scope.store.jobs, change.tx, change.scope.app_id, webhook_id)


def _found(webhook: Webhook | None, webhook_id: WebhookId) -> Webhook:
    if webhook is None or webhook.dialect != REALTIMEKIT:
        raise NotFound(f"No webhook found with id {webhook_id}")
    return webhook


def unique(names: list[str]) -> list[str]:
    """The names in their order, each once."""
    return list(dict.fromkeys(names))
