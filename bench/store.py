"""Durable single-row transactions per second, against the raw driver committing each one.

    python -m bench.store [--seconds 2] [--rounds 3]

Each transaction inserts one row and is on disk when it returns: SQLite with `synchronous=FULL`, PostgreSQL
with `fsync` and `synchronous_commit` on. "serial" is one caller at a time, "64 callers" as many at once. The
raw side is what one would write without Parley: apsw's BEGIN, INSERT, COMMIT in the event loop (SQLite lets
one writer in at a time, so more callers cannot help it), and asyncpg's pool of the same size. Rounds of both
sides take turns, and the medians are compared, so that a slow minute of the disk meets both.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import apsw
import asyncpg
import pytest
import uvloop
from sqlalchemy import bindparam, insert

from bench.figures import Figure, table
from parley.store.engine.postgres import POOL_SIZE
from parley.store.ports import Database
from parley.store.query import SystemQuery
from parley.store.schema import migrate
from parley.store.schema import tables as t
from tests.services import PostgresServer, postgres_server
from tests.store.databases import connect

CALLERS = 64
_INSERT = SystemQuery(
    insert(t.organizations).values({c.name: bindparam(c.name, type_=c.type) for c in t.organizations.columns})
)
Change = Callable[[str], Awaitable[None]]
"""Insert a row of that id, durably."""


@asynccontextmanager
async def parley_side(url: str) -> AsyncIterator[Change]:
    """Through `parley.store`."""
    database: Database = connect(url)
    await database.open()

    async def change(row_id: str) -> None:
        async with database.transaction() as tx:
            await tx.run(_INSERT, id=row_id, name="a name", created_at=0)

    yield change
    await database.close()


@asynccontextmanager
async def raw_sqlite(url: str) -> AsyncIterator[Change]:
    """apsw, one COMMIT for each row."""
    connection = apsw.Connection(url.removeprefix("sqlite:"))
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "full")
    connection.pragma("foreign_keys", True)

    async def change(row_id: str) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO organizations VALUES (?, ?, ?)", (row_id, "a name", 0))
        connection.execute("COMMIT")

    yield change
    connection.close()


@asynccontextmanager
async def raw_postgres(url: str) -> AsyncIterator[Change]:
    """asyncpg's pool, one COMMIT for each row."""
    async with asyncpg.create_pool(url, min_size=1, max_size=POOL_SIZE) as pool:

        async def change(row_id: str) -> None:
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute("INSERT INTO organizations VALUES ($1, $2, $3)", row_id, "a name", 0)

        yield change


async def rate(change: Change, callers: int, seconds: float, numbers: Iterator[int]) -> float:
    """Transactions per second of that many callers."""
    done = 0
    begun = time.perf_counter()
    end = begun + seconds

    async def call() -> None:
        nonlocal done
        while time.perf_counter() < end:
            await change(f"{next(numbers):012}")
            done += 1

    await asyncio.gather(*(call() for _ in range(callers)))
    return done / (time.perf_counter() - begun)


async def compare(name: str, url: str, seconds: float, rounds: int) -> list[Figure]:
    """One figure for each number of callers."""
    figures = []
    await migrate(url)
    numbers = itertools.count()
    sides = (parley_side, raw_sqlite if url.startswith("sqlite:") else raw_postgres)
    for callers in (1, CALLERS):
        rates: list[list[float]] = [[], []]
        for _ in range(rounds):
            for found, side in zip(rates, sides, strict=True):
                async with side(url) as change:
                    await rate(change, callers, seconds / 10, numbers)  # connections, statement caches
                    found.append(await rate(change, callers, seconds, numbers))
        ours, raw = (statistics.median(found) for found in rates)
        label = "serial" if callers == 1 else f"{callers} callers"
        detail = f"{ours:,.0f} against {raw:,.0f} per second"
        figures.append(Figure(name=f"{name} transactions, {label}, of raw", value=ours / raw, detail=detail))
    return figures


@contextmanager
def durable_postgres() -> Iterator[PostgresServer]:
    """The tests' private server, with the safety against power loss that tests do without."""
    with postgres_server() as server:
        server.stop()
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            server._command[server._command.index(f"{setting}=off")] = f"{setting}=on"
        server.start()
        yield server


async def measure(seconds: float = 2.0, rounds: int = 3) -> list[Figure]:
    """Both databases."""
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        figures = await compare("SQLite", f"sqlite:{Path(folder) / 'parley.sqlite3'}", seconds, rounds)
    try:
        with durable_postgres() as server:
            figures += await compare("PostgreSQL", server.url(server.create_database()), seconds, rounds)
    except pytest.skip.Exception as missing:
        print(f"PostgreSQL not measured: {missing}")
    return figures


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="of each side")
    options = parser.parse_args()
    print(table(uvloop.run(measure(options.seconds, options.rounds))))


if __name__ == "__main__":
    main()
