"""Every statement about what is planned: meetings, presets and participants."""

from __future__ import annotations

import functools
from typing import Any, TypeVar

import msgspec
from sqlalchemy import ColumnElement, and_, bindparam, delete, func, or_, select, update

from parley.accounts.scope import AppScope, Change
from parley.base.ids import MeetingId, ParticipantId, PresetId
from parley.base.paging import Page, PageRequest
from parley.base.times import to_ms
from parley.meetings.model import Invited, Meeting, MeetingFilter, Participant, SessionStatus
from parley.meetings.presets import Preset, PresetName
from parley.store.query import Query, insert_row, like_pattern
from parley.store.rows import RowMap
from parley.store.schema import tables as t

T = TypeVar("T", bound=msgspec.Struct)
_meetings = RowMap(Meeting, t.meetings)
_presets = RowMap(Preset, t.presets)
_preset_names = RowMap(PresetName, t.presets)
_participants = RowMap(Participant, t.participants)
m, p, r = t.meetings.c, t.participants.c, t.presets.c
_APP: Any = bindparam("app_id")
_FIXED = {"id", "app_id", "meeting_id", "parent_id", "custom_participant_id", "created_at"}
"""Columns that no edit changes."""


def _update_row(table: Any) -> Query:
    """An UPDATE of one row by id; `_id` and every changeable column are parameters."""
    changeable = [column for column in table.columns if column.name not in _FIXED]
    return Query(
        update(table)
        .where(table.c.app_id == _APP, table.c.id == bindparam("id"))
        .values({column.name: bindparam(column.name) for column in changeable})
    )


# --- meetings ---------------------------------------------------------------------------------

_one_meeting = (m.app_id == _APP, m.id == bindparam("id"))
_INSERT_MEETING = insert_row(t.meetings)
_MEETING = Query(select(*_meetings.columns).where(*_one_meeting))
_LOCK_MEETING = Query(select(*_meetings.columns).where(*_one_meeting).with_for_update())
_PUT_MEETING = _update_row(t.meetings)
_RETITLE_LIVE_SESSION = Query(
    update(t.sessions)
    .where(
        t.sessions.c.app_id == _APP,
        t.sessions.c.meeting_id == bindparam("meeting"),
        t.sessions.c.status == SessionStatus.LIVE,
    )
    .values(title=bindparam("title"), updated_at=bindparam("now"))
)


@functools.cache
def _meetings_as(shape: type[T]) -> RowMap[T]:
    return RowMap(shape, t.meetings)


@functools.cache
def _list_meetings(shape: type[msgspec.Struct], given: frozenset[str]) -> tuple[Query, Query]:
    """A page's rows, each with the number of all rows behind it; and that number alone."""
    wanted: list[ColumnElement[bool]] = [m.app_id == _APP, m.parent_id.is_(None)]
    if "pattern" in given:
        wanted.append(
            or_(func.lower(m.title).like(bindparam("pattern"), escape="\\"), m.id == bindparam("search"))
        )
    if "status" in given:
        wanted.append(m.status == bindparam("status"))
    if "from_ms" in given:
        wanted.append(m.created_at >= bindparam("from_ms"))
    if "to_ms" in given:
        wanted.append(m.created_at <= bindparam("to_ms"))
    where = and_(*wanted)
    count = select(func.count()).select_from(t.meetings).where(where).correlate(None)
    rows = select(*_meetings_as(shape).columns, count.scalar_subquery()).where(where)
    rows = rows.order_by(m.created_at.desc(), m.id.desc()).limit(bindparam("size")).offset(bindparam("skip"))
    return Query(rows), Query(count)


async def insert_meeting(scope: AppScope | Change, meeting: Meeting) -> None:
    """Add a meeting, as a change of its own or within another."""
    await scope.run(_INSERT_MEETING, **_meetings.write(meeting))


async def get_meeting(scope: AppScope, meeting_id: MeetingId) -> Meeting | None:
    """A meeting of the app, breakout rooms included."""
    row = await scope.one(_MEETING, id=meeting_id)
    return _meetings.read(row) if row else None


async def lock_meeting(change: Change, meeting_id: MeetingId) -> Meeting | None:
    """The same, for a change of it."""
    row = await change.one(_LOCK_MEETING, id=meeting_id)
    return _meetings.read(row) if row else None


