"""Deliveries of webhooks in the log, without anything that sends them."""

from __future__ import annotations

from datetime import timedelta

from parley.accounts.scope import AppScope
from parley.base.ids import DeliveryId, WebhookId, new_uuid
from parley.webhooks.model import Delivery
from parley.webhooks.store import add_deliveries


async def logged(scope: AppScope, webhook_id: str, *, minutes: int = 0) -> Delivery:
    """One that waits, as old as that."""
    now = scope.now() - timedelta(minutes=minutes)
    delivery = Delivery(
        id=DeliveryId(new_uuid()),
        app_id=scope.app_id,
        webhook_id=WebhookId(webhook_id),
        event="meeting.started",
        order_key="session",
        body='{"event":"meeting.started"}',
        created_at=now,
        due_at=now,
    )
    async with scope.change() as change:
        await add_deliveries(change, [delivery])
    return delivery
