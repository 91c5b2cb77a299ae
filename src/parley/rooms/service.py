"""Use cases of rooms."""

from __future__ import annotations

import re
import secrets

from parley.accounts.scope import AppScope, Change
from parley.base.errors import NotFound
from parley.base.ids import AppId
from parley.base.paging import Page, PageRequest
from parley.channels.realtime.events import RoomCreated
from parley.rooms import store
from parley.rooms.events import RoomEnded
from parley.rooms.meetings import store as meetings
from parley.rooms.model import NewRoom, Room, RoomStatus
from parley.store.core import Store

_ROOM_ID = re.compile(r"room_[0-9a-z]{1,60}", re.ASCII)


async def create_room(scope: AppScope, given: NewRoom, created_by: str | None) -> Room:
    """Make an open room."""
    async with scope.change() as change:
        return await create_in(change, scope.app_id, given, created_by)


async def create_in(change: Change, app_id: AppId, given: NewRoom, created_by: str | None) -> Room:
    """The same, as a part of a change."""
    room = Room(
        id=f"room_{secrets.token_hex(10)}",
        app_id=app_id,
        name=given.name,
        created_by=created_by,
        max_participants=given.max_participants,
        recording_enabled=given.recording_enabled,
        access=given.access,
        settings=given.settings,
        status=RoomStatus.OPEN,
        created_at=change.now(),
    )
    await store.insert(change, room)
    change.announce(
        RoomCreated(
            room_id=room.id,
            name=room.name,
            created_by=created_by,
            max_participants=room.max_participants,
            recording_enabled=room.recording_enabled,
        )
    )
    return room


async def change_in(
    change: Change, room_id: str, *, name: str, max_participants: int, recording_enabled: bool
) -> None:
    """Change a room as a part of a change; whoever is in it stays, even if it takes fewer from now on."""
    await store.put(change, room_id, name, max_participants, recording_enabled)


async def get_room(scope: AppScope, room_id: str) -> Room:
    """A room of the app, open or ended.

    Raises:
        NotFound: there is none of that id.
    """
    room = await store.get(scope, room_id) if _ROOM_ID.fullmatch(room_id) else None
    if room is None:
        raise NotFound("There is no such room.")
    return room


async def find_room(base: Store, room_id: str) -> Room:
    """A room of whichever app, open or ended.

    Raises:
        NotFound: there is none of that id.
    """
    room = await store.of_any_app(base.database, room_id) if _ROOM_ID.fullmatch(room_id) else None
    if room is None:
        raise NotFound("There is no such room.")
    return room


async def list_rooms(scope: AppScope, page: PageRequest, *, seen_by: str | None = None) -> Page[Room]:
    """A page of the app's rooms, newest first; of a user's view only open ones and the user's own."""
    return await store.page(scope, page, seen_by)


async def end_room(scope: AppScope, room_id: str) -> None:
    """Close a room for everybody; ending twice is fine.

    Raises:
        NotFound: there is none of that id.
    """
    await get_room(scope, room_id)
    async with scope.change() as change:
        await end_in(change, scope.app_id, room_id)


async def end_in(change: Change, app_id: AppId, room_id: str) -> None:
    """The same as a part of a change; a meeting that is held in the room ends with it."""
    await meetings.end_of_room(change, room_id)
    if await store.end(change, room_id):
        change.announce(RoomEnded(app_id=app_id, room_id=room_id))
