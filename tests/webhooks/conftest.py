"""A store whose webhooks are delivered, receivers, and events to tell."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from parley.accounts.scope import AppScope
from parley.base.clock import ManualClock
from parley.base.events import Event
from parley.base.ids import WebhookId
from parley.base.paging import PageRequest
from parley.outgoing.http import OutgoingHttp, OutgoingPolicy
from parley.store.core import Store
from parley.webhooks import service
from parley.webhooks.delivery import Deliveries
from parley.webhooks.model import Delivery, DeliveryState, Webhook, WebhookInput
from parley.webhooks.signing import Signer, new_private_key
from parley.wire.realtimekit.webhook_events import EVENT_NAMES, RealtimeKitPayloads
from tests.store.databases import running
from tests.waiting import DEADLINE_S
from tests.webhooks.receiver import Receiver, receiver


@dataclass(frozen=True, slots=True)
class Hooks:
    """What tests do with the webhooks of one app."""

    scope: AppScope
    deliveries: Deliveries
    clock: ManualClock

    async def subscribe(self, url: str, *events: str, enabled: bool = True) -> Webhook:
        """A webhook of these events, by default of all."""
        given = WebhookInput(name="hook", url=url, events=list(events or EVENT_NAMES), is_enabled=enabled)
        return await service.create_webhook(self.scope, given)

    async def announce(self, *events: Event) -> None:
        """Let events happen."""
        async with self.scope.change() as change:
            change.announce(*events)

    async def log(self, webhook_id: WebhookId) -> list[Delivery]:
        """Deliveries of a webhook, oldest first."""
        page = await service.list_deliveries(self.scope, webhook_id, PageRequest(size=100))
        return list(page.rows)[::-1]

    async def settled(
        self, webhook_id: WebhookId, *states: DeliveryState, attempts: int = 1
    ) -> list[Delivery]:
        """Wait until the deliveries are in these states, each after at least so many attempts."""
        end = time.monotonic() + DEADLINE_S
        while True:
            found = await self.log(webhook_id)
            if [one.state for one in found] == list(states) and all(
                one.attempts >= attempts for one in found
            ):
                return found
            assert time.monotonic() < end, (
                f"{[(str(one.state), one.attempts) for one in found]}, want {states}"
            )
            await asyncio.sleep(0.005)

    async def written_down(self, webhook_id: WebhookId, attempts: int) -> None:
        """Wait until so many attempts of all deliveries together are in the log."""
        end = time.monotonic() + DEADLINE_S
        while (made := sum(one.attempts for one in await self.log(webhook_id))) != attempts:
            assert time.monotonic() < end, f"{made} attempts, want {attempts}"
            await asyncio.sleep(0.005)

    async def later(self, seconds: float) -> None:
        """Move the clock and let what is due now run."""
        self.clock.advance(seconds)
        self.scope.store.jobs.wake()


@pytest.fixture(scope="session")
def signer() -> Signer:
    """With a key for all tests; making one takes long."""
    return Signer(new_private_key())


@pytest_asyncio.fixture
async def http() -> AsyncIterator[OutgoingHttp]:
    """Goes wherever it may by default."""
    made = OutgoingHttp(OutgoingPolicy())
    yield made
    await made.close()


@pytest_asyncio.fixture
async def endpoint() -> AsyncIterator[Receiver]:
    """A receiver."""
    async with receiver() as made:
        yield made


@pytest_asyncio.fixture
async def other_endpoint() -> AsyncIterator[Receiver]:
    """Another receiver."""
    async with receiver() as made:
        yield made


@pytest.fixture
def deliveries(store: Store, http: OutgoingHttp, signer: Signer) -> Deliveries:
    """Of RealtimeKit's dialect, not registered."""
    return Deliveries(store, RealtimeKitPayloads(), http, signer)


@pytest_asyncio.fixture
async def hooks(app_scope: AppScope, deliveries: Deliveries, clock: ManualClock) -> AsyncIterator[Hooks]:
    """Webhooks that are delivered."""
    deliveries.register()
    async with running(app_scope.store):
        yield Hooks(app_scope, deliveries, clock)
