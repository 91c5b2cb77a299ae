"""A delivering process that is killed loses no event and invents none."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from parley.accounts.scope import AppScope
from parley.base.clock import ManualClock
from parley.base.paging import PageRequest
from parley.outgoing.http import OutgoingHttp, OutgoingPolicy
from parley.store.blobs import Blobs
from parley.store.core import Store
from parley.store.secrets import Vault
from parley.webhooks import service
from parley.webhooks.delivery import Deliveries
from parley.webhooks.model import DeliveryState, WebhookInput
from parley.webhooks.signing import Signer
from parley.wire.realtimekit.webhook_events import EVENT_NAMES, RealtimeKitPayloads
from tests.store.databases import connected, running
from tests.waiting import until
from tests.webhooks.happenings import joined, started
from tests.webhooks.receiver import Receiver

START = datetime(2026, 1, 1, tzinfo=UTC)
PEOPLE = [f"Viewer {number}" for number in range(200)]


def deliver(url: str, folder: Path, now: datetime) -> None:
    """A process: hand over what is in the outbox and deliver, until it is killed."""

    async def serve() -> None:
        async with connected(url) as database:
            store = Store.over(database, ManualClock(now), Blobs.local(folder), Vault(bytes(range(32))))
            http = OutgoingHttp(OutgoingPolicy())
            Deliveries(store, RealtimeKitPayloads(), http, await Signer.load(store)).register()
            async with running(store):
                await asyncio.Event().wait()

    asyncio.run(serve())


@contextmanager
def delivering(url: str, folder: Path, now: datetime) -> Iterator[BaseProcess]:
    """That process, killed at the end of the block."""
    process = multiprocessing.get_context("spawn").Process(
        target=deliver, args=(url, folder, now), daemon=True
    )
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()
        process.close()


async def states(scope: AppScope, webhook_id) -> dict[DeliveryState, int]:
    found: dict[DeliveryState, int] = {}
    for number in range(1, 4):
        page = await service.list_deliveries(scope, webhook_id, PageRequest(number, 100))
        for row in page.rows:
            found[row.state] = found.get(row.state, 0) + 1
    return found


@pytest.mark.faults
@pytest.mark.parametrize("kill_after", [40])
async def test_a_killed_process_is_continued_by_the_next(
    app_scope: AppScope, database_url: str, tmp_path: Path, endpoint: Receiver, kill_after: int
) -> None:
    given = WebhookInput(name="hook", url=endpoint.url, events=list(EVENT_NAMES))
    webhook = await service.create_webhook(app_scope, given)
    async with app_scope.change() as change:
        change.announce(started(), *[joined(name) for name in PEOPLE])
    with delivering(database_url, tmp_path / "one", START):
        await until(lambda: "" if len(endpoint.received) >= kill_after else "nothing is sent", deadline_s=60)
    with delivering(database_url, tmp_path / "two", START + timedelta(minutes=2)):
        everybody = {"meeting.started", *PEOPLE}

        def heard() -> set[str]:
            return {
                one.body["participant"]["userDisplayName"] if "participant" in one.body else one.body["event"]
                for one in endpoint.received
            }

        await until(
            lambda: "" if heard() == everybody else f"{len(everybody - heard())} are missing", deadline_s=60
        )
        for _ in range(2000):
            done = await states(app_scope, webhook.id)
            if done == {DeliveryState.DELIVERED: len(everybody)}:
                break
            await asyncio.sleep(0.005)
        assert done == {DeliveryState.DELIVERED: len(everybody)}
    ids: dict[str, bytes] = {}
    for one in endpoint.received:
        assert ids.setdefault(one.delivery_id, one.raw) == one.raw
    assert len(ids) == len(everybody)
    assert len(endpoint.received) <= len(everybody) + 1  # only the one under way was sent twice
    first_sent = list(dict.fromkeys(one.delivery_id for one in endpoint.received))
    names = [ids[one] for one in first_sent][1:]
    assert [name in raw.decode() for name, raw in zip(PEOPLE, names, strict=True)] == [True] * len(PEOPLE)
