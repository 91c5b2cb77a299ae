from __future__ import annotations

import asyncio
from collections import defaultdict

import pytest
from sqlalchemy import func, select

from parley.base.events import Event, event
from parley.store.core import Store
from parley.store.outbox import Announced, Outbox
from parley.store.query import SystemQuery
from parley.store.schema import tables as t
from tests.store.databases import connected, running
from tests.store.rows import ids, put
from tests.waiting import until


@event("outbox_test.counted", since="0.1")
class Counted(Event, frozen=True):
    """Only in tests."""

    about: str
    number: int

    @property
    def topic(self) -> str:
        return f"counter:{self.about}"


_LEFT = SystemQuery(select(func.count()).select_from(t.outbox))


async def announce(app_scope, *events: Event) -> None:
    async with app_scope.change() as change:
        change.announce(*events)


def collect(outbox: Outbox) -> list[Announced]:
    """What a listener hears."""
    heard: list[Announced] = []
    outbox.listen(heard.append)
    return heard


def consume(outbox: Outbox) -> list[Announced]:
    """What a consumer is handed, as the committed transactions leave it."""
    handed: list[Announced] = []

    async def consumer(tx, item: Announced) -> None:
        tx.on_commit(lambda: handed.append(item))

    outbox.consume(consumer)
    return handed


async def test_listeners_hear_what_was_committed_at_once(store, app_scope):
    heard = collect(store.outbox)
    await announce(app_scope, Counted(about="a", number=1), Counted(about="b", number=1))
    assert [(item.topic, item.offset, item.event.number) for item in heard] == [
        ("counter:a", 1, 1),
        ("counter:b", 1, 1),
    ]
    assert heard[0].app_id == app_scope.app_id
    assert heard[0].at == app_scope.now()


async def test_consumers_are_handed_what_listeners_heard(store, app_scope):
    await store.outbox.drain()
    heard, handed = collect(store.outbox), consume(store.outbox)
    await announce(app_scope, *(Counted(about="ab"[n % 2], number=n) for n in range(5)))
    await store.outbox.drain()
    assert handed == heard


async def test_nothing_is_announced_of_a_change_that_is_undone(store, app_scope):
    heard = collect(store.outbox)

    async def fail() -> None:
        async with app_scope.change() as change:
            change.announce(Counted(about="a", number=1))
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    await announce(app_scope, Counted(about="a", number=2))
    assert [(item.offset, item.event.number) for item in heard] == [(1, 2)]


async def test_a_cancelled_caller_s_committed_change_is_still_announced(store, app_scope):
    """It was not: the listeners were told by the caller, after its wait for the disk."""
    heard = collect(store.outbox)
    before = len(await ids(store.database))

    async def change(number: int) -> None:
        async with app_scope.change() as change:
            await put(change.tx, str(number))
            change.announce(Counted(about="a", number=number))

    for turns in range(40):
        task = asyncio.create_task(change(turns))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await change(100)
    stored = {int(row_id) for row_id in await ids(store.database) if row_id.isdigit() and len(row_id) < 32}
    assert {item.event.number for item in heard} == stored
    assert len(await ids(store.database)) == before + len(heard)


async def test_offsets_count_from_one_without_gaps_in_commit_order(store, app_scope):
    """Eight writers on three topics, each change on two of them in either order."""
    heard, handed = collect(store.outbox), consume(store.outbox)

    async def writer(name: int) -> None:
        for number in range(12):
            topics = "abc"[(name + number) % 3], "abc"[(name * 2 + number) % 3]
            await announce(app_scope, *(Counted(about=about, number=name * 100 + number) for about in topics))

    async with asyncio.timeout(30):
        await asyncio.gather(*(writer(name) for name in range(8)))
    await store.outbox.drain()
    for seen in (heard, handed):
        offsets = defaultdict(list)
        epochs = defaultdict(set)
        for item in seen:
            offsets[item.topic].append(item.offset)
            epochs[item.topic].add(item.epoch)
        for topic in ("counter:a", "counter:b", "counter:c"):
            assert sorted(offsets[topic]) == list(range(1, len(offsets[topic]) + 1))
            assert len(epochs[topic]) == 1
        assert sum(map(len, offsets.values())) - len(offsets.get(f"app:{app_scope.app_id}", ())) == 192
    order = [(item.topic, item.offset) for item in handed]
    for topic in ("counter:a", "counter:b", "counter:c"):
        assert [o for t_, o in order if t_ == topic] == sorted(o for t_, o in order if t_ == topic)


