"""Every statement of rooms."""

from __future__ import annotations

from sqlalchemy import bindparam, func, select, update

from parley.accounts.scope import AppScope, Change
from parley.base.paging import Page, PageRequest
from parley.base.times import to_ms
from parley.rooms.model import Room, RoomStatus
from parley.store.query import Query, insert_row
from parley.store.rows import RowMap
from parley.store.schema import channels as c

_rooms = RowMap(Room, c.rooms)
r = c.rooms.c
_INSERT = insert_row(c.rooms)
_ONE = Query(select(*_rooms.columns).where(r.app_id == bindparam("app_id"), r.id == bindparam("id")))
_PAGE = Query(
    select(*_rooms.columns)
    .where(r.app_id == bindparam("app_id"))
    .order_by(r.created_at.desc(), r.id)
    .limit(bindparam("size"))
    .offset(bindparam("skip"))
)
_COUNT = Query(select(func.count()).select_from(c.rooms).where(r.app_id == bindparam("app_id")))
_END = Query(
    update(c.rooms)
    .where(r.app_id == bindparam("app_id"), r.id == bindparam("room"), r.status == RoomStatus.OPEN.value)
    .values(status=RoomStatus.ENDED.value, ended_at=bindparam("at"))
)


async def insert(change: Change, room: Room) -> None:
    """Add a room."""
    await change.run(_INSERT, **_rooms.write(room))


async def get(reader: AppScope | Change, room_id: str) -> Room | None:
    """A room of the app."""
    row = await reader.one(_ONE, id=room_id)
    return _rooms.read(row) if row else None


async def page(scope: AppScope, wanted: PageRequest) -> Page[Room]:
    """A page of the app's rooms, newest first."""
    rows = await scope.all(_PAGE, size=wanted.size, skip=wanted.skip)
    total = await scope.one(_COUNT)
    assert total is not None
    return Page([_rooms.read(row) for row in rows], total[0], wanted)


async def end(change: Change, room_id: str) -> bool:
    """Mark ended; False when it was already."""
    return bool(await change.run(_END, room=room_id, at=to_ms(change.now())))
