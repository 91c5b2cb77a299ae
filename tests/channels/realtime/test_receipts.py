"""Who has read and received what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from parley.accounts.app_settings import AppSettings, write
from parley.accounts.plans import PlanSettings
from parley.accounts.scope import AppScope
from parley.base.clock import ManualClock
from parley.base.errors import NotFound
from parley.base.times import to_ms
from parley.bus import MemoryBus
from parley.channels.realtime.log import PublicationLog
from parley.channels.realtime.model import Publication
from parley.channels.realtime.receipts import Receipts
from parley.channels.realtime.retention import Retention
from parley.store.core import Store
from tests.channels.realtime.readers import draft, until

CHANNEL = "chat:room"


@dataclass
class Reading:
    """Receipts of an app whose `author` publishes."""

    receipts: Receipts
    log: PublicationLog
    scope: AppScope
    told: list[tuple[str, str, bool]]
    """Message, user, up to."""

    async def say(self, count: int = 1, channel: str = CHANNEL) -> list[Publication]:
        """Publications of `author`."""
        drafts = [draft(self.scope.app_id, channel, user_id="author") for _ in range(count)]
        return [one.publication for one in await asyncio.gather(*map(self.log.append, drafts))]

    async def read(self, message: Publication, user_id: str = "ada", *, up_to: bool = False):
        return await self.receipts.read(self.scope, CHANNEL, message.id, user_id, up_to=up_to)

    async def readers(self, message: Publication) -> list[str]:
        found = await self.receipts.status(self.scope, CHANNEL, message.id)
        return [each.user_id for each in found.read_by]


@pytest_asyncio.fixture
async def reading(store: Store, app_scope: AppScope) -> AsyncIterator[Reading]:
    told: list[tuple[str, str, bool]] = []
    retention = Retention(AppSettings(store.clock))
    receipts = Receipts(
        store,
        retention,
        None,
        lambda app, channel, message, user, at, up_to: told.append((message, user, up_to)),
    )
    log = PublicationLog(store, lambda publications: None)
    yield Reading(receipts, log, app_scope, told)
    await receipts.stop()


async def test_the_first_time_of_reading_counts(reading: Reading, clock: ManualClock) -> None:
    (message,) = await reading.say()
    first = await reading.read(message)
    clock.advance(5)
    again = await reading.read(message)
    assert (first.is_new, again.is_new) == (True, False)
    assert first.read_at_ms == again.read_at_ms
    assert reading.told == [(message.id, "ada", False)]


async def test_up_to_reads_everything_before(reading: Reading) -> None:
    messages = await reading.say(4)
    await reading.read(messages[2], up_to=True)
    assert [await reading.readers(one) for one in messages] == [["ada"], ["ada"], ["ada"], []]
    assert reading.told == [(messages[2].id, "ada", True)]


async def test_what_was_read_before_keeps_its_time(reading: Reading, clock: ManualClock) -> None:
    messages = await reading.say(3)
    began_ms = to_ms(clock.now())
    times = []
    for message, up_to in ((messages[1], False), (messages[0], True), (messages[2], True)):
        clock.advance(1)
        await reading.read(message, up_to=up_to)
    for message in messages:
        found = await reading.receipts.status(reading.scope, CHANNEL, message.id)
        times.append(found.read_by[0].read_at_ms - began_ms)
    assert times == [2_000, 1_000, 3_000]


async def test_reading_again_what_up_to_covered_is_nothing_new(reading: Reading, clock: ManualClock) -> None:
    messages = await reading.say(2)
    first = await reading.read(messages[1], up_to=True)
    clock.advance(1)
    for up_to in (False, True):
        again = await reading.read(messages[0], up_to=up_to)
        assert again == (first.read_at_ms, False)
    assert len(reading.told) == 1


async def test_up_to_a_message_that_was_read_alone_is_new_for_those_before(reading: Reading) -> None:
    messages = await reading.say(2)
    await reading.read(messages[1])
    assert (await reading.read(messages[1], up_to=True)).is_new
    assert await reading.readers(messages[0]) == ["ada"]
    assert [up_to for _, _, up_to in reading.told] == [False, True]


async def test_authors_do_not_read_themselves(reading: Reading) -> None:
    messages = await reading.say(2)
    own = await reading.read(messages[0], "author")
    assert own == (messages[0].created_ms, False)
    await reading.read(messages[1], "author", up_to=True)
    assert [await reading.readers(one) for one in messages] == [[], []]


async def test_readers_come_in_the_order_of_reading(reading: Reading, clock: ManualClock) -> None:
    (message,) = await reading.say()
    for user_id in ("cem", "ada", "bob"):
        clock.advance(1)
        await reading.read(message, user_id)
    assert await reading.readers(message) == ["cem", "ada", "bob"]


async def test_delivery_is_cumulative_and_never_goes_back(reading: Reading) -> None:
    messages = await reading.say(3)
    for user_id, offset in (("ada", 2), ("ada", 1), ("bob", 3), ("author", 3)):
        await reading.receipts.delivered(reading.scope, CHANNEL, user_id, offset)
    delivered = [
        (await reading.receipts.status(reading.scope, CHANNEL, one.id)).delivered_to for one in messages
    ]
    assert delivered == [["ada", "bob"], ["ada", "bob"], ["bob"]]


async def test_what_is_not_published_yet_is_not_delivered(reading: Reading) -> None:
    await reading.say()
    await reading.receipts.delivered(reading.scope, CHANNEL, "ada", 1 << 62)
    await reading.receipts.delivered(reading.scope, "chat:nobody-was-here", "ada", 5)
    await reading.receipts.status(reading.scope, CHANNEL, (await reading.say())[0].id)
    later = (await reading.say())[0]
    assert (await reading.receipts.status(reading.scope, CHANNEL, later.id)).delivered_to == []


async def test_deliveries_are_written_at_the_end(reading: Reading) -> None:
    (message,) = await reading.say()
    await reading.receipts.delivered(reading.scope, CHANNEL, "ada", 1)
    await reading.receipts.stop()
    fresh = Receipts(reading.scope.store, Retention(AppSettings(reading.scope.store.clock)), None, print)
    assert (await fresh.status(reading.scope, CHANNEL, message.id)).delivered_to == ["ada"]


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "msg_",
        "msg_\x00",
        "msg_\ud800",
        "msg_000000000000184hqe55k" + "\ud800",
        "msg_000000000000184hqe55k" + "\x00",
        "msg_000000000000184hqe55kn",
        "msg_00000000000z784hqe55kn",
        "x" * 10_000,
    ],
)
async def test_unknown_messages_are_not_found(reading: Reading, wrong: str) -> None:
    await reading.say()
    with pytest.raises(NotFound):
        await reading.receipts.read(reading.scope, CHANNEL, wrong, "ada")
    with pytest.raises(NotFound):
        await reading.receipts.status(reading.scope, CHANNEL, wrong)


async def test_messages_of_other_apps_and_channels_are_not_found(
    reading: Reading, other_app_scope: AppScope
) -> None:
    (message,) = await reading.say()
    with pytest.raises(NotFound):
        await reading.receipts.read(other_app_scope, CHANNEL, message.id, "ada")
    with pytest.raises(NotFound):
        await reading.receipts.status(reading.scope, "chat:other", message.id)


async def test_expired_messages_are_not_found(reading: Reading, clock: ManualClock) -> None:
    (message,) = await reading.say()
    await reading.read(message)
    clock.advance(24 * 3600)  # the free plan's retention
    with pytest.raises(NotFound):
        await reading.receipts.status(reading.scope, CHANNEL, message.id)
    async with reading.scope.change() as change:
        await write(change, "plan", PlanSettings(plan="enterprise"))
    clock.advance(10)  # settings are known for a while
    assert await reading.readers(message) == ["ada"]


async def test_the_same_receipt_at_the_same_time_is_new_once(reading: Reading) -> None:
    (message,) = await reading.say()
    found = await asyncio.gather(*(reading.read(message, up_to=n % 2 > 0) for n in range(8)))
    assert 1 <= sum(one.is_new for one in found) <= 2  # alone, and once more for those before it
    assert len(reading.told) == sum(one.is_new for one in found)


async def test_other_processes_are_told_once(store: Store, app_scope: AppScope) -> None:
    bus = MemoryBus()
    told: list[list[str]] = [[], []]
    retention = Retention(AppSettings(store.clock))
    both = [
        Receipts(
            store, retention, bus, lambda app, channel, message, user, at, up_to, n=n: told[n].append(user)
        )
        for n in range(2)
    ]
    log = PublicationLog(store, lambda publications: None)
    stored = await log.append(draft(app_scope.app_id))
    for one in both:
        await one.start()
    await both[0].read(app_scope, CHANNEL, stored.publication.id, "ada")
    await both[1].read(app_scope, CHANNEL, stored.publication.id, "bob")
    await until(lambda: told == [["ada", "bob"], ["ada", "bob"]])
    for one in both:
        await one.stop()
    await bus.close()
