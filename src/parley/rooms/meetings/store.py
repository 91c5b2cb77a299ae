"""Every statement of meetings."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)

from parley.accounts.scope import AppScope, Change
from parley.base.ids import is_uuid
from parley.base.paging import Page, PageRequest
from parley.base.times import to_ms
from parley.rooms.meetings.model import Meeting, MeetingFilter, MeetingStatus, Seen
from parley.store.listing import Listing, Scoped, Sort, insert_numbered, update_fields
from parley.store.ports import Row
from parley.store.query import Query, in_list, json_list
from parley.store.rows import RowMap
from parley.store.schema import channels as t
from parley.store.schema import conversations as invited

k, rec = t.room_meetings.c, t.room_recordings.c
c, m = invited.conversations.c, invited.conversation_members.c
g, gu = invited.groups.c, invited.group_users.c
_map = RowMap(Meeting, t.room_meetings)
_INSERT = insert_numbered(t.room_meetings)
_APP: Any = bindparam("app_id")
_VIEWER: Any = bindparam("viewer")
_OF_APP = k.app_id == _APP
_IN_CONVERSATION = exists().where(m.app_id == _APP, m.conversation_id == c.id, m.user_id == _VIEWER)
_IN_GROUP = or_(
    g.created_by == _VIEWER,
    exists().where(gu.app_id == _APP, gu.group_id == g.id, gu.user_id == _VIEWER),
)
_CONVERSATION = (c.app_id == _APP, c.deleted_at.is_(None))
_GROUP = (g.app_id == _APP, g.deleted_at.is_(None))
_IS_SEEN = or_(
    k.host_unique_id == _VIEWER,
    exists().where(*_CONVERSATION, c.id == k.conversation_unique_id, _IN_CONVERSATION),
    exists().where(*_GROUP, g.id == k.group_unique_id, _IN_GROUP),
)
_RECORDING = (
    select(rec.id)
    .where(rec.app_id == k.app_id, rec.room_id == k.room_id)
    .order_by(rec.created_at.desc(), rec.id)
    .limit(1)
    .scalar_subquery()
)
_COLUMNS: tuple[ColumnElement[Any], ...] = (*_map.columns, _RECORDING)
_ONE = and_(_OF_APP, k.id == bindparam("id"))
_GET = {
    False: Query(select(*_COLUMNS).where(_ONE)),
    True: Query(select(*_COLUMNS).where(_ONE, _IS_SEEN)),
}
"""By whether it is seen through somebody's eyes."""
_LOCK = {
    False: Query(select(*_COLUMNS).where(_ONE).with_for_update()),
    True: Query(select(*_COLUMNS).where(_ONE, _IS_SEEN).with_for_update()),
}
_DELETE = Query(delete(t.room_meetings).where(_ONE))
_CHANGEABLE = (
    *("title", "description", "scheduled_at", "started_at", "ended_at", "meeting_url", "external_meeting_id"),
    *("max_participants", "is_recording", "status", "enabled", "payload", "updated_at"),
)
_SET = update_fields(t.room_meetings, _CHANGEABLE, _ONE)
_NAME: Any = bindparam("name")
_FIND_CONVERSATION = select(c.id).where(*_CONVERSATION, or_(c.id == _NAME, c.context_key == _NAME))
_CONVERSATIONS = {False: Query(_FIND_CONVERSATION), True: Query(_FIND_CONVERSATION.where(_IN_CONVERSATION))}
_FIND_GROUP = select(g.id).where(*_GROUP, g.id == _NAME)
_GROUPS = {False: Query(_FIND_GROUP), True: Query(_FIND_GROUP.where(_IN_GROUP))}
_WAS_ACTIVE = k.status == MeetingStatus.ACTIVE.value
_AT = bindparam("at", type_=BigInteger)
_END_OF_ROOM = Query(
    update(t.room_meetings)
    .where(
        _OF_APP,
        k.room_id == bindparam("room"),
        or_(_WAS_ACTIVE, k.status == MeetingStatus.SCHEDULED.value),
    )
    .values(
        status=case((_WAS_ACTIVE, MeetingStatus.ENDED.value), else_=MeetingStatus.CANCELLED.value),
        ended_at=case((_WAS_ACTIVE, _AT), else_=k.ended_at),
        updated_at=_AT,
    )
)
_KEY: Any = bindparam("conversation_unique_id")
_BY_KEY = select(c.id).where(c.app_id == _APP, c.context_key == _KEY).scalar_subquery()
_ALL = Listing(
    _COLUMNS,
    t.room_meetings,
    always=_OF_APP,
    filters={
        "viewer": _IS_SEEN,
        "host_unique_id": k.host_unique_id == bindparam("host_unique_id"),
        "conversation_unique_id": or_(k.conversation_unique_id == _KEY, k.conversation_unique_id == _BY_KEY),
        "group_unique_id": k.group_unique_id == bindparam("group_unique_id"),
        "statuses": in_list(k.status, "statuses"),
        "scheduled_after": k.scheduled_at >= bindparam("scheduled_after"),
        "scheduled_before": k.scheduled_at < bindparam("scheduled_before"),
    },
    sorts={
        "created_at": k.created_at,
        "updated_at": k.updated_at,
        # Databases disagree on where nothing is sorted; whatever has no date is for now.
        "scheduled_at": func.coalesce(k.scheduled_at, k.created_at),
        "started_at": func.coalesce(k.started_at, k.scheduled_at, k.created_at),
        "title": k.title,
    },
    tie=k.number,
)


