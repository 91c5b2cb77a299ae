"""Round trips through a real table of every kind of field."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from enum import IntEnum, StrEnum
from typing import Annotated, Any, NewType

import msgspec
import pytest
from sqlalchemy import BigInteger, Boolean, Column, Integer, MetaData, Table, Text, bindparam, select, text

from parley.store.query import SystemQuery
from parley.store.rows import RowMap, Stored

ThingId = NewType("ThingId", str)


class Colour(StrEnum):
    RED = "red"


class Stage(IntEnum):
    ON = 2


class Inner(msgspec.Struct, frozen=True):
    at: datetime
    tags: list[str]


class Thing(msgspec.Struct, frozen=True):
    id: ThingId
    is_on: bool
    colour: Colour
    stage: Stage
    size: int
    at: datetime
    ends_at: datetime | None
    maybe: Colour | None
    inner: Inner | None
    tags: list[str]
    extra: dict[str, Any]


things = Table(
    "things",
    MetaData(),
    Column("not_mapped", Text),
    Column("extra", Text, nullable=False),
    Column("id", Text, primary_key=True),
    Column("is_on", Boolean, nullable=False),
    Column("colour", Text, nullable=False),
    Column("stage", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("ends_at", BigInteger),
    Column("maybe", Text),
    Column("inner", Text),
    Column("tags", Text, nullable=False),
)
thing_rows = RowMap(Thing, things)
_CREATE = SystemQuery(
    text(
        "CREATE TABLE things (not_mapped TEXT, extra TEXT, id TEXT, is_on BOOLEAN, colour TEXT, "
        'stage INTEGER, size BIGINT, "at" BIGINT, ends_at BIGINT, maybe TEXT, "inner" TEXT, tags TEXT)'
    )
)
_INSERT = SystemQuery(
    things.insert().values({c.name: bindparam(c.name, type_=c.type) for c in thing_rows.columns})
)
_SELECT = SystemQuery(select(*thing_rows.columns))

AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
FULL = Thing(
    id=ThingId("a"),
    is_on=True,
    colour=Colour.RED,
    stage=Stage.ON,
    size=2**40,
    at=AT,
    ends_at=AT,
    maybe=Colour.RED,
    inner=Inner(AT, ["x"]),
    tags=["ü", ""],
    extra={"k": [1, None, {"deep": True}]},
)
BARE = msgspec.structs.replace(
    FULL, is_on=False, size=0, ends_at=None, maybe=None, inner=None, tags=[], extra={}
)


async def _stored(database, thing: Thing) -> Thing:
    async with database.transaction() as tx:
        await tx.run(_CREATE)
        await tx.run(_INSERT, **thing_rows.write(thing))
    return thing_rows.read(await database.one(_SELECT))


@pytest.mark.parametrize("thing", [FULL, BARE], ids=["full", "bare"])
async def test_what_is_written_is_read(database, thing):
    read = await _stored(database, thing)
    assert read == thing
    assert [type(getattr(read, f)) for f in thing.__struct_fields__] == [
        type(getattr(thing, f)) for f in thing.__struct_fields__
    ]


async def test_an_instant_comes_back_in_utc_cut_to_milliseconds(database):
    at = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=timezone(timedelta(hours=2)))
    read = await _stored(database, msgspec.structs.replace(FULL, at=at))
    assert read.at == at.replace(microsecond=678_000)
    assert read.at.utcoffset() == timedelta(0)


class ByName(Thing, frozen=True, kw_only=True):
    """The same, which can only be made with names."""

    not_mapped: str | None


@pytest.mark.parametrize("shape", [Thing, ByName])
async def test_many_rows_are_read_like_each_of_them(database, shape):
    rows_of_shape = RowMap(shape, things)
    async with database.transaction() as tx:
        await tx.run(_CREATE)
        for thing in (FULL, BARE):
            await tx.run(_INSERT, **thing_rows.write(thing))
    found = await database.all(SystemQuery(select(*rows_of_shape.columns)))
    assert rows_of_shape.read_all(found) == [rows_of_shape.read(row) for row in found]
    assert [thing.ends_at for thing in rows_of_shape.read_all(found)] == [AT, None]
    assert rows_of_shape.read_all([]) == []


class Shown(msgspec.Struct, frozen=True):
    """What a list might show of a thing."""

    at: Annotated[int, Stored(lambda ms: ms // 1000)]
    ends_at: Annotated[str, Stored(str, null="never")]
    is_on: bool


async def test_a_field_may_say_how_it_is_made_of_what_is_stored(database):
    shown = RowMap(Shown, things)
    async with database.transaction() as tx:
        await tx.run(_CREATE)
        for thing in (FULL, BARE):
            await tx.run(_INSERT, **thing_rows.write(thing))
    found = await database.all(SystemQuery(select(*shown.columns)))
    second = int(AT.timestamp())
    expected = [Shown(second, str(second * 1000 + 678), True), Shown(second, "never", False)]
    assert shown.read_all(found) == [shown.read(row) for row in found] == expected


def test_a_field_without_a_column_is_an_error_at_start():
    class Wrong(msgspec.Struct):
        nowhere: str

    with pytest.raises(KeyError, match="nowhere"):
        RowMap(Wrong, things)
