"""A table to write to in tests of the store itself, and what stands in it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select

from parley.store.ports import Reader, Transaction
from parley.store.query import SystemQuery
from parley.store.schema import tables as t

INSERT = SystemQuery(
    insert(t.organizations).values({c.name: bindparam(c.name, type_=c.type) for c in t.organizations.columns})
)
IDS = SystemQuery(select(t.organizations.c.id).order_by(t.organizations.c.id))
COUNT = SystemQuery(select(func.count()).select_from(t.organizations))
DELETE = SystemQuery(delete(t.organizations).where(t.organizations.c.id == bindparam("id")))


async def put(tx: Transaction, row_id: str, **changed: Any) -> None:
    """Add a row of that id."""
    await tx.run(INSERT, **{"id": row_id, "name": "a name", "created_at": 0} | changed)


async def ids(reader: Reader) -> list[str]:
    """Every row's id."""
    return [row[0] for row in await reader.all(IDS)]
