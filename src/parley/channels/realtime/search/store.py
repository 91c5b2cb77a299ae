"""Every statement of the index of words.

SQLite has it as FTS5, PostgreSQL as an array of words with a GIN index. Both are asked for numbers of
publications that have all words, the newest first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Text, bindparam, literal_column, select, text
from sqlalchemy.sql import Executable

from parley.base.ids import AppId
from parley.channels.realtime import store
from parley.channels.realtime.model import Publication
from parley.store.ports import Database, Reader, Transaction
from parley.store.query import DialectName, Query, SystemQuery, in_list, json_list
from parley.store.schema import channels as c

p = c.publications.c


class Horizon(NamedTuple):
    """Up to where publications are settled.

    On PostgreSQL numbers are given before the commit, so a lower one can appear after a higher one. It can no
    longer when every transaction has ended that was under way when the higher one was seen.
    """

    newest: int
    """The highest number that can be seen."""
    oldest_running: int
    """Transactions below have ended."""
    next_one: int
    """No transaction has begun from here on."""


class Progress(NamedTuple):
    """How far the index is."""

    indexed: int
    """Everything up to this number is in it."""
    reached: int
    """Everything up to this number can be seen when ..."""
    reached_at: int
    """... all transactions below this one have ended."""


class Match(NamedTuple):
    """A message that was found."""

    number: int
    channel: str
    offset: int
    id: str


class Unindexed(NamedTuple):
    """A publication that is not in the index."""

    number: int
    app_id: AppId
    channel: str
    offset: int
    id: str
    in_history: bool
    data: str


def _horizon(dialect: DialectName) -> Executable:
    if dialect == "sqlite":  # numbers follow the order of commits
        return text("SELECT coalesce(max(number), 0), 1, 1 FROM publications")
    return text(
        "SELECT coalesce(max(number), 0),"
        " CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint),"
        " CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint) FROM publications"
    )


def _add(dialect: DialectName) -> Executable:
    if dialect == "sqlite":
        made = text("INSERT OR REPLACE INTO search_index (rowid, words) VALUES (:number, :words)")
    else:
        made = text(
            "INSERT INTO search_index (number, words)"
            " VALUES (:number, string_to_array(:words, ' ')) ON CONFLICT (number) DO NOTHING"
        )
    return made.bindparams(bindparam("number", type_=BigInteger), bindparam("words", type_=Text))


def _forget(dialect: DialectName) -> Executable:
    if dialect == "sqlite":
        return text("DELETE FROM search_index WHERE rowid IN (SELECT value FROM json_each(:numbers))")
    return text(
        "DELETE FROM search_index WHERE number IN (SELECT CAST(value AS bigint)"
        " FROM jsonb_array_elements_text(CAST(CAST(:numbers AS text) AS jsonb)))"
    )


def _by_number(dialect: DialectName) -> Executable:
    # The plus keeps SQLite from taking an index of the app, here as in `_tail`.
    of_app = literal_column("+publications.app_id") if dialect == "sqlite" else p.app_id
    return select(p.number, p.channel, *store.STORED).where(
        of_app == bindparam("app_id"), in_list(p.number, "numbers")
    )


def _tail(dialect: DialectName) -> Executable:
    # Plain, SQLite would take the index of (app, age) and sort all of an app's messages for the last few.
    of_app, created_at = ("+app_id", "+created_at") if dialect == "sqlite" else ("app_id", "created_at")
    return text(
        'SELECT number, app_id, channel, "offset", id, in_history, data FROM publications'
        f" WHERE number > :after AND number < :below AND {of_app} = :app_id AND {created_at} > :expired"
        " AND in_history ORDER BY number DESC LIMIT :count"
    ).bindparams(*(bindparam(name, type_=BigInteger) for name in ("after", "below", "expired")))


def _matches(dialect: DialectName) -> Executable:
    if dialect == "sqlite":
        number, condition = "search_index.rowid", "search_index MATCH :words"
    else:
        number = "search_index.number"
        condition = "search_index.words @> string_to_array(CAST(:words AS text), ' ')"
    # The marks of app and channel in the index only narrow it down; the columns decide.
    return text(
        f'SELECT p.number, p.channel, p."offset", p.id FROM search_index'
        f" JOIN publications AS p ON p.number = {number}"
        f" WHERE {condition} AND {number} <= :upto AND p.app_id = :app_id AND p.created_at > :expired"
        f" AND (CAST(:channel AS text) IS NULL OR p.channel = :channel)"
        f" ORDER BY {number} DESC LIMIT :count"
    ).bindparams(bindparam("upto", type_=BigInteger), bindparam("expired", type_=BigInteger))


_HORIZON = SystemQuery(_horizon)
_PROGRESS = SystemQuery(text("SELECT indexed, reached, reached_at FROM search_progress"))
_LOCK = SystemQuery(text("UPDATE search_progress SET name = name RETURNING indexed, reached, reached_at"))
_SAVE = SystemQuery(
    text(
        "UPDATE search_progress SET indexed = :indexed, reached = :reached, reached_at = :reached_at"
    ).bindparams(*(bindparam(name, type_=BigInteger) for name in Progress._fields))
)
_STEP_BACK = SystemQuery(
    text(
        "UPDATE search_progress SET indexed = (SELECT coalesce(max(number), 0) FROM publications)"
        " WHERE indexed > (SELECT coalesce(max(number), 0) FROM publications)"
    )
)
_FOLLOWING = SystemQuery(
    select(p.number, p.app_id, p.channel, p.offset, p.id, p.in_history, p.data)
    .where(p.number > bindparam("after"), p.number <= bindparam("upto"))
    .order_by(p.number)
    .limit(bindparam("count"))
)
_TAIL = Query(_tail)
_ADD, _FORGET, _MATCHES = SystemQuery(_add), SystemQuery(_forget), Query(_matches)
_BY_NUMBER = Query(_by_number)


async def horizon(database: Database) -> Horizon:
    """See `Horizon`; outside a transaction, which would be one that is under way."""
    row = await database.one(_HORIZON)
    assert row is not None
    return Horizon(*row)


async def progress(reader: Reader) -> Progress:
    """See `Progress`."""
    row = await reader.one(_PROGRESS)
    assert row is not None
    return Progress(*row)


async def lock(tx: Transaction) -> Progress:
    """The progress; others wait for theirs until this transaction ends."""
    row = await tx.one(_LOCK)
    assert row is not None
    return Progress(*row)


async def save(tx: Transaction, made: Progress) -> None:
    """Replace the progress."""
    await tx.run(_SAVE, **made._asdict())


async def following(reader: Reader, after: int, upto: int, count: int) -> list[Unindexed]:
    """Publications behind a number, in order."""
    return [Unindexed(*row) for row in await reader.all(_FOLLOWING, after=after, upto=upto, count=count)]


async def add(tx: Transaction, entries: Sequence[tuple[int, Sequence[str]]]) -> None:
    """Put the words (and marks) of publications into the index."""
    await tx.run_many(_ADD, [{"number": number, "words": " ".join(words)} for number, words in entries])


async def forget(tx: Transaction, numbers: Sequence[int]) -> None:
    """Publications were deleted in this transaction.

    SQLite gives the highest numbers again once their rows are gone, so the index must not be ahead of them.
    """
    await tx.run(_FORGET, numbers=json_list(numbers))
    await tx.run(_STEP_BACK)


async def tail(
    reader: Reader, app_id: AppId, after: int, below: int, expired_ms: int, count: int
) -> list[Unindexed]:
    """An app's messages between two numbers, both exclusive, the newest first."""
    rows = await reader.all(_TAIL, app_id=app_id, after=after, below=below, expired=expired_ms, count=count)
    return [Unindexed(*row) for row in rows]


async def matches(
    database: Database,
    app_id: AppId,
    words: Sequence[str],
    channel: str | None,
    *,
    upto: int,
    expired_ms: int,
    count: int,
) -> list[Match]:
    """Indexed messages with all words (and marks) up to a number, the newest first."""
    quoted = " AND ".join(f'"{word}"' for word in words) if database.dialect == "sqlite" else " ".join(words)
    rows = await database.all(
        _MATCHES, app_id=app_id, words=quoted, channel=channel, upto=upto, expired=expired_ms, count=count
    )
    return [Match(*row) for row in rows]


async def by_number(reader: Reader, app_id: AppId, numbers: Sequence[int]) -> list[Publication]:
    """Those publications, the newest first."""
    rows: list[Any] = list(await reader.all(_BY_NUMBER, app_id=app_id, numbers=json_list(numbers)))
    rows.sort(key=lambda row: int(row[0]), reverse=True)
    return [store.read(app_id, row[1], "", row[2:]) for row in rows]