async def put_meeting(change: Change, meeting: Meeting) -> None:
    """Store a changed meeting."""
    await change.run(_PUT_MEETING, **_meetings.write(meeting))


async def retitle_live_session(change: Change, meeting_id: MeetingId, title: str) -> None:
    """Let a running session carry the meeting's new title."""
    await change.run(_RETITLE_LIVE_SESSION, meeting=meeting_id, title=title, now=to_ms(change.now()))


async def list_meetings(scope: AppScope, wanted: MeetingFilter, page: PageRequest, shape: type[T]) -> Page[T]:
    """A page of the app's main meetings, newest first, each as that shape."""
    params: dict[str, Any] = {}
    if wanted.search:
        params |= {"pattern": like_pattern(wanted.search), "search": wanted.search}
    if wanted.status is not None:
        params["status"] = wanted.status.value
    if wanted.created_from is not None:
        params["from_ms"] = to_ms(wanted.created_from)
    if wanted.created_to is not None:
        params["to_ms"] = to_ms(wanted.created_to)
    rows, count = _list_meetings(shape, frozenset(params))
    found = await scope.all(rows, **params, size=page.size, skip=page.skip)
    # Each row carries the total, so that one look-up tells both; beyond the last page there is no row.
    last = found[0] if found else await scope.one(count, **params)
    assert last is not None
    return Page(_meetings_as(shape).read_all(found), last[-1], page)


# --- presets ----------------------------------------------------------------------------------

_one_preset = (r.app_id == _APP, r.id == bindparam("id"))
_INSERT_PRESET = insert_row(t.presets)
_PRESET = Query(select(*_presets.columns).where(*_one_preset))
_LOCK_PRESET = Query(select(*_presets.columns).where(*_one_preset).with_for_update())
_HOLD_PRESET_BY_NAME = Query(
    # Held until the commit: a preset that somebody is just getting cannot be deleted meanwhile.
    select(*_preset_names.columns)
    .where(r.app_id == _APP, r.name == bindparam("name"))
    .with_for_update(read=True, key_share=True)
)
_PUT_PRESET = _update_row(t.presets)
_DELETE_PRESET = Query(delete(t.presets).where(*_one_preset))
_PRESET_USERS = Query(
    select(func.count()).select_from(t.participants).where(p.app_id == _APP, p.preset_id == bindparam("id"))
)


@functools.cache
def _list_presets(searching: bool) -> tuple[Query, Query]:
    wanted: list[ColumnElement[bool]] = [r.app_id == _APP]
    if searching:
        wanted.append(
            or_(func.lower(r.name).like(bindparam("pattern"), escape="\\"), r.id == bindparam("search"))
        )
    where = and_(*wanted)
    rows = select(*_preset_names.columns).where(where).order_by(r.created_at.desc(), r.id.desc())
    return (
        Query(rows.limit(bindparam("size")).offset(bindparam("skip"))),
        Query(select(func.count()).select_from(t.presets).where(where)),
    )


async def insert_preset(change: Change, preset: Preset) -> None:
    """Add a preset.

    Raises:
        AlreadyExists: the app has one of that name.
    """
    await change.tx.run(_INSERT_PRESET, **_presets.write(preset))


async def get_preset(scope: AppScope, preset_id: PresetId) -> Preset | None:
    """A preset of the app."""
    row = await scope.one(_PRESET, id=preset_id)
    return _presets.read(row) if row else None


async def lock_preset(change: Change, preset_id: PresetId) -> Preset | None:
    """The same, for a change of it."""
    row = await change.one(_LOCK_PRESET, id=preset_id)
    return _presets.read(row) if row else None


async def hold_preset_by_name(change: Change, name: str) -> PresetName | None:
    """The preset of that name, which stays until the change is committed."""
    row = await change.one(_HOLD_PRESET_BY_NAME, name=name)
    return _preset_names.read(row) if row else None


async def put_preset(change: Change, preset: Preset) -> None:
    """Store a changed preset.

    Raises:
        AlreadyExists: another one has its new name.
    """
    await change.run(_PUT_PRESET, **_presets.write(preset))


async def count_preset_users(change: Change, preset_id: PresetId) -> int:
    """How many participants have the preset."""
    row = await change.one(_PRESET_USERS, id=preset_id)
    assert row is not None
    return int(row[0])


