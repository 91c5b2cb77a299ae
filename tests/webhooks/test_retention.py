"""The log of deliveries ends after a month, and nothing waits for ever."""

from __future__ import annotations

from datetime import timedelta

import pytest

from parley.base.clock import ManualClock
from parley.base.errors import NotFound
from parley.store.core import Store
from parley.webhooks import jobs, service
from parley.webhooks.jobs import SWEEP_EVERY, sweep
from parley.webhooks.model import GIVE_UP_AFTER, LOG_KEPT, DeliveryState
from tests.webhooks.conftest import Hooks
from tests.webhooks.happenings import ended, started
from tests.webhooks.receiver import Receiver, status


async def test_old_deliveries_are_deleted_with_their_attempts(
    hooks: Hooks, endpoint: Receiver, store: Store, clock: ManualClock
) -> None:
    webhook = await hooks.subscribe(endpoint.url)
    await hooks.announce(started())
    (old,) = await hooks.settled(webhook.id, DeliveryState.DELIVERED)
    clock.advance(LOG_KEPT.total_seconds())
    await hooks.announce(ended())
    _, young = await hooks.settled(webhook.id, *[DeliveryState.DELIVERED] * 2)
    clock.advance(1)
    assert await sweep(store) == 1
    assert await hooks.log(webhook.id) == [young]
    with pytest.raises(NotFound):
        await service.get_delivery(hooks.scope, old.id)


async def test_many_old_deliveries_are_deleted_in_parts(
    hooks: Hooks, endpoint: Receiver, store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "SWEEP_ROWS", 2)
    webhook = await hooks.subscribe(endpoint.url)
    await hooks.announce(*[started(f"session {number}") for number in range(5)])
    await hooks.settled(webhook.id, *[DeliveryState.DELIVERED] * 5)
    clock.advance(LOG_KEPT.total_seconds() + 1)
    assert await sweep(store) == 5


async def test_what_waits_for_too_long_has_failed(
    hooks: Hooks, endpoint: Receiver, store: Store, clock: ManualClock
) -> None:
    endpoint.respond = status(503)
    webhook = await hooks.subscribe(endpoint.url)
    await hooks.announce(started())
    await hooks.settled(webhook.id, DeliveryState.PENDING)
    await store.jobs.stop()
    clock.advance(GIVE_UP_AFTER.total_seconds() + 1)
    await sweep(store)
    (delivery,) = await hooks.log(webhook.id)
    assert delivery.state is DeliveryState.FAILED
    assert delivery.due_at is None
    assert delivery.last_error == "answered 503"


async def test_the_log_is_swept_again_and_again(hooks: Hooks, endpoint: Receiver, clock: ManualClock) -> None:
    webhook = await hooks.subscribe(endpoint.url)
    await hooks.deliveries.schedule()
    await hooks.deliveries.schedule()  # another start, or another process
    for _ in range(2):
        await hooks.announce(started())
        await hooks.settled(webhook.id, DeliveryState.DELIVERED)
        await hooks.later((LOG_KEPT + SWEEP_EVERY + timedelta(seconds=1)).total_seconds())
        await hooks.settled(webhook.id)
