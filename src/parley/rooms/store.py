"""Every statement of rooms."""

from __future__ import annotations

from sqlalchemy import ColumnElement, bindparam, func, or_, select, update

from parley.accounts.scope import AppScope, Change
from parley.base.paging import Page, PageRequest
from parley.base.times import to_ms
from parley.rooms.model import Recording, Room, RoomStatus
from parley.store.ports import Reader
from parley.store.query import Query, SystemQuery, insert_row
from parley.store.rows import RowMap
from parley.store.schema import channels as c

_rooms = RowMap(Room, c.rooms)
r = c.rooms.c
_INSERT = insert_row(c.rooms)
_ONE = Query(select(*_rooms.columns).where(r.app_id == bindparam("app_id"), r.id == bindparam("id")))
_ANYWHERE = SystemQuery(select(*_rooms.columns).where(r.id == bindparam("id")))
_ALL = (r.app_id == bindparam("app_id"),)
_SEEN = (*_ALL, or_(r.access == "open", r.created_by == bindparam("user_id")))
_END = Query(
    update(c.rooms)
    .where(r.app_id == bindparam("app_id"), r.id == bindparam("room"), r.status == RoomStatus.OPEN.value)
    .values(status=RoomStatus.ENDED.value, ended_at=bindparam("at"))
)
_SET = Query(
    update(c.rooms)
    .where(r.app_id == bindparam("app_id"), r.id == bindparam("room"))
    .values(
        name=bindparam("new_name"),
        max_participants=bindparam("new_limit"),
        recording_enabled=bindparam("new_recording"),
    )
)

RECORDINGS_SHOWN = 1_000
_recordings = RowMap(Recording, c.room_recordings)
rec = c.room_recordings.c
_INSERT_RECORDING = insert_row(c.room_recordings)
_RECORDINGS = Query(
    select(*_recordings.columns)
    .where(rec.app_id == bindparam("app_id"), rec.room_id == bindparam("room"))
    .order_by(rec.created_at.desc(), rec.id)
    .limit(RECORDINGS_SHOWN)
)
_BY_LINK = SystemQuery(select(*_recordings.columns).where(rec.id == bindparam("id")))


def _listing(*where: ColumnElement[bool]) -> tuple[Query, Query]:
    """A page, and how many there are."""
    chosen = select(*_rooms.columns).where(*where).order_by(r.created_at.desc(), r.id)
    return (
        Query(chosen.limit(bindparam("size")).offset(bindparam("skip"))),
        Query(select(func.count()).select_from(c.rooms).where(*where)),
    )


_OF_APP, _OF_USER = _listing(*_ALL), _listing(*_SEEN)


async def insert(change: Change, room: Room) -> None:
    """Add a room."""
    await change.run(_INSERT, **_rooms.write(room))


async def get(reader: AppScope | Change, room_id: str) -> Room | None:
    """A room of the app."""
    row = await reader.one(_ONE, id=room_id)
    return _rooms.read(row) if row else None


async def of_any_app(reader: Reader, room_id: str) -> Room | None:
    """A room by its id alone: what else its visitor needs is not decided here."""
    row = await reader.one(_ANYWHERE, id=room_id)
    return _rooms.read(row) if row else None


async def page(scope: AppScope, wanted: PageRequest, seen_by: str | None) -> Page[Room]:
    """A page of the app's rooms, newest first; those that a user may see, if one is named."""
    listing, count = _OF_APP if seen_by is None else _OF_USER
    who = {} if seen_by is None else {"user_id": seen_by}
    rows = await scope.all(listing, size=wanted.size, skip=wanted.skip, **who)
    total = await scope.one(count, **who)
    assert total is not None
    return Page([_rooms.read(row) for row in rows], total[0], wanted)


async def end(change: Change, room_id: str) -> bool:
    """Mark ended; False when it was already."""
    return bool(await change.run(_END, room=room_id, at=to_ms(change.now())))


async def put(
    change: Change, room_id: str, name: str, max_participants: int, recording_enabled: bool
) -> None:
    """Write what can change of a room."""
    await change.run(
        _SET, room=room_id, new_name=name, new_limit=max_participants, new_recording=recording_enabled
    )


async def insert_recording(change: Change, recording: Recording) -> None:
    """Add a recording."""
    await change.run(_INSERT_RECORDING, **_recordings.write(recording))


async def recordings(scope: AppScope, room_id: str) -> list[Recording]:
    """Those of a room, newest first; `RECORDINGS_SHOWN` at most."""
    return [_recordings.read(row) for row in await scope.all(_RECORDINGS, room=room_id)]


async def recording_by_link(reader: Reader, recording_id: str) -> Recording | None:
    """A recording by its id alone: its signed link is the credential."""
    row = await reader.one(_BY_LINK, id=recording_id)
    return _recordings.read(row) if row else None
