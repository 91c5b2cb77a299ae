"""What a running meeting reads of what was planned: the meeting itself and its invitations."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, select

from parley.accounts.scope import AppScope
from parley.base.errors import NotFound
from parley.base.ids import MeetingId, ParticipantId
from parley.meetings.model import Meeting, Participant
from parley.meetings.presets import Preset
from parley.store.query import Query
from parley.store.rows import RowMap
from parley.store.schema import tables as t

_meetings = RowMap(Meeting, t.meetings)
_participants = RowMap(Participant, t.participants)
_presets = RowMap(Preset, t.presets)
_MEETING = Query(
    select(*_meetings.columns).where(
        t.meetings.c.app_id == bindparam("app_id"), t.meetings.c.id == bindparam("meeting")
    )
)
_INVITATION = Query(
    select(*_participants.columns, *_presets.columns)
    .join(t.presets, t.presets.c.id == t.participants.c.preset_id)
    .where(t.participants.c.app_id == bindparam("app_id"), t.participants.c.id == bindparam("participant"))
)


@dataclass(frozen=True, slots=True)
class Invitation:
    """A participant and what they may do."""

    participant: Participant
    preset: Preset


async def meeting_of(scope: AppScope, meeting_id: MeetingId) -> Meeting:
    """The meeting as it is planned now.

    Raises:
        NotFound: no such meeting in the app.
    """
    row = await scope.one(_MEETING, meeting=meeting_id)
    if row is None:
        raise NotFound(f"No meeting found with id {meeting_id}")
    return _meetings.read(row)


async def invitation(scope: AppScope, participant_id: ParticipantId) -> Invitation:
    """The participant with their present preset.

    Raises:
        NotFound: no such participant in the app (any more).
    """
    row = await scope.one(_INVITATION, participant=participant_id)
    if row is None:
        raise NotFound(f"No participant found with id {participant_id}")
    values, split = list(row), len(_participants.columns)
    return Invitation(_participants.read(values[:split]), _presets.read(values[split:]))
