"""Who is at the door of a meeting: answered from the store, on any server."""

from __future__ import annotations

from typing import NamedTuple

from parley.accounts.scope import AppScope
from parley.base.errors import NotAllowed, NotFound
from parley.base.ids import MeetingId, ParticipantId
from parley.meetings.live import store
from parley.meetings.live.peer import patched
from parley.meetings.model import Meeting, MeetingStatus, Participant
from parley.meetings.participants import get_participant_with_preset
from parley.meetings.presets import Permissions, Preset, require
from parley.meetings.service import get_meeting


class Admission(NamedTuple):
    """A participant, what they may do, and the meeting their token names."""

    meeting: Meeting
    participant: Participant
    preset: Preset


async def admission(scope: AppScope, meeting_id: MeetingId, participant_id: ParticipantId) -> Admission:
    """What a verified token stands for now.

    Raises:
        NotFound: no such participant, or the token names neither their meeting nor one of its rooms.
    """
    participant, preset, own = await get_participant_with_preset(scope, participant_id)
    meeting = own if own.id == meeting_id else await get_meeting(scope, meeting_id)
    if participant.meeting_id not in (meeting.id, meeting.parent_id):
        raise NotFound(f"No participant found with id {participant_id}")
    return Admission(meeting, participant, preset)


async def require_open(scope: AppScope, meeting: Meeting) -> None:
    """Refuse a meeting that nobody can join.

    Raises:
        NotAllowed: it is inactive and nothing runs in it any more.
    """
    if meeting.status is MeetingStatus.INACTIVE and await store.live_session(scope, meeting.id) is None:
        raise NotAllowed("Meeting is inactive")


async def require_may_send_files(scope: AppScope, admitted: Admission) -> None:
    """Refuse whoever is not in the meeting, or may not send files there.

    Raises:
        NotAllowed: says which.
    """
    permissions = await _permissions_inside(scope, admitted, "sending files")
    require(_may_send_files(permissions), "send files")


async def require_may_record(scope: AppScope, admitted: Admission) -> None:
    """Refuse whoever is not in the meeting, or may not record it.

    Raises:
        NotAllowed: says which.
    """
    permissions = await _permissions_inside(scope, admitted, "recording")
    require(permissions.can_record, "record this meeting")


async def require_may_stream(scope: AppScope, admitted: Admission) -> None:
    """Refuse whoever is not in the meeting, or may not stream it.

    Raises:
        NotAllowed: says which.
    """
    permissions = await _permissions_inside(scope, admitted, "streaming")
    require(permissions.can_livestream, "stream this meeting")


async def may_stream(scope: AppScope, admitted: Admission) -> bool:
    """Whether somebody is in the meeting, and may stream it."""
    try:
        await require_may_stream(scope, admitted)
    except NotAllowed:
        return False
    return True


async def _permissions_inside(scope: AppScope, admitted: Admission, doing: str) -> Permissions:
    """What somebody inside may do: what the preset says, with the changes of this session."""
    session = await store.live_session(scope, admitted.meeting.id)
    participant_id = admitted.participant.id
    if session is None or not any(
        peer.participant_id == participant_id for peer in await store.open_peers(scope, session.id)
    ):
        raise NotAllowed(f"Join the meeting before {doing}.")
    permissions = admitted.preset.permissions
    for role in await store.roles(scope, session.id):
        if role.participant_id == participant_id and role.permission_changes:
            permissions = patched(permissions, role.permission_changes)
    return permissions


def _may_send_files(permissions: Permissions) -> bool:
    public, private = permissions.chat.public, permissions.chat.private
    return (public.can_send and public.files) or (private.can_send and private.files)
