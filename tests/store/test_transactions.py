"""What both databases promise."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

import pytest
from sqlalchemy import bindparam, select

from parley.base.errors import Invalid
from parley.store.errors import AlreadyExists, DatabaseUnavailable
from parley.store.query import SystemQuery, in_list, json_list
from parley.store.schema import tables as t
from tests.store.databases import connect, connected
from tests.store.rows import COUNT, DELETE, IDS, INSERT, ids, put
from tests.waiting import until


async def test_a_transaction_reads_its_own_writes_and_others_do_not_before_the_commit(database):
    async with database.transaction() as tx:
        await put(tx, "mine")
        assert await ids(tx) == ["mine"]
        assert await ids(database) == []
    assert await ids(database) == ["mine"]


async def test_a_second_database_object_sees_the_commit(database, database_url):
    async with database.transaction() as tx:
        await put(tx, "mine")
    async with connected(database_url) as other:
        assert await ids(other) == ["mine"]


async def test_a_block_that_raises_leaves_nothing(database):
    async def change() -> None:
        async with database.transaction() as tx:
            await put(tx, "lost")
            raise LookupError

    with pytest.raises(LookupError):
        await change()
    assert await ids(database) == []


async def test_one_of_many_that_fails_takes_back_only_its_own(database):
    async def change(number: int) -> None:
        async with database.transaction() as tx:
            await put(tx, f"{number:03}")
            await asyncio.sleep(0)
            if number % 3 == 0:
                raise LookupError

    outcomes = await asyncio.gather(*(change(n) for n in range(60)), return_exceptions=True)
    assert [type(o) for o in outcomes] == [LookupError if n % 3 == 0 else type(None) for n in range(60)]
    assert await ids(database) == [f"{n:03}" for n in range(60) if n % 3]


async def test_breaking_a_uniqueness_rule_is_already_exists(database):
    async with database.transaction() as tx:
        await put(tx, "twice")
    with pytest.raises(AlreadyExists):
        async with database.transaction() as tx:
            await put(tx, "twice")


async def test_catching_a_failed_statement_does_not_save_the_transaction(database):
    """PostgreSQL answers COMMIT of a failed transaction with a quiet rollback: the change seemed stored."""

    async def change(*names: str) -> None:
        async with database.transaction() as tx:
            for name in names:
                with suppress(AlreadyExists):
                    await put(tx, name)

    await change("twice")
    with pytest.raises(AlreadyExists):
        await change("first", "twice")
    assert await ids(database) == ["twice"]


@pytest.mark.parametrize("own", [TimeoutError("mine"), ConnectionError("mine"), OSError("mine")])
async def test_an_error_of_the_block_is_not_taken_for_the_database_s(database, own):
    """It was: on PostgreSQL a failed HTTP call inside a block was reported as an outage of the database."""
    with pytest.raises(type(own), match="mine") as raised:
        async with database.transaction():
            raise own
    assert raised.value is own


@pytest.mark.parametrize("text", ["a\ud800b", "a\x00b"], ids=["half a surrogate pair", "NUL"])
async def test_a_text_that_cannot_be_stored_is_refused_or_kept_whole(database, text):
    if database.dialect == "sqlite" and "\x00" in text:
        async with database.transaction() as tx:
            await put(tx, text)
        assert await ids(database) == [text]
        return
    with pytest.raises(Invalid):
        async with database.transaction() as tx:
            await put(tx, text)


async def test_a_number_beyond_64_bits_is_refused(database):
    with pytest.raises(Invalid):
        async with database.transaction() as tx:
            await put(tx, "big", created_at=2**63)


async def test_a_lone_statement_is_a_transaction(database, database_url):
    assert await database.run(INSERT, id="alone", name="x", created_at=1) == 1
    async with connected(database_url) as other:
        assert await ids(other) == ["alone"]
    assert await database.run(DELETE, id="alone") == 1
    assert await database.run(DELETE, id="alone") == 0


async def test_lone_statements_and_transactions_fail_each_for_itself(database):
    async def alone(number: int) -> None:
        await database.run(INSERT, id=str(number // 2), name="x", created_at=1)  # each id twice

    async def change(number: int) -> None:
        async with database.transaction() as tx:
            await put(tx, f"tx {number}")
            if number % 2:
                raise LookupError

    calls = [call(n) for n in range(20) for call in (alone, change)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(o, AlreadyExists) for o in outcomes) == 10
    assert sum(isinstance(o, LookupError) for o in outcomes) == 10
    assert await ids(database) == sorted([*map(str, range(10)), *(f"tx {n}" for n in range(0, 20, 2))])


async def test_run_counts_its_own_rows_and_not_those_of_a_cascade(database, app_scope):
    """SQLite's `total_changes` counts both, PostgreSQL only the first."""
    async with database.transaction() as tx:
        assert await tx.run(DELETE, id=app_scope.organization_id) == 1
        assert await tx.run(DELETE, id=app_scope.organization_id) == 0


async def test_hooks_run_after_the_commit_in_commit_order(database):
    seen: list[str] = []

    async def change(name: str) -> None:
        async with database.transaction() as tx:
            await put(tx, name)
            tx.on_commit(lambda: seen.append(name))

    await change("a")
    assert seen == ["a"]
    await asyncio.gather(*(change(name) for name in "bcdef"))
    assert sorted(seen) == list("abcdef")


async def test_hooks_of_an_undone_transaction_do_not_run(database):
    seen: list[str] = []

    async def change() -> None:
        async with database.transaction() as tx:
            tx.on_commit(lambda: seen.append("no"))
            raise LookupError

    with pytest.raises(LookupError):
        await change()
    async with database.transaction() as tx:
        tx.on_commit(lambda: seen.append("yes"))
    assert seen == ["yes"]


