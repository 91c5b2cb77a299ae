"""Every statement of realtime channels."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, select

from parley.base.ids import AppId
from parley.channels.realtime.model import Position, Publication
from parley.store.ports import Reader, Transaction
from parley.store.query import Query, SystemQuery, in_list, json_list, upsert
from parley.store.schema import channels as c
from parley.store.schema import tables as t

p = c.publications.c
_STORED = (p.offset, p.id, p.event, p.user_id, p.data, p.client_id, p.in_history, p.created_at)

_TAKE = Query(
    upsert(
        t.streams,
        ["app_id", "topic"],
        {"last_offset": t.streams.c.last_offset + bindparam("last_offset")},
        returning=[t.streams.c.epoch, t.streams.c.last_offset],
    )
)
_POSITION = Query(
    select(t.streams.c.epoch, t.streams.c.last_offset).where(
        t.streams.c.app_id == bindparam("app_id"), t.streams.c.topic == bindparam("topic")
    )
)
_POSITIONS = SystemQuery(
    select(t.streams.c.app_id, t.streams.c.topic, t.streams.c.epoch, t.streams.c.last_offset).where(
        in_list(t.streams.c.app_id, "apps"), in_list(t.streams.c.topic, "topics")
    )
)
_INSERT = Query(
    c.publications.insert().values(
        {column.name: bindparam(column.name) for column in c.publications.columns if column.name != "number"}
    )
)
_KNOWN = Query(
    select(p.client_id, p.user_id, *_STORED[:2], p.created_at).where(
        p.app_id == bindparam("app_id"),
        p.channel == bindparam("channel"),
        in_list(p.client_id, "client_ids"),
        p.created_at > bindparam("since"),
    )
)
_AFTER = Query(
    select(*_STORED)
    .where(
        p.app_id == bindparam("app_id"),
        p.channel == bindparam("channel"),
        p.offset > bindparam("after"),
        p.offset <= bindparam("to"),
    )
    .order_by(p.offset)
    .limit(bindparam("count"))
)


def _topic(channel: str) -> str:
    return f"channel:{channel}"


async def take_places(tx: Transaction, app_id: AppId, channel: str, count: int) -> Position:
    """Take the next places of a channel; others wait for theirs until this transaction ends.

    Returns the last place taken. With a count of 0 it only makes others wait (and the channel exist).
    """
    row = await tx.one(
        _TAKE, app_id=app_id, topic=_topic(channel), epoch=secrets.token_hex(4), last_offset=count
    )
    assert row is not None
    return Position(row[0], row[1])


async def position(reader: Reader, app_id: AppId, channel: str) -> Position | None:
    """The place of the newest publication, 0 without one; None when nobody has used the channel."""
    row = await reader.one(_POSITION, app_id=app_id, topic=_topic(channel))
    return Position(row[0], row[1]) if row else None


async def positions(
    reader: Reader, channels: Sequence[tuple[AppId, str]]
) -> dict[tuple[AppId, str], Position]:
    """The same of many channels, of any apps."""
    rows = await reader.all(
        _POSITIONS,
        apps=json_list({app_id for app_id, _ in channels}),
        topics=json_list({_topic(channel) for _, channel in channels}),
    )
    return {(AppId(row[0]), row[1].partition(":")[2]): Position(row[2], row[3]) for row in rows}


async def known(
    tx: Transaction, app_id: AppId, channel: str, client_ids: Sequence[str], since_ms: int
) -> dict[tuple[str | None, str], tuple[int, str, int]]:
    """What clients published under those ids since then: offset, id and time by (user, client's id)."""
    rows = await tx.all(
        _KNOWN, app_id=app_id, channel=channel, client_ids=json_list(client_ids), since=since_ms
    )
    return {(row[1], row[0]): (row[2], row[3], row[4]) for row in rows}


async def insert(tx: Transaction, publications: Sequence[Publication]) -> None:
    """Add publications, in this order."""
    await tx.run_many(_INSERT, [_row(one) for one in publications])


async def after(
    reader: Reader, app_id: AppId, channel: str, epoch: str, offset: int, to: int, count: int
) -> list[Publication]:
    """At most `count` publications behind `offset`, up to and including `to`, in order."""
    rows = await reader.all(_AFTER, app_id=app_id, channel=channel, after=offset, to=to, count=count)
    return [read(app_id, channel, epoch, row) for row in rows]


def read(app_id: AppId, channel: str, epoch: str, row: Any) -> Publication:
    """The publication of a row of `_STORED` columns."""
    offset, id_, event, user_id, data, client_id, in_history, created_ms = row
    return Publication(
        app_id=app_id,
        channel=channel,
        epoch=epoch,
        offset=offset,
        id=id_,
        event=event,
        user_id=user_id,
        data=data.encode(),
        client_id=client_id,
        in_history=bool(in_history),
        created_ms=created_ms,
    )


def _row(one: Publication) -> dict[str, Any]:
    return {
        "app_id": one.app_id,
        "channel": one.channel,
        "offset": one.offset,
        "id": one.id,
        "event": one.event,
        "user_id": one.user_id,
        "data": one.data.decode(),
        "client_id": one.client_id,
        "in_history": one.in_history,
        "created_at": one.created_ms,
    }
