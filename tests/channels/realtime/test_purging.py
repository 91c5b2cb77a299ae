"""What has expired is deleted, and nothing else."""

from __future__ import annotations

import asyncio

import pytest

from parley.accounts.app_settings import AppSettings, write
from parley.accounts.plans import PlanSettings
from parley.accounts.scope import AppScope
from parley.base.clock import ManualClock
from parley.channels.realtime.log import PublicationLog
from parley.channels.realtime.purging import EVERY, Purge
from parley.channels.realtime.receipts import Receipts
from parley.channels.realtime.receipts import store as receipts
from parley.channels.realtime.retention import Retention
from parley.channels.realtime.store import after
from parley.store.core import Store
from tests.channels.realtime.readers import draft
from tests.store.databases import running
from tests.waiting import DEADLINE_S

DAY_S = 24 * 3600


@pytest.fixture
def retention(store: Store) -> Retention:
    return Retention(AppSettings(store.clock))


@pytest.fixture
def log(store: Store) -> PublicationLog:
    return PublicationLog(store, lambda publications: None)


async def publish(log: PublicationLog, scope: AppScope, count: int, **changes: object) -> list[str]:
    drafts = [draft(scope.app_id, **changes) for _ in range(count)]
    return [one.publication.id for one in await asyncio.gather(*map(log.append, drafts))]


async def places(scope: AppScope, channel: str = "chat:room") -> list[int]:
    """What is left of a channel."""
    found = await after(scope.store.database, scope.app_id, channel, "", 0, 1 << 62, 10_000)
    return [one.offset for one in found]


async def test_messages_go_when_the_plans_time_is_over(
    store: Store, app_scope: AppScope, other_app_scope: AppScope, clock: ManualClock, retention, log
) -> None:
    async with other_app_scope.change() as change:
        await write(change, "plan", PlanSettings(plan="enterprise"))
    for scope in (app_scope, other_app_scope):
        await publish(log, scope, 3)
    clock.advance(DAY_S - 1)
    assert await Purge(store, retention).run() == 0
    await publish(log, app_scope, 2)
    clock.advance(1)
    assert await Purge(store, retention).run() == 3
    assert await places(app_scope) == [4, 5]
    assert await places(other_app_scope) == [1, 2, 3]


async def test_receipts_go_with_their_messages(
    store: Store, app_scope: AppScope, clock: ManualClock, retention, log
) -> None:
    told = Receipts(store, retention, None, lambda *_: None)
    first, last = await publish(log, app_scope, 2)
    await told.read(app_scope, "chat:room", first, "ada")
    await told.read(app_scope, "chat:room", last, "bob", up_to=True)
    await told.delivered(app_scope, "chat:room", "cem", 2)
    await told.stop()
    purge = Purge(store, retention)
    await purge.run()
    for offset, users in ((1, {"ada", "bob"}), (2, {"bob"})):
        found = await receipts.readers(store.database, app_scope.app_id, "chat:room", offset)
        assert (set(found[0]), found[1]) == (users, ["cem"])
    clock.advance(DAY_S)
    await purge.run()
    assert await receipts.readers(store.database, app_scope.app_id, "chat:room", 1) == ({}, [])


async def test_what_is_in_no_history_stays_as_long_as_somebody_may_come_back(
    store: Store, app_scope: AppScope, clock: ManualClock, retention, log
) -> None:
    await publish(log, app_scope, 30, in_history=False)
    await publish(log, app_scope, 10)
    await publish(log, app_scope, 1_000, in_history=False)
    await publish(log, app_scope, 5, channel="chat:quiet", in_history=False)
    purge = Purge(store, retention)
    assert await purge.run() == 0
    clock.advance(121)
    assert await purge.run() == 30
    assert await places(app_scope) == list(range(31, 1_041))
    await publish(log, app_scope, 7)
    assert await purge.run() == 7
    assert await places(app_scope) == [*range(31, 41), *range(48, 1_048)]
    assert await places(app_scope, "chat:quiet") == [1, 2, 3, 4, 5]


async def test_the_job_comes_round(
    store: Store, app_scope: AppScope, clock: ManualClock, retention, log
) -> None:
    purge = Purge(store, retention)
    purge.register()
    async with running(store):
        await purge.schedule()
        await purge.schedule()  # another start, or another process
        for _ in range(2):
            await publish(log, app_scope, 2)
            clock.advance(DAY_S + EVERY.total_seconds())
            store.jobs.wake()
            await emptied(app_scope)


async def emptied(scope: AppScope) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while await places(scope):  # noqa: ASYNC110 - jobs tell nobody
            await asyncio.sleep(0.01)
