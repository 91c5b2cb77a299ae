"""Participants of a meeting (`realtimekit.md` section 5)."""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from parley.accounts.scope import AppScope
from parley.base.errors import Invalid
from parley.base.ids import MeetingId, ParticipantId
from parley.base.times import iso_ms
from parley.meetings import participants as service
from parley.meetings.configs import Uri
from parley.meetings.model import Invited, Meeting
from parley.meetings.participants import ParticipantEdit, ParticipantInput
from parley.wire.realtimekit.answers import Many, One, Timestamp, Uuid, many
from parley.wire.realtimekit.endpoint import AppCall, Routes
from parley.wire.realtimekit.reading import PageQuery

CustomId = Annotated[str, Meta(min_length=1, max_length=256)]
Name = Annotated[str, Meta(max_length=256)]
PresetNameText = Annotated[str, Meta(min_length=1, max_length=64)]


class ParticipantShape(msgspec.Struct, frozen=True, kw_only=True):
    """A participant: somebody who may join one meeting."""

    id: Uuid
    name: str | None
    picture: str | None
    custom_participant_id: str
    preset_name: str
    created_at: Timestamp
    updated_at: Timestamp


class ParticipantWithToken(ParticipantShape, frozen=True, kw_only=True):
    """A participant and the token to join with."""

    token: str


class RemovedParticipant(msgspec.Struct, frozen=True, kw_only=True):
    """A participant that was deleted."""

    custom_participant_id: str
    preset_id: Uuid
    created_at: Timestamp
    updated_at: Timestamp


class Token(msgspec.Struct, frozen=True):
    """A fresh token."""

    token: str


class ParticipantBody(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody to invite."""

    preset_name: PresetNameText
    custom_participant_id: CustomId | UnsetType = UNSET
    """The customer's own id of this person; required, and unique in the meeting."""
    client_specific_id: CustomId | UnsetType = UNSET
    """The same, from older clients."""
    name: Name | None = None
    picture: Uri | None = None

    def read(self) -> ParticipantInput:
        """What the customer decides."""
        custom_id = self.custom_participant_id or self.client_specific_id
        if custom_id is UNSET:
            raise Invalid('"custom_participant_id" is required', field="custom_participant_id")
        return ParticipantInput(
            custom_participant_id=custom_id,
            preset_name=self.preset_name,
            name=self.name,
            picture=self.picture,
        )


class ParticipantPatch(msgspec.Struct, frozen=True, kw_only=True):
    """Changes of a participant: what is absent stays, null clears name and picture."""

    preset_name: PresetNameText | UnsetType | None = UNSET
    name: Name | UnsetType | None = UNSET
    picture: Uri | UnsetType | None = UNSET


class ParticipantReplacement(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a participant that can change."""

    preset_name: PresetNameText
    name: Name | None = None
    picture: Uri | None = None


async def _load(scope: AppScope, path: Mapping[str, str]) -> Invited:
    return await service.get_participant(
        scope, MeetingId(path["meeting_id"]), ParticipantId(path["participant_id"])
    )


routes = Routes("Participants", loads={"invited": _load})


def _shape(invited: Invited) -> ParticipantShape:
    person = invited.participant
    return ParticipantShape(
        id=person.id,
        name=person.name,
        picture=person.picture,
        custom_participant_id=person.custom_participant_id,
        preset_name=invited.preset_name,
        created_at=iso_ms(person.created_at),
        updated_at=iso_ms(person.updated_at),
    )


def _token(call: AppCall, invited: Invited) -> str:
    person = invited.participant
    return call.context.tokens.issue(
        app_id=person.app_id,
        meeting_id=person.meeting_id,
        participant_id=person.id,
        preset_id=person.preset_id,
    )


def _with_token(call: AppCall, invited: Invited) -> One[ParticipantWithToken]:
    person = invited.participant
    return One(
        ParticipantWithToken(
            id=person.id,
            name=person.name,
            picture=person.picture,
            custom_participant_id=person.custom_participant_id,
            preset_name=invited.preset_name,
            created_at=iso_ms(person.created_at),
            updated_at=iso_ms(person.updated_at),
            token=_token(call, invited),
        )
    )


@routes.get("{app}/meetings/{meeting_id}/participants")
async def list_participants(call: AppCall, meeting: Meeting, query: PageQuery) -> Many[ParticipantShape]:
    """List the participants of a meeting.

    Newest first, without tokens.
    """
    return many(await service.list_participants(call.scope, meeting.id, query.page()), _shape)


@routes.post("{app}/meetings/{meeting_id}/participants", status=201)
async def add_participant(
    call: AppCall, meeting: Meeting, body: ParticipantBody
) -> One[ParticipantWithToken]:
    """Invite somebody to a meeting.

    Answers with the token to join with. The same `custom_participant_id` again is a conflict (409).
    """
    return _with_token(call, await service.add_participant(call.scope, meeting, body.read()))


@routes.get("{app}/meetings/{meeting_id}/participants/{participant_id}")
async def get_participant(call: AppCall, meeting: Meeting, invited: Invited) -> One[ParticipantShape]:
    """Get a participant."""
    return One(_shape(invited))


@routes.patch("{app}/meetings/{meeting_id}/participants/{participant_id}")
async def edit_participant(
    call: AppCall, meeting: Meeting, invited: Invited, body: ParticipantPatch
) -> One[ParticipantWithToken]:
    """Change a participant.

    Answers with a fresh token. Who is connected keeps the permissions they joined with until they reconnect.
    """
    edit = ParticipantEdit(
        preset_name=UNSET if body.preset_name is None else body.preset_name,
        name=body.name,
        picture=body.picture,
    )
    changed = await service.edit_participant(call.scope, meeting.id, invited.participant.id, edit)
    return _with_token(call, changed)


@routes.put("{app}/meetings/{meeting_id}/participants/{participant_id}")
async def replace_participant(
    call: AppCall, meeting: Meeting, invited: Invited, body: ParticipantReplacement
) -> One[ParticipantWithToken]:
    """Replace a participant.

    Name and picture are cleared unless given; answers with a fresh token.
    """
    edit = ParticipantEdit(preset_name=body.preset_name, name=body.name, picture=body.picture)
    changed = await service.edit_participant(call.scope, meeting.id, invited.participant.id, edit)
    return _with_token(call, changed)


@routes.delete("{app}/meetings/{meeting_id}/participants/{participant_id}")
async def delete_participant(call: AppCall, meeting: Meeting, participant_id: str) -> One[RemovedParticipant]:
    """Delete a participant.

    Their tokens stop working and their connections are closed; what they did in sessions is kept.
    """
    person = await service.remove_participant(call.scope, meeting.id, ParticipantId(participant_id))
    return One(
        RemovedParticipant(
            custom_participant_id=person.custom_participant_id,
            preset_id=person.preset_id,
            created_at=iso_ms(person.created_at),
            updated_at=iso_ms(person.updated_at),
        )
    )


@routes.post("{app}/meetings/{meeting_id}/participants/{participant_id}/token")
async def refresh_token(call: AppCall, meeting: Meeting, invited: Invited) -> One[Token]:
    """Issue a fresh token.

    Earlier tokens stay valid until they expire.
    """
    return One(Token(_token(call, invited)))
