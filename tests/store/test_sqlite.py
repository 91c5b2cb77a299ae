"""What only the single writer of SQLite does: group commit, foreign locks, full disks."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import apsw
import pytest
from sqlalchemy import Text, bindparam, func, null, select

from parley.store.engine import sqlite
from parley.store.errors import DatabaseUnavailable
from parley.store.query import SystemQuery
from tests.store.databases import connected
from tests.store.rows import INSERT, ids, put

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def _file(database_url: str) -> Path:
    return Path(database_url.removeprefix("sqlite:"))


def _count_commits(database) -> list[str]:
    statements: list[str] = []

    def trace(_, sql, __) -> bool:
        statements.append(sql)
        return True

    database._writer.exec_trace = trace
    return statements


async def test_transactions_that_arrive_during_a_commit_share_the_next_one(database):
    statements = _count_commits(database)

    async def change(number: int) -> None:
        async with database.transaction() as tx:
            await put(tx, f"{number:03}")
            assert f"{number:03}" in await ids(tx)

    await asyncio.gather(*(change(n) for n in range(200)))
    assert len(await ids(database)) == 200
    assert statements.count("COMMIT") <= 3


async def test_a_group_has_a_largest_size(database, monkeypatch):
    monkeypatch.setattr(sqlite, "MAX_GROUP", 10)
    statements = _count_commits(database)

    async def change(number: int) -> None:
        async with database.transaction() as tx:
            await put(tx, str(number))

    await asyncio.gather(*(change(n) for n in range(40)))
    assert statements.count("COMMIT") >= 4


async def test_a_full_disk_fails_the_whole_group_and_nobody_waits_forever(database):
    """SQLite ends the transaction by itself then, savepoints too: ROLLBACK TO failed, the turn was never
    given back, and everybody after that waited for ever."""
    async with database.transaction() as tx:
        await put(tx, "before")
    pages = database._writer.pragma("page_count")
    database._writer.pragma("max_page_count", pages + 2)

    async def change(number: int) -> None:
        if number % 2:
            await database.run(INSERT, id=str(number), name="x" * 5_000, created_at=1)
            return
        async with database.transaction() as tx:
            await put(tx, str(number), name="x" * 5_000)

    async with asyncio.timeout(30):
        outcomes = await asyncio.gather(*(change(n) for n in range(10)), return_exceptions=True)
    refused = [o for o in outcomes if o is not None]
    assert refused
    assert all(isinstance(o, DatabaseUnavailable) for o in refused)
    stored = await ids(database)
    assert sorted(stored) == sorted(["before", *(str(n) for n, o in enumerate(outcomes) if o is None)])
    database._writer.pragma("max_page_count", pages + 1000)
    async with database.transaction() as tx:
        await put(tx, "afterwards")
    assert "afterwards" in await ids(database)


async def test_a_commit_that_fails_is_raised_by_every_member_and_undone(database):
    async def change(number: int) -> None:
        async with database.transaction() as tx:
            await put(tx, str(number))

    database._writer.set_commit_hook(lambda: True)  # true = turn the COMMIT into a ROLLBACK
    async with asyncio.timeout(30):
        outcomes = await asyncio.gather(*(change(n) for n in range(5)), return_exceptions=True)
    assert [type(o) for o in outcomes] == [DatabaseUnavailable] * 5
    database._writer.set_commit_hook(None)
    assert await ids(database) == []
    await change(6)
    assert await ids(database) == ["6"]


HOLD_THE_LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.readline()
connection.execute("COMMIT")
"""


@pytest.fixture
def other_writer(database, database_url):
    """A second process that holds the write lock until its standard input gets a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD_THE_LOCK, str(_file(database_url))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline() == "locked\n"
        yield process
        process.kill()


async def test_a_writer_waits_for_another_process_without_blocking_the_event_loop(database, other_writer):
    async def change() -> None:
        async with database.transaction() as tx:
            await put(tx, "waited")

    waiting = asyncio.create_task(change())
    for _ in range(50):  # the loop turns meanwhile, and reads are answered
        await asyncio.sleep(0)
        assert await ids(database) == []
    assert not waiting.done()
    other_writer.stdin.write("\n")
    other_writer.stdin.flush()
    async with asyncio.timeout(30):
        await waiting
    assert await ids(database) == ["waited"]


async def test_a_lock_that_is_held_too_long_is_unavailable_for_all_who_wait(
    database, other_writer, monkeypatch
):
    monkeypatch.setattr(sqlite, "LOCK_TIMEOUT_S", 0.1)

    async def change() -> None:
        async with database.transaction() as tx:
            await put(tx, "x")

    async with asyncio.timeout(30):
        outcomes = await asyncio.gather(*(change() for _ in range(20)), return_exceptions=True)
    assert {type(o) for o in outcomes} == {DatabaseUnavailable}


async def test_cancelling_one_who_waits_for_the_lock_leaves_the_others_waiting(database, other_writer):
    """The wait was a thread that went on after the cancellation and opened a transaction nobody owned."""

    async def change(name: str) -> None:
        async with database.transaction() as tx:
            await put(tx, name)

    first, second = asyncio.create_task(change("first")), asyncio.create_task(change("second"))
    for _ in range(5):
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    other_writer.stdin.write("\n")
    other_writer.stdin.flush()
    async with asyncio.timeout(30):
        await second
    assert await ids(database) == ["second"]


async def test_a_transaction_inside_a_transaction_is_told_so_instead_of_waiting_for_itself(database):
    with pytest.raises(RuntimeError, match="inside a transaction"):
        async with database.transaction(), database.transaction():
            pass
    with pytest.raises(RuntimeError, match="inside a transaction"):
        async with database.transaction():
            await database.run(INSERT, id="x", name="x", created_at=1)
    async with database.transaction() as tx:
        await put(tx, "usable")
    assert await ids(database) == ["usable"]


async def test_a_commit_is_on_disk_when_the_caller_hears_of_it(database, database_url):
    assert database._writer.pragma("synchronous") == 2  # FULL
    assert database._writer.pragma("journal_mode") == "wal"
    async with connected(database_url) as other, database.transaction() as tx:
        await put(tx, "x")
        assert await ids(other) == []


async def test_the_reading_connection_cannot_write(database):
    with pytest.raises(apsw.ReadOnlyError):
        database._reader.execute("DELETE FROM organizations")


async def test_letters_of_every_language_have_a_lower_case(database):
    query = SystemQuery(select(func.lower(bindparam("text", type_=Text)), func.lower(null())))
    assert await database.all(query, text="ÄPFEL und Ψ") == [("äpfel und ψ", None)]


async def test_a_folder_that_does_not_exist_is_unavailable(database_url, tmp_path):
    database = sqlite.SqliteDatabase(tmp_path / "missing" / "parley.sqlite3")
    with pytest.raises(DatabaseUnavailable):
        await database.open()