async def test_a_hook_that_raises_harms_neither_the_change_nor_other_hooks(database):
    seen: list[str] = []

    def fail() -> None:
        raise RuntimeError

    async with database.transaction() as tx:
        await put(tx, "kept")
        tx.on_commit(fail)
        tx.on_commit(lambda: seen.append("second"))
    assert seen == ["second"]
    assert await ids(database) == ["kept"]


async def test_cancelling_anywhere_loses_no_commit_hook_and_blocks_nobody(database):
    """The hooks tell exactly what the table holds, whenever the callers were cancelled (twice, too)."""
    dice = random.Random(7)
    announced: list[str] = []
    returned: list[str] = []

    async def change(name: str) -> None:
        async with database.transaction() as tx:
            tx.on_commit(lambda: announced.append(name))
            await put(tx, name)
            if dice.random() < 0.3:
                await asyncio.sleep(0)
            if dice.random() < 0.1:
                raise LookupError
        returned.append(name)

    async def disturb(task: asyncio.Task[None]) -> None:
        for _ in range(dice.randrange(2) + 1):
            for _ in range(dice.randrange(40)):
                await asyncio.sleep(0)
            if dice.random() < 0.5:
                await asyncio.sleep(dice.random() / 100)
            task.cancel()

    for round_ in range(6):
        tasks = [asyncio.create_task(change(f"{round_}-{n:03}")) for n in range(40)]
        disturbers = [asyncio.create_task(disturb(t)) for t in dice.sample(tasks, 25)]
        await asyncio.wait([*tasks, *disturbers], timeout=30)
        assert all(task.done() for task in tasks)
        await asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(30), database.transaction() as tx:
        await put(tx, "afterwards")
    stored = await ids(database)
    assert sorted([*announced, "afterwards"]) == stored
    assert set(returned) <= set(stored)


async def test_cancelling_the_only_waiter_of_an_open_group_ends_the_group(database):
    entered, leave = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with database.transaction() as tx:
            await put(tx, "first")
            entered.set()
            await leave.wait()

    async def second() -> None:
        async with database.transaction() as tx:
            await put(tx, "second")

    one = asyncio.create_task(first())
    await entered.wait()
    two = asyncio.create_task(second())
    await asyncio.sleep(0)
    leave.set()
    await asyncio.sleep(0)
    two.cancel()
    async with asyncio.timeout(30):
        await one
        await asyncio.gather(two, return_exceptions=True)
        assert "first" in await ids(database)


async def test_a_list_parameter_may_have_any_length(database):
    query = SystemQuery(select(t.organizations.c.id).where(in_list(t.organizations.c.id, "ids")))
    async with database.transaction() as tx:
        for name in ("a", 'quo"te', "ü", "d"):
            await put(tx, name)
    wanted = [f"no such {n}" for n in range(40_000)] + ["a", 'quo"te', "ü"]
    assert sorted(row[0] for row in await database.all(query, ids=json_list(wanted))) == ["a", 'quo"te', "ü"]
    assert await database.all(query, ids=json_list([])) == []


async def test_a_list_of_numbers_is_compared_with_numbers(database):
    query = SystemQuery(select(t.organizations.c.id).where(in_list(t.organizations.c.created_at, "at")))
    async with database.transaction() as tx:
        for at in (1, 10, 2**53 + 1):
            await put(tx, str(at), created_at=at)
    rows = await database.all(query, at=json_list([10, 2**53 + 1]))
    assert sorted(row[0] for row in rows) == ["10", str(2**53 + 1)]


async def test_one_of_nothing_is_none(database):
    assert await database.one(IDS) is None


async def test_limits_and_nulls_can_be_parameters(database):
    query = SystemQuery(
        select(t.jobs.c.id).where(t.jobs.c.leased_by == bindparam("by")).limit(bindparam("n"))
    )
    assert await database.all(query, by=None, n=3) == []


async def test_closing_finishes_what_runs_and_refuses_the_rest(database_url):
    database = connect(database_url)
    await database.open()

    async def change(name: str) -> None:
        async with database.transaction() as tx:
            await put(tx, name)

    running = [asyncio.create_task(change(f"{n:02}")) for n in range(20)]
    await asyncio.sleep(0)
    await database.close()
    outcomes = await asyncio.gather(*running, return_exceptions=True)
    assert {type(o) for o in outcomes} <= {type(None), DatabaseUnavailable}
    with pytest.raises(DatabaseUnavailable):
        await change("late")
    with pytest.raises(DatabaseUnavailable):
        await database.one(COUNT)
    async with connected(database_url) as again:
        assert await ids(again) == [f"{n:02}" for n, outcome in enumerate(outcomes) if outcome is None]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_lost_connection_is_told_as_unavailable_and_replaced(database, database_url, postgres):
    name = database_url.split("/")[3].split("?")[0]
    end_all = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"

    async def change() -> None:
        async with database.transaction() as tx:
            postgres.run_sql(end_all)
            await put(tx, "lost")

    with pytest.raises(DatabaseUnavailable):
        await change()
    async with database.transaction() as tx:
        await put(tx, "kept")
    assert await ids(database) == ["kept"]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_no_connection_is_left_in_a_transaction(database, database_url, postgres):
    name = database_url.split("/")[3].split("?")[0]

    async def change() -> None:
        async with database.transaction() as tx:
            await put(tx, "x")
            await asyncio.sleep(1)

    tasks = [asyncio.create_task(change()) for _ in range(3)]
    await asyncio.sleep(0.01)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    busy = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND state LIKE 'idle in%'"
    await until(lambda: "" if postgres.run_sql(busy) == "0" else "a transaction is open")
