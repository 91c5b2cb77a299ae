"""Use cases of rooms."""

from __future__ import annotations

import secrets

from parley.accounts.scope import AppScope
from parley.base.errors import NotFound
from parley.base.paging import Page, PageRequest
from parley.rooms import store
from parley.rooms.events import RoomCreated, RoomEnded
from parley.rooms.model import NewRoom, Room, RoomStatus


async def create_room(scope: AppScope, given: NewRoom, created_by: str | None) -> Room:
    """Make an open room."""
    room = Room(
        id=f"room_{secrets.token_hex(10)}",
        app_id=scope.app_id,
        name=given.name,
        created_by=created_by,
        max_participants=given.max_participants,
        recording_enabled=given.recording_enabled,
        access=given.access,
        settings=given.settings,
        status=RoomStatus.OPEN,
        created_at=scope.now(),
    )
    async with scope.change() as change:
        await store.insert(change, room)
        change.announce(RoomCreated(room_id=room.id, room=room))
    return room


async def get_room(scope: AppScope, room_id: str) -> Room:
    """A room of the app, open or ended.

    Raises:
        NotFound: there is none of that id.
    """
    room = await store.get(scope, room_id) if room_id.isascii() and "\x00" not in room_id else None
    if room is None:
        raise NotFound("There is no such room.")
    return room


async def list_rooms(scope: AppScope, page: PageRequest) -> Page[Room]:
    """A page of the app's rooms, newest first."""
    return await store.page(scope, page)


async def end_room(scope: AppScope, room_id: str) -> None:
    """Close a room for everybody; ending twice is fine.

    Raises:
        NotFound: there is none of that id.
    """
    await get_room(scope, room_id)
    async with scope.change() as change:
        if await store.end(change, room_id):
            change.announce(RoomEnded(room_id=room_id))
