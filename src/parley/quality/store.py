"""Every statement about the quality of calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import bindparam, insert, select, update

from parley.accounts.scope import AppScope, Change
from parley.base.ids import PeerId, SessionId
from parley.base.times import to_ms
from parley.quality.model import Metadata, Sample, Stream
from parley.store.query import Query, in_list, json_list, upsert
from parley.store.schema import recordings as tables

m, q = tables.peer_metadata.c, tables.quality_samples.c
_this = (
    m.app_id == bindparam("app_id"),
    m.session_id == bindparam("session"),
    m.peer_id == bindparam("peer"),
)
_METADATA = Query(select(m.report).where(*_this))
_LOCK = Query(select(m.report).where(*_this).with_for_update())
_OPEN = Query(upsert(tables.peer_metadata, ["session_id", "peer_id"]))
_PUT = Query(
    update(tables.peer_metadata)
    .where(*_this)
    .values(report=bindparam("new_report"), updated_at=bindparam("now"))
)
_METADATA_OF_MANY = Query(
    select(m.peer_id, m.report).where(
        m.app_id == bindparam("app_id"), m.session_id == bindparam("session"), in_list(m.peer_id, "peers")
    )
)
_ADD = Query(
    insert(tables.quality_samples).values(
        {
            c.name: bindparam(c.name, type_=c.type)
            for c in tables.quality_samples.columns
            if c.name != "number"
        }
    )
)
_SAMPLES = Query(
    select(q.stream, q.sample)
    .where(
        q.app_id == bindparam("app_id"),
        q.session_id == bindparam("session"),
        q.peer_id == bindparam("peer"),
    )
    .order_by(q.number)
)
_read = msgspec.json.Decoder(Metadata).decode
_samples = msgspec.json.Decoder(list[Sample]).decode


async def lock_metadata(change: Change, session_id: SessionId, peer_id: PeerId) -> Metadata:
    """What is known of a peer; nobody else changes it before this change ends."""
    this = {"session": session_id, "peer": peer_id}
    row = await change.one(_LOCK, **this)
    if row is None:
        now = to_ms(change.now())
        await change.run(_OPEN, session_id=session_id, peer_id=peer_id, report="{}", updated_at=now)
        row = await change.one(_LOCK, **this)
    assert row is not None
    return _read(row[0])


async def put_metadata(change: Change, session_id: SessionId, peer_id: PeerId, known: Metadata) -> None:
    """Store it."""
    report = msgspec.json.encode(known).decode()
    await change.run(_PUT, session=session_id, peer=peer_id, new_report=report, now=to_ms(change.now()))


async def add_samples(
    change: Change,
    session_id: SessionId,
    peer_id: PeerId,
    measured: Iterable[tuple[datetime, Mapping[Stream, Sequence[Sample]]]],
    *,
    most_bytes: int | None = None,
) -> int:
    """Add what was measured of a peer, unless it takes more than that; returns how many bytes it took."""
    rows: list[dict[str, Any]] = [
        {
            "session_id": session_id,
            "peer_id": peer_id,
            "stream": stream.value,
            "sample": str(msgspec.json.encode(samples), "utf-8"),
            "at": to_ms(at),
        }
        for at, streams in measured
        for stream, samples in streams.items()
    ]
    size = sum(len(row["sample"]) for row in rows)
    if not rows or (most_bytes is not None and size > most_bytes):
        return 0
    await change.run_many(_ADD, rows)
    return size


async def metadata(scope: AppScope, session_id: SessionId, peer_id: PeerId) -> Metadata:
    """What is known of a peer."""
    row = await scope.one(_METADATA, session=session_id, peer=peer_id)
    return Metadata() if row is None else _read(row[0])


async def metadata_of(
    scope: AppScope, session_id: SessionId, peer_ids: Iterable[PeerId]
) -> dict[PeerId, Metadata]:
    """What is known of several peers."""
    rows = await scope.all(_METADATA_OF_MANY, session=session_id, peers=json_list(peer_ids))
    return {PeerId(row[0]): _read(row[1]) for row in rows}


async def samples(scope: AppScope, session_id: SessionId, peer_id: PeerId) -> list[tuple[str, str]]:
    """What was measured of a peer, oldest first: stream, and samples as JSON (`decoded`)."""
    return [(row[0], row[1]) for row in await scope.all(_SAMPLES, session=session_id, peer=peer_id)]


def decoded(rows: Iterable[tuple[str, str]]) -> dict[Stream, list[Sample]]:
    """Rows of `samples` by stream, in their order."""
    found: dict[Stream, list[Sample]] = {}
    for name, text in rows:
        found.setdefault(Stream(name), []).extend(_samples(text))
    return found