async def delete_preset(change: Change, preset_id: PresetId) -> None:
    """Remove a preset that nobody has."""
    await change.run(_DELETE_PRESET, id=preset_id)


async def list_presets(scope: AppScope, search: str | None, page: PageRequest) -> Page[PresetName]:
    """A page of the app's presets, newest first."""
    params = {"pattern": like_pattern(search), "search": search} if search else {}
    rows, count = _list_presets(bool(search))
    found = await scope.all(rows, **params, size=page.size, skip=page.skip)
    total = await scope.one(count, **params)
    assert total is not None
    return Page(_preset_names.read_all(found), total[0], page)


# --- participants -----------------------------------------------------------------------------

_in_meeting = (p.app_id == _APP, p.meeting_id == bindparam("meeting"))
_invited = select(*_participants.columns, r.name).join(t.presets, r.id == p.preset_id)
_INSERT_PARTICIPANT = insert_row(t.participants)
_PARTICIPANT = Query(_invited.where(*_in_meeting, p.id == bindparam("id")))
_LOCK_PARTICIPANT = Query(
    _invited.where(*_in_meeting, p.id == bindparam("id")).with_for_update(of=t.participants)
)
_PUT_PARTICIPANT = _update_row(t.participants)
_DELETE_PARTICIPANT = Query(delete(t.participants).where(p.app_id == _APP, p.id == bindparam("id")))
_PARTICIPANTS = Query(
    _invited.where(*_in_meeting)
    .order_by(p.created_at.desc(), p.id.desc())
    .limit(bindparam("size"))
    .offset(bindparam("skip"))
)
_COUNT_PARTICIPANTS = Query(select(func.count()).select_from(t.participants).where(*_in_meeting))
_PARTICIPANT_AND_ALL = Query(
    select(*_participants.columns, *_presets.columns, *_meetings.columns)
    .join(t.presets, r.id == p.preset_id)
    .join(t.meetings, m.id == p.meeting_id)
    .where(p.app_id == _APP, p.id == bindparam("id"))
)


def _read_invited(row: Any) -> Invited:
    return Invited(_participants.read(row[:-1]), row[-1])


async def insert_participant(change: Change, participant: Participant) -> None:
    """Add a participant.

    Raises:
        AlreadyExists: the meeting has one with that custom id.
    """
    await change.run(_INSERT_PARTICIPANT, **_participants.write(participant))


async def get_participant(
    scope: AppScope, meeting_id: MeetingId, participant_id: ParticipantId
) -> Invited | None:
    """A participant of the meeting."""
    row = await scope.one(_PARTICIPANT, meeting=meeting_id, id=participant_id)
    return _read_invited(row) if row else None


async def get_participant_with_preset(
    scope: AppScope, participant_id: ParticipantId
) -> tuple[Participant, Preset, Meeting] | None:
    """A participant of the app, with everything that decides about them."""
    row = await scope.one(_PARTICIPANT_AND_ALL, id=participant_id)
    if row is None:
        return None
    values = list(row)
    second = len(_participants.columns)
    third = second + len(_presets.columns)
    return (
        _participants.read(values[:second]),
        _presets.read(values[second:third]),
        _meetings.read(values[third:]),
    )


async def lock_participant(
    change: Change, meeting_id: MeetingId, participant_id: ParticipantId
) -> Invited | None:
    """A participant of the meeting, for a change of it."""
    row = await change.one(_LOCK_PARTICIPANT, meeting=meeting_id, id=participant_id)
    return _read_invited(row) if row else None


async def put_participant(change: Change, participant: Participant) -> None:
    """Store a changed participant."""
    await change.run(_PUT_PARTICIPANT, **_participants.write(participant))


async def delete_participant(change: Change, participant_id: ParticipantId) -> None:
    """Remove a participant; what they did in sessions stays."""
    await change.run(_DELETE_PARTICIPANT, id=participant_id)


async def list_participants(scope: AppScope, meeting_id: MeetingId, page: PageRequest) -> Page[Invited]:
    """A page of the meeting's participants, newest first."""
    found = await scope.all(_PARTICIPANTS, meeting=meeting_id, size=page.size, skip=page.skip)
    total = await scope.one(_COUNT_PARTICIPANTS, meeting=meeting_id)
    assert total is not None
    return Page([_read_invited(row) for row in found], total[0], page)
