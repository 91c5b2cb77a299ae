"""Use cases of meetings."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from parley.accounts.model import Right
from parley.accounts.scope import AppScope
from parley.base.errors import NotFound
from parley.base.ids import MeetingId, new_uuid
from parley.base.paging import Page, PageRequest
from parley.meetings import store
from parley.meetings.configs import AiConfig, RecordingConfig, stored_form
from parley.meetings.events import MeetingUpdated
from parley.meetings.model import KEEP_ALIVE_MIN_S, Meeting, MeetingFilter, MeetingStatus

T = TypeVar("T", bound=msgspec.Struct)


class MeetingInput(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer decides about a meeting."""

    title: str | None = None
    record_on_start: bool = False
    live_stream_on_start: bool = False
    persist_chat: bool = False
    session_keep_alive_s: int = KEEP_ALIVE_MIN_S
    summarize_on_end: bool = False
    transcribe_on_end: bool = False
    recording_config: RecordingConfig | None = None
    ai_config: AiConfig | None = None


class MeetingEdit(msgspec.Struct, frozen=True, kw_only=True):
    """A change of some of it: absent values stay; both configs are replaced as a whole."""

    title: str | UnsetType | None = UNSET
    status: MeetingStatus | UnsetType = UNSET
    record_on_start: bool | UnsetType = UNSET
    live_stream_on_start: bool | UnsetType = UNSET
    persist_chat: bool | UnsetType = UNSET
    session_keep_alive_s: int | UnsetType = UNSET
    summarize_on_end: bool | UnsetType = UNSET
    transcribe_on_end: bool | UnsetType = UNSET
    recording_config: RecordingConfig | UnsetType | None = UNSET
    ai_config: AiConfig | UnsetType | None = UNSET


async def list_meetings(scope: AppScope, wanted: MeetingFilter, page: PageRequest, shape: type[T]) -> Page[T]:
    """A page of the app's meetings, newest first; breakout rooms belong to their main meeting's session.

    Args:
        scope: the app.
        wanted: which meetings.
        page: which part of the list.
        shape: what to make of each: `Meeting`, or a struct of some of its fields (`store.rows`).
    """
    return await store.list_meetings(scope, wanted, page, shape)


async def get_meeting(scope: AppScope, meeting_id: MeetingId) -> Meeting:
    """One meeting.

    Raises:
        NotFound: no such meeting in this app.
    """
    return _found(await store.get_meeting(scope, meeting_id), meeting_id)


async def create_meeting(scope: AppScope, given: MeetingInput) -> Meeting:
    """Add an active meeting; nothing is announced, for nothing has started."""
    scope.require(Right.WRITE)
    now = scope.now()
    vault = scope.store.vault
    meeting = Meeting(
        id=MeetingId(new_uuid()),
        app_id=scope.app_id,
        title=given.title,
        record_on_start=given.record_on_start,
        live_stream_on_start=given.live_stream_on_start,
        persist_chat=given.persist_chat,
        session_keep_alive_s=given.session_keep_alive_s,
        summarize_on_end=given.summarize_on_end,
        transcribe_on_end=given.transcribe_on_end,
        recording_config=stored_form(vault, given.recording_config) if given.recording_config else None,
        ai_config=stored_form(vault, given.ai_config) if given.ai_config else None,
        created_at=now,
        updated_at=now,
    )
    await store.insert_meeting(scope, meeting)
    return meeting


async def replace_meeting(scope: AppScope, meeting_id: MeetingId, given: MeetingInput) -> Meeting:
    """Set everything a customer decides; id, time of creation, status and participants stay.

    Raises:
        NotFound: no such meeting in this app.
    """
    return await edit_meeting(scope, meeting_id, msgspec.convert(given, MeetingEdit, from_attributes=True))


async def edit_meeting(scope: AppScope, meeting_id: MeetingId, edit: MeetingEdit) -> Meeting:
    """Change some of it.

    A running session takes up status and title at once and everything else never: it has a copy from its
    start. Making a meeting inactive ends nothing that runs.

    Raises:
        NotFound: no such meeting in this app.
    """
    scope.require(Right.WRITE)
    changes = {name: value for name in edit.__struct_fields__ if (value := getattr(edit, name)) is not UNSET}
    for name in ("recording_config", "ai_config"):
        if changes.get(name) is not None:
            changes[name] = stored_form(scope.store.vault, changes[name])
    async with scope.change() as change:
        before = _found(await store.lock_meeting(change, meeting_id), meeting_id)
        after = replace(before, **changes, updated_at=change.now())
        await store.put_meeting(change, after)
        if after.title != before.title:
            await store.retitle_live_session(change, meeting_id, after.title or "")
        change.announce(MeetingUpdated(meeting_id=meeting_id, title=after.title, status=after.status))
    return after


def _found(meeting: Meeting | None, meeting_id: MeetingId) -> Meeting:
    if meeting is None:
        raise NotFound(f"No meeting found with id {meeting_id}")
    return meeting
