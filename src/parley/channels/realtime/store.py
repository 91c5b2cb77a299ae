"""Every statement of realtime channels."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, bindparam, delete, select, text

from parley.base.ids import AppId
from parley.channels.realtime.model import Position, Publication, offset_of
from parley.store.ports import Reader, Transaction
from parley.store.query import Query, SystemQuery, in_list, json_list, upsert
from parley.store.schema import channels as c
from parley.store.schema import tables as t

p = c.publications.c
_PREFIX = "channel:"
"""Of the topic that counts a channel's places."""
STORED = (p.offset, p.id, p.event, p.user_id, p.data, p.client_id, p.in_history, p.is_event, p.created_at)
"""Columns in the order that `read` expects."""

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
    select(p.client_id, p.user_id, *STORED[:2], p.created_at).where(
        p.app_id == bindparam("app_id"),
        p.channel == bindparam("channel"),
        in_list(p.client_id, "client_ids"),
        # As the index has it. Ages are compared afterwards: SQLite would choose the index of ages for that,
        # and read all that the app has published in a day.
        p.client_id.is_not(None),
    )
)
_AFTER = Query(
    select(*STORED)
    .where(
        p.app_id == bindparam("app_id"),
        p.channel == bindparam("channel"),
        p.offset > bindparam("after"),
        p.offset <= bindparam("to"),
    )
    .order_by(p.offset)
    .limit(bindparam("count"))
)
_FIND = Query(
    select(*STORED).where(
        p.app_id == bindparam("app_id"),
        p.channel == bindparam("channel"),
        p.offset == bindparam("offset"),
        p.id == bindparam("id"),
    )
)
_in_history = and_(
    p.app_id == bindparam("app_id"),
    p.channel == bindparam("channel"),
    p.offset > bindparam("above"),
    p.offset < bindparam("below"),
    p.in_history.is_(True),
    p.created_at > bindparam("expired"),
)
_OLDER = Query(select(*STORED).where(_in_history).order_by(p.offset.desc()).limit(bindparam("count")))
_NEWER = Query(select(*STORED).where(_in_history).order_by(p.offset).limit(bindparam("count")))
_APPS = SystemQuery(
    select(t.apps.c.id).where(
        select(p.number).where(p.app_id == t.apps.c.id).correlate(t.apps).limit(1).exists()
    )
)
_PURGE_EXPIRED = Query(
    delete(c.publications)
    .where(
        p.number.in_(
            select(p.number)
            .where(p.app_id == bindparam("app_id"), p.created_at <= bindparam("expired"))
            .order_by(p.created_at)
            .limit(bindparam("count"))
        )
    )
    .returning(p.number)
)
_PURGE_PASSING = SystemQuery(
    delete(c.publications)
    .where(
        p.number.in_(
            select(p.number)
            .join(t.streams, and_(t.streams.c.app_id == p.app_id, t.streams.c.topic == _PREFIX + p.channel))
            .where(
                text("NOT publications.in_history"),  # as the index has it
                p.created_at < bindparam("before"),
                p.offset <= t.streams.c.last_offset - bindparam("kept"),
            )
            .limit(bindparam("count"))
        )
    )
    .returning(p.number)
)


def _topic(channel: str) -> str:
    return f"{_PREFIX}{channel}"


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
    rows = await tx.all(_KNOWN, app_id=app_id, channel=channel, client_ids=json_list(client_ids))
    return {(row[1], row[0]): (row[2], row[3], row[4]) for row in rows if row[4] > since_ms}


async def insert(tx: Transaction, publications: Sequence[Publication]) -> None:
    """Add publications, in this order."""
    await tx.run_many(_INSERT, [_row(one) for one in publications])


async def after(
    reader: Reader, app_id: AppId, channel: str, epoch: str, offset: int, to: int, count: int
) -> list[Publication]:
    """At most `count` publications behind `offset`, up to and including `to`, in order."""
    rows = await reader.all(_AFTER, app_id=app_id, channel=channel, after=offset, to=to, count=count)
    return [read(app_id, channel, epoch, row) for row in rows]


async def find(reader: Reader, app_id: AppId, channel: str, publication_id: str) -> Publication | None:
    """A publication of the channel that is on disk."""
    offset = offset_of(publication_id)
    if offset is None:
        return None
    row = await reader.one(_FIND, app_id=app_id, channel=channel, offset=offset, id=publication_id)
    return read(app_id, channel, "", row) if row else None


async def in_history(
    reader: Reader,
    app_id: AppId,
    channel: str,
    *,
    above: int = 0,
    below: int = 1 << 62,
    expired_ms: int,
    count: int,
    newest_first: bool,
) -> list[Publication]:
    """At most `count` publications of the history between two offsets, both exclusive."""
    rows = await reader.all(
        _OLDER if newest_first else _NEWER,
        app_id=app_id,
        channel=channel,
        above=above,
        below=below,
        expired=expired_ms,
        count=count,
    )
    return [read(app_id, channel, "", row) for row in rows]


async def apps_with_publications(reader: Reader) -> list[AppId]:
    """Every app that has any."""
    return [AppId(row[0]) for row in await reader.all(_APPS)]


async def purge_expired(tx: Transaction, app_id: AppId, expired_ms: int, count: int) -> list[int]:
    """Delete at most `count` publications of that time or before; returns their numbers."""
    return [row[0] for row in await tx.all(_PURGE_EXPIRED, app_id=app_id, expired=expired_ms, count=count)]


async def purge_passing(tx: Transaction, before_ms: int, kept: int, count: int) -> list[int]:
    """Delete at most `count` publications that are in no history, older than that, and not among the last
    `kept` of their channel; returns their numbers."""
    return [row[0] for row in await tx.all(_PURGE_PASSING, before=before_ms, kept=kept, count=count)]


def read(app_id: AppId, channel: str, epoch: str, row: Any) -> Publication:
    """The publication of a row of `STORED` columns."""
    offset, id_, event, user_id, data, client_id, in_history, is_event, created_ms = row
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
        is_event=bool(is_event),
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
        "is_event": one.is_event,
        "created_at": one.created_ms,
    }