async def add(change: Change, meeting: Meeting) -> None:
    """Add a meeting."""
    await change.run(_INSERT, **_map.write(meeting))


async def get(reader: Scoped, meeting_id: str, viewer: str | None) -> Seen | None:
    """A meeting, if the viewer (None = a server) sees it."""
    return await _read_one(reader, _GET, meeting_id, viewer)


async def lock(change: Change, meeting_id: str, viewer: str | None) -> Seen | None:
    """The same; nobody else changes it until the transaction ends."""
    return await _read_one(change, _LOCK, meeting_id, viewer)


async def put(change: Change, meeting: Meeting) -> None:
    """Write what can change of a meeting."""
    values = _map.write(meeting)
    await change.run(_SET, id=meeting.id, **{f"new_{name}": values[name] for name in _CHANGEABLE})


async def remove(change: Change, meeting_id: str) -> None:
    """Delete a meeting."""
    await change.run(_DELETE, id=meeting_id)


async def end_of_room(change: Change, room_id: str) -> None:
    """What is held in a room that ends is over as well."""
    await change.run(_END_OF_ROOM, room=room_id, at=to_ms(change.now()))


async def conversation_id(reader: Scoped, name: str, viewer: str | None) -> str | None:
    """The id of a conversation of that id or free text, if the viewer (None = a server) is in it."""
    return await _find(reader, _CONVERSATIONS, name, viewer)


async def group_id(reader: Scoped, name: str, viewer: str | None) -> str | None:
    """The id of a group, if the viewer (None = a server) sees it."""
    return await _find(reader, _GROUPS, name, viewer)


async def page(
    scope: AppScope, wanted: PageRequest, sort: Sort, which: MeetingFilter, viewer: str | None
) -> Page[Seen]:
    """A page of the meetings that the viewer (None = a server) sees."""
    statuses = [one.value for one in MeetingStatus if which.status in (one.value, one.standing)]
    rows, total = await _ALL.page(
        scope,
        wanted,
        sort,
        viewer=viewer,
        host_unique_id=which.host_unique_id,
        conversation_unique_id=_lower(which.conversation_unique_id),
        group_unique_id=_lower(which.group_unique_id),
        statuses=None if which.status is None else json_list(statuses),
        scheduled_after=None if which.scheduled_after is None else to_ms(which.scheduled_after),
        scheduled_before=None if which.scheduled_before is None else to_ms(which.scheduled_before),
    )
    return Page([_read(row) for row in rows], total, wanted)


def _read(row: Row) -> Seen:
    *columns, recording_id = row
    return Seen(_map.read(columns), recording_id)


async def _read_one(
    reader: Scoped, queries: dict[bool, Query], meeting_id: str, viewer: str | None
) -> Seen | None:
    eyes = {} if viewer is None else {"viewer": viewer}
    row = await reader.one(queries[viewer is not None], id=meeting_id, **eyes)
    return None if row is None else _read(row)


async def _find(reader: Scoped, queries: dict[bool, Query], name: str, viewer: str | None) -> str | None:
    eyes = {} if viewer is None else {"viewer": viewer}
    row = await reader.one(queries[viewer is not None], name=_lower(name), **eyes)
    return None if row is None else str(row[0])


def _lower(name: str | None) -> str | None:
    """Ids are kept in lower case."""
    return name.lower() if name is not None and is_uuid(name) else name
