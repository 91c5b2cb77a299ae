"""Every statement of receipts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Table, and_, bindparam, case, delete, or_, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.sql import Executable

from parley.base.ids import AppId
from parley.store.ports import Reader, Transaction
from parley.store.query import DialectName, Query, Statement, upsert
from parley.store.schema import channels as c

r, steps, marks = c.receipts.c, c.reading_steps.c, c.reading_marks.c


def _is_users(table: Table) -> Any:
    return and_(
        table.c.app_id == bindparam("app_id"),
        table.c.channel == bindparam("channel"),
        table.c.user_id == bindparam("user_id"),
    )


def _advance(column: str) -> Statement:
    """Move a mark forward, never back; changes no row when it is there already."""

    def build(dialect: DialectName) -> Executable:
        made: Any = (sqlite_insert if dialect == "sqlite" else postgres_insert)(c.reading_marks)
        made = made.values({each.name: bindparam(each.name) for each in c.reading_marks.columns})
        mark = c.reading_marks.c[column]
        changed = {column: made.excluded[column], "updated_at": made.excluded.updated_at}
        done: Executable = made.on_conflict_do_update(
            index_elements=["app_id", "channel", "user_id"], set_=changed, where=mark < made.excluded[column]
        )
        return done

    return build


_FIRST_STEP = (
    select(steps.read_at)
    .where(_is_users(c.reading_steps), steps.read_to >= bindparam("offset"))
    .order_by(steps.read_to)
    .limit(1)
)
_ONE = select(r.read_at).where(_is_users(c.receipts), r.offset == bindparam("offset"))
_FIRST_READ = Query(select(_ONE.scalar_subquery(), _FIRST_STEP.scalar_subquery()))
_ADD_RECEIPT = Query(upsert(c.receipts, ["app_id", "channel", "offset", "user_id"]))
_ADVANCE_READ = Query(_advance("read_to"))
_ADVANCE_DELIVERED = Query(_advance("delivered_to"))
_ADD_STEP = Query(upsert(c.reading_steps, ["app_id", "channel", "user_id", "read_to"]))
_RECEIPTS = Query(
    select(r.user_id, r.read_at).where(
        r.app_id == bindparam("app_id"), r.channel == bindparam("channel"), r.offset == bindparam("offset")
    )
)
_PASSED = Query(
    select(
        marks.user_id,
        select(steps.read_at)
        .where(
            steps.app_id == marks.app_id,
            steps.channel == marks.channel,
            steps.user_id == marks.user_id,
            steps.read_to >= bindparam("offset"),
        )
        .order_by(steps.read_to)
        .limit(1)
        .scalar_subquery(),
        case((marks.delivered_to >= bindparam("offset"), 1), else_=0),
    ).where(
        marks.app_id == bindparam("app_id"),
        marks.channel == bindparam("channel"),
        or_(marks.read_to >= bindparam("offset"), marks.delivered_to >= bindparam("offset")),
    )
)
_PURGES = [
    Query(delete(c.receipts).where(r.app_id == bindparam("app_id"), r.read_at <= bindparam("expired"))),
    Query(
        delete(c.reading_steps).where(
            steps.app_id == bindparam("app_id"), steps.read_at <= bindparam("expired")
        )
    ),
    Query(
        delete(c.reading_marks).where(
            marks.app_id == bindparam("app_id"), marks.updated_at <= bindparam("expired")
        )
    ),
]


async def first_read(
    reader: Reader, app_id: AppId, channel: str, offset: int, user_id: str
) -> tuple[int | None, int | None]:
    """When the user marked the message itself, and when the user first marked everything up to it; ms."""
    row = await reader.one(_FIRST_READ, app_id=app_id, channel=channel, offset=offset, user_id=user_id)
    assert row is not None
    return row[0], row[1]


async def add_receipt(
    tx: Transaction, app_id: AppId, channel: str, offset: int, user_id: str, now_ms: int
) -> bool:
    """The user has read one message; False when that was known."""
    added = await tx.run(
        _ADD_RECEIPT, app_id=app_id, channel=channel, offset=offset, user_id=user_id, read_at=now_ms
    )
    return added > 0


async def add_step(
    tx: Transaction, app_id: AppId, channel: str, offset: int, user_id: str, now_ms: int
) -> bool:
    """The user has read everything up to there; False when that was known."""
    moved = await tx.run(
        _ADVANCE_READ,
        app_id=app_id,
        channel=channel,
        user_id=user_id,
        read_to=offset,
        delivered_to=0,
        updated_at=now_ms,
    )
    if not moved:
        return False
    await tx.run(_ADD_STEP, app_id=app_id, channel=channel, user_id=user_id, read_to=offset, read_at=now_ms)
    return True


async def advance_delivered(
    tx: Transaction, arrived: Sequence[tuple[AppId, str, str, int]], now_ms: int
) -> None:
    """Everything up to those places has arrived: app, channel, user, offset of each."""
    await tx.run_many(
        _ADVANCE_DELIVERED,
        [
            {
                "app_id": app_id,
                "channel": channel,
                "user_id": user_id,
                "read_to": 0,
                "delivered_to": offset,
                "updated_at": now_ms,
            }
            for app_id, channel, user_id, offset in arrived
        ],
    )


async def readers(
    reader: Reader, app_id: AppId, channel: str, offset: int
) -> tuple[dict[str, int], list[str]]:
    """Who has read a message, with the first time in ms; and to whom it was delivered."""
    alone = await reader.all(_RECEIPTS, app_id=app_id, channel=channel, offset=offset)
    read_at: dict[str, int] = {row[0]: row[1] for row in alone}
    delivered = []
    for user_id, at_ms, is_delivered in await reader.all(
        _PASSED, app_id=app_id, channel=channel, offset=offset
    ):
        if at_ms is not None:
            read_at[user_id] = min(at_ms, read_at.get(user_id, at_ms))
        if is_delivered:
            delivered.append(user_id)
    return read_at, delivered


async def purge_expired(tx: Transaction, app_id: AppId, expired_ms: int) -> None:
    """Forget what was noted then or before: it is about messages that are older still."""
    for purge in _PURGES:
        await tx.run(purge, app_id=app_id, expired=expired_ms)
