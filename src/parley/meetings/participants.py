"""Use cases of participants: who is invited to a meeting, as what, and the tokens they join with."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from parley.accounts.model import Right
from parley.accounts.scope import AppScope, Change
from parley.base.errors import Conflict, NotFound
from parley.base.ids import MeetingId, ParticipantId, new_uuid
from parley.base.paging import Page, PageRequest
from parley.meetings import store
from parley.meetings.events import ParticipantRemoved
from parley.meetings.model import Invited, Meeting, Participant
from parley.meetings.presets import Preset, PresetName
from parley.store.errors import AlreadyExists


class ParticipantInput(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to invite."""

    custom_participant_id: str
    preset_name: str
    name: str | None = None
    picture: str | None = None


class ParticipantEdit(msgspec.Struct, frozen=True, kw_only=True):
    """What to change; an absent value stays, None clears a name or picture."""

    preset_name: str | UnsetType = UNSET
    name: str | UnsetType | None = UNSET
    picture: str | UnsetType | None = UNSET


async def get_participant_with_preset(
    scope: AppScope, participant_id: ParticipantId
) -> tuple[Participant, Preset, Meeting]:
    """A participant of the app with their present preset and their meeting.

    Raises:
        NotFound: no such participant in this app (any more).
    """
    found = await store.get_participant_with_preset(scope, participant_id)
    if found is None:
        raise NotFound(f"No participant found with id {participant_id}")
    return found


async def list_participants(scope: AppScope, meeting_id: MeetingId, page: PageRequest) -> Page[Invited]:
    """A page of a meeting's participants, newest first; empty for an unknown meeting."""
    return await store.list_participants(scope, meeting_id, page)


async def get_participant(scope: AppScope, meeting_id: MeetingId, participant_id: ParticipantId) -> Invited:
    """One participant of a meeting.

    Raises:
        NotFound: no such participant in this meeting.
    """
    return _found(await store.get_participant(scope, meeting_id, participant_id), participant_id)


async def add_participant(scope: AppScope, meeting: Meeting, given: ParticipantInput) -> Invited:
    """Invite somebody; also to an inactive meeting, which they can join once it is active.

    Args:
        scope: the meeting's app.
        meeting: as the caller found it (meetings are never deleted).
        given: whom.

    Raises:
        NotFound: no such preset.
        Conflict: the meeting has a participant with that custom id.
    """
    scope.require(Right.WRITE)
    try:
        async with scope.change() as change:
            preset = await _preset(change, given.preset_name)
            now = change.now()
            participant = Participant(
                id=ParticipantId(new_uuid()),
                app_id=scope.app_id,
                meeting_id=meeting.id,
                preset_id=preset.id,
                custom_participant_id=given.custom_participant_id,
                name=given.name,
                picture=given.picture,
                created_at=now,
                updated_at=now,
            )
            await store.insert_participant(change, participant)
    except AlreadyExists as exists:
        raise Conflict(
            f"A participant with custom_participant_id {given.custom_participant_id} "
            "exists in this meeting already"
        ) from exists
    return Invited(participant, preset.name)


async def edit_participant(
    scope: AppScope, meeting_id: MeetingId, participant_id: ParticipantId, edit: ParticipantEdit
) -> Invited:
    """Change name, picture or preset; connected peers keep what they joined with until they reconnect.

    Raises:
        NotFound: no such participant in this meeting, or no such preset.
    """
    scope.require(Right.WRITE)
    async with scope.change() as change:
        before = _found(await store.lock_participant(change, meeting_id, participant_id), participant_id)
        person, preset_name = before
        if edit.preset_name is not UNSET:
            preset = await _preset(change, edit.preset_name)
            person, preset_name = replace(person, preset_id=preset.id), preset.name
        after = replace(
            person,
            name=person.name if edit.name is UNSET else edit.name,
            picture=person.picture if edit.picture is UNSET else edit.picture,
            updated_at=change.now(),
        )
        await store.put_participant(change, after)
    return Invited(after, preset_name)


async def remove_participant(
    scope: AppScope, meeting_id: MeetingId, participant_id: ParticipantId
) -> Participant:
    """Delete the invitation: its tokens stop working, its connected peers are disconnected.

    Raises:
        NotFound: no such participant in this meeting.
    """
    scope.require(Right.WRITE)
    async with scope.change() as change:
        found = _found(await store.lock_participant(change, meeting_id, participant_id), participant_id)
        await store.delete_participant(change, participant_id)
        change.announce(ParticipantRemoved(meeting_id=meeting_id, participant_id=participant_id))
    return found.participant


async def _preset(change: Change, name: str) -> PresetName:
    preset = await store.hold_preset_by_name(change, name)
    if preset is None:
        raise NotFound(f"No preset found with name {name}")
    return preset


def _found(invited: Invited | None, participant_id: ParticipantId) -> Invited:
    if invited is None:
        raise NotFound(f"No participant found with id {participant_id}")
    return invited
