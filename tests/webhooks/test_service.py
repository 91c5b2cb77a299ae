"""Webhooks are kept per app."""

from __future__ import annotations

import msgspec
import pytest

from parley.accounts.model import Right
from parley.accounts.scope import AppScope
from parley.base.clock import ManualClock
from parley.base.errors import NotAllowed, NotFound, StateForbids
from parley.base.ids import DeliveryId, WebhookId, new_uuid
from parley.base.paging import PageRequest
from parley.webhooks import service
from parley.webhooks.model import Webhook, WebhookEdit, WebhookInput
from tests.accounts.tenants import add_app
from tests.webhooks.conftest import Hooks
from tests.webhooks.happenings import started

GIVEN = WebhookInput(name="Calls", url="https://hooks.example/calls", events=["meeting.started"])
UNKNOWN = WebhookId("5b0c0a9e-2f7d-4b53-9a0f-1f6a2d3e4c55")


async def test_a_created_webhook_can_be_read(app_scope: AppScope) -> None:
    made = await service.create_webhook(app_scope, GIVEN)
    assert await service.get_webhook(app_scope, made.id) == made
    assert made.is_enabled
    assert (made.name, made.url, made.events) == (GIVEN.name, GIVEN.url, GIVEN.events)
    assert made.created_at == made.updated_at == app_scope.now()


async def test_repeated_event_names_collapse(app_scope: AppScope) -> None:
    given = WebhookInput(
        name="n", url="http://a", events=["meeting.ended", "meeting.started", "meeting.ended"]
    )
    assert (await service.create_webhook(app_scope, given)).events == ["meeting.ended", "meeting.started"]


async def test_the_list_is_newest_first(app_scope: AppScope, clock: ManualClock) -> None:
    made = []
    for _ in range(3):
        made.append(await service.create_webhook(app_scope, GIVEN))
        clock.advance(1)
    assert await service.list_webhooks(app_scope) == made[::-1]


async def test_an_edit_changes_only_what_it_names(app_scope: AppScope, clock: ManualClock) -> None:
    made = await service.create_webhook(app_scope, GIVEN)
    clock.advance(5)
    after = await service.edit_webhook(app_scope, made.id, WebhookEdit(name="Other"))
    assert after.name == "Other"
    assert (after.url, after.events, after.is_enabled) == (made.url, made.events, made.is_enabled)
    assert after.created_at == made.created_at
    assert after.updated_at == app_scope.now()
    assert await service.get_webhook(app_scope, made.id) == after


async def test_a_replacement_changes_all(app_scope: AppScope) -> None:
    made = await service.create_webhook(app_scope, GIVEN)
    given = WebhookInput(name="n", url="http://a.example/", events=["meeting.ended"], is_enabled=False)
    after = await service.replace_webhook(app_scope, made.id, given)
    assert (after.name, after.url, after.events, after.is_enabled) == ("n", given.url, given.events, False)


async def test_a_deleted_webhook_is_returned_and_gone(app_scope: AppScope) -> None:
    made = await service.create_webhook(app_scope, GIVEN)
    assert await service.delete_webhook(app_scope, made.id) == made
    with pytest.raises(NotFound):
        await service.get_webhook(app_scope, made.id)
    assert await service.list_webhooks(app_scope) == []


async def calls(scope: AppScope, webhook: Webhook):
    """Every function that takes a webhook's id."""
    yield service.get_webhook(scope, webhook.id)
    yield service.edit_webhook(scope, webhook.id, WebhookEdit(name="x"))
    yield service.replace_webhook(scope, webhook.id, GIVEN)
    yield service.delete_webhook(scope, webhook.id)
    yield service.list_deliveries(scope, webhook.id, PageRequest())


async def test_another_app_cannot_reach_a_webhook(app_scope: AppScope, other_app_scope: AppScope) -> None:
    made = await service.create_webhook(app_scope, GIVEN)
    async for call in calls(other_app_scope, made):
        with pytest.raises(NotFound):
            await call
    assert await service.list_webhooks(other_app_scope) == []
    assert await service.get_webhook(app_scope, made.id) == made


async def test_an_app_of_the_same_organization_cannot_reach_a_webhook(app_scope: AppScope) -> None:
    sibling = await add_app(app_scope, "Sibling")
    made = await service.create_webhook(app_scope, GIVEN)
    async for call in calls(sibling, made):
        with pytest.raises(NotFound):
            await call


async def test_reading_rights_do_not_change_anything(app_scope: AppScope) -> None:
    made = await service.create_webhook(app_scope, GIVEN)
    reader = msgspec.structs.replace(app_scope, rights=frozenset({Right.READ}))
    assert await service.get_webhook(reader, made.id) == made
    for call in (
        service.create_webhook(reader, GIVEN),
        service.edit_webhook(reader, made.id, WebhookEdit(name="x")),
        service.replace_webhook(reader, made.id, GIVEN),
        service.delete_webhook(reader, made.id),
    ):
        with pytest.raises(NotAllowed):
            await call


async def test_a_delivery_of_another_app_is_not_found(hooks: Hooks, other_app_scope: AppScope) -> None:
    webhook = await hooks.subscribe("http://127.0.0.1:1/")
    await hooks.announce(started())
    await hooks.scope.store.outbox.drain()
    (delivery,) = await hooks.log(webhook.id)
    for call in (
        service.get_delivery(other_app_scope, delivery.id),
        service.replay_delivery(other_app_scope, delivery.id),
        service.get_delivery(hooks.scope, DeliveryId(new_uuid())),
    ):
        with pytest.raises(NotFound):
            await call


async def test_a_disabled_webhook_replays_nothing(hooks: Hooks) -> None:
    webhook = await hooks.subscribe("http://127.0.0.1:1/")
    await hooks.announce(started())
    await hooks.scope.store.outbox.drain()
    (delivery,) = await hooks.log(webhook.id)
    await service.edit_webhook(hooks.scope, webhook.id, WebhookEdit(is_enabled=False))
    with pytest.raises(StateForbids):
        await service.replay_delivery(hooks.scope, delivery.id)


async def test_unknown_ids_are_not_found(app_scope: AppScope) -> None:
    with pytest.raises(NotFound):
        await service.get_webhook(app_scope, UNKNOWN)