async def test_the_running_dispatcher_is_woken_by_a_commit(store, app_scope):
    handed = consume(store.outbox)
    async with running(store):
        await announce(app_scope, Counted(about="a", number=1))
        await until(lambda: "" if any(i.topic == "counter:a" for i in handed) else "not handed over")


async def test_stopping_hands_over_what_is_committed(store, app_scope):
    handed = consume(store.outbox)
    await store.start()
    await announce(app_scope, *(Counted(about="a", number=n) for n in range(500)))
    await store.stop()
    assert [i.offset for i in handed if i.topic == "counter:a"] == list(range(1, 501))
    assert (await store.database.one(_LEFT))[0] == 0


async def test_what_a_failing_consumer_wrote_is_undone_and_tried_again(store, app_scope):
    attempts = 0

    async def consumer(tx, item: Announced) -> None:
        nonlocal attempts
        if isinstance(item.event, Counted):
            attempts += 1
            await put(tx, f"seen-{item.offset}")
            if attempts == 1:
                raise RuntimeError("the first time")

    store.outbox.consume(consumer)
    await announce(app_scope, Counted(about="a", number=1))
    with pytest.raises(RuntimeError, match="the first time"):
        await store.outbox.drain()
    assert "seen-1" not in await ids(store.database)
    await store.outbox.drain()
    assert "seen-1" in await ids(store.database)
    assert attempts == 2


async def test_stopping_with_a_failing_consumer_leaves_the_events_for_the_next_start(store, app_scope):
    async def consumer(tx, item: Announced) -> None:
        raise RuntimeError

    store.outbox.consume(consumer)
    await announce(app_scope, Counted(about="a", number=1))
    await store.start()
    await store.stop()
    assert (await store.database.one(_LEFT))[0] >= 1


async def test_a_listener_that_raises_harms_neither_the_caller_nor_other_listeners(store, app_scope):
    def fail(item: Announced) -> None:
        raise RuntimeError

    store.outbox.listen(fail)
    heard = collect(store.outbox)
    await announce(app_scope, Counted(about="a", number=1))
    assert len(heard) == 1


async def test_an_event_of_a_newer_version_is_passed_over(store, app_scope):
    await announce(app_scope, Counted(about="a", number=1))
    await store.database.all(_LEFT)
    rename = SystemQuery(t.outbox.update().values(name="from.the_future"))
    async with store.database.transaction() as tx:
        await tx.run(rename)
    handed = consume(store.outbox)
    await announce(app_scope, Counted(about="a", number=2))
    await store.outbox.drain()
    assert [item.event.number for item in handed] == [2]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_three_dispatchers_hand_over_each_event_once_and_in_order(
    store, app_scope, database_url, clock, blobs, vault
):
    await store.outbox.drain()
    handed: list[tuple[str, int]] = []

    async def consumer(tx, item: Announced) -> None:
        await put(tx, f"{item.topic}/{item.offset}")  # a second time would be refused
        tx.on_commit(lambda: handed.append((item.topic, item.offset)))

    async with (
        connected(database_url) as one,
        connected(database_url) as two,
        connected(database_url) as three,
    ):
        others = [Store.over(database, clock, blobs, vault) for database in (one, two, three)]
        for other in others:
            other.outbox.consume(consumer)
        writing = True

        async def write(about: str) -> None:
            for n in range(60):
                await announce(app_scope, *(Counted(about=about, number=n * 10 + k) for k in range(10)))

        async def dispatch(outbox: Outbox) -> None:
            while writing:
                await outbox.drain()
            await outbox.drain()

        async with asyncio.TaskGroup() as group:
            for other in others:
                group.create_task(dispatch(other.outbox))
            async with asyncio.TaskGroup() as writers:
                for about in "abc":
                    writers.create_task(write(about))
            writing = False
    for about in "abc":
        assert [o for topic, o in handed if topic == f"counter:{about}"] == list(range(1, 601))


async def test_an_event_that_a_consumer_always_refuses_does_not_hold_up_the_others(store, app_scope) -> None:
    """It is tried a few times, then left out and kept with the reason."""
    seen: list[int] = []

    async def consumer(_: object, item: Announced) -> None:
        if not isinstance(item.event, Counted):
            return
        if item.event.number == 2:
            raise ValueError("this one cannot be consumed")
        seen.append(item.event.number)

    store.outbox.consume(consumer)
    await announce(app_scope, *(Counted(about="poison", number=n) for n in (1, 2, 3)))
    await store.outbox.start()
    await until(lambda: "" if 3 in seen else f"only {seen} were handed over", deadline_s=30)
    await store.outbox.stop()
    row = await store.database.one(SystemQuery(select(t.outbox.c.last_error)))
    assert row is not None
    assert "cannot be consumed" in row[0]
