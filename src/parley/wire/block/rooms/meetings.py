"""Meetings (`realtime-block.md` 18.15)."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from parley.rooms.meetings.model import OURS, MeetingChange, MeetingFilter, NewMeeting, Seen, Standing
from parley.rooms.meetings.service import Meetings
from parley.rooms.model import DEFAULT_PARTICIPANTS, MAX_PARTICIPANTS, MIN_PARTICIPANTS
from parley.rooms.recordings import Recordings
from parley.wire.block.callers import caller_of, user_named
from parley.wire.block.endpoint import Call, Routes
from parley.wire.block.fields import Line, Link, instant, iso, link, small
from parley.wire.block.reading import ListQuery
from parley.wire.block.replies import NOTHING, Reply, Resource, flat, paged

routes = Routes("Meetings")
READ, WRITE = "conversations:read", "conversations:write"
UNSET = msgspec.UNSET
Title = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"\S")]
Word = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"\S")]
Text = Annotated[str, Meta(max_length=10_000)]
Size = Annotated[int, Meta(ge=MIN_PARTICIPANTS, le=MAX_PARTICIPANTS)]


class MeetingsQuery(ListQuery, frozen=True, kw_only=True):
    """Which meetings."""

    host_unique_id: str | None = None
    conversation_unique_id: str | None = None
    group_unique_id: str | None = None
    status: str | None = None
    scheduled_after: str | None = None
    """Then or later."""
    scheduled_before: str | None = None
    """Earlier."""


class MeetingBody(msgspec.Struct, frozen=True, kw_only=True):
    """A meeting as it is planned."""

    title: Title
    description: Text | None = None
    conversation_unique_id: Line | None = None
    group_unique_id: Line | None = None
    scheduled_at: str | None = None
    meeting_type: Word | None = None
    max_participants: Size | None = None
    is_recording: bool | None = None
    provider: Word | None = None
    meeting_url: Link | None = None
    """Of another provider."""
    external_meeting_id: Line | None = None
    """Of another provider."""
    payload: dict[str, Any] | None = None
    host_unique_id: Line | None = None
    """Whose; for servers."""


class MeetingUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """What to change of a meeting."""

    title: Title | msgspec.UnsetType = UNSET
    description: Text | msgspec.UnsetType | None = UNSET
    scheduled_at: str | msgspec.UnsetType | None = UNSET
    max_participants: Size | msgspec.UnsetType = UNSET
    is_recording: bool | msgspec.UnsetType = UNSET
    enabled: bool | msgspec.UnsetType = UNSET
    status: Standing | msgspec.UnsetType = UNSET
    """`active` starts it; `inactive` ends it, or cancels what has not begun."""
    meeting_url: Link | msgspec.UnsetType | None = UNSET
    external_meeting_id: Line | msgspec.UnsetType | None = UNSET
    payload: dict[str, Any] | msgspec.UnsetType | None = UNSET


class SessionBody(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants to come in."""

    user_unique_id: Line | None = None
    """For servers, which have no user of their own."""


@routes.get("/meetings", scope=READ)
async def list_meetings(call: Call, query: MeetingsQuery) -> Reply:
    """List the meetings that the caller hosts or is invited to, by conversation or group; newest first."""
    asks = caller_of(call)
    which = MeetingFilter(
        host_unique_id=query.host_unique_id,
        conversation_unique_id=query.conversation_unique_id,
        group_unique_id=query.group_unique_id,
        status=query.status,
        scheduled_after=instant(query.scheduled_after, "?scheduled_after"),
        scheduled_before=instant(query.scheduled_before, "?scheduled_before"),
    )
    page = await call.service(Meetings).page(call.scope, asks, query.wanted(), which, query.order())
    return paged(page, partial(_resource, call))


@routes.post("/meetings", scope=WRITE, body="meeting")
async def create_meeting(call: Call, body: MeetingBody) -> Reply:
    """Plan a meeting of the caller's, with a room of its own."""
    asks = caller_of(call)
    host = None if body.host_unique_id is None else user_named(call, body.host_unique_id)
    new = NewMeeting(
        title=body.title,
        description=body.description,
        conversation=body.conversation_unique_id,
        group=body.group_unique_id,
        scheduled_at=instant(body.scheduled_at, "/meeting/scheduled_at"),
        meeting_type=body.meeting_type or "video",
        provider=body.provider or OURS,
        meeting_url=link(body.meeting_url, "/meeting/meeting_url"),
        external_meeting_id=body.external_meeting_id,
        max_participants=body.max_participants or DEFAULT_PARTICIPANTS,
        is_recording=bool(body.is_recording),
        payload=small(body.payload),
    )
    made = await call.service(Meetings).create(call.scope, asks, new, host_id=host)
    return _one(call, made)


@routes.get("/meetings/{meeting_id}", scope=READ)
async def get_meeting(call: Call, meeting_id: str) -> Reply:
    """Get a meeting."""
    asks = caller_of(call)
    return _one(call, await call.service(Meetings).get(call.scope, asks, meeting_id))


@routes.put("/meetings/{meeting_id}", scope=WRITE, body="meeting")
async def update_meeting(call: Call, meeting_id: str, body: MeetingUpdate) -> Reply:
    """Change a meeting; for its host and servers, as everything below."""
    asks = caller_of(call)
    at = body.scheduled_at
    wanted = MeetingChange(
        title=body.title,
        description=body.description,
        scheduled_at=at if isinstance(at, msgspec.UnsetType) else instant(at, "/meeting/scheduled_at"),
        meeting_url=link(body.meeting_url, "/meeting/meeting_url"),
        external_meeting_id=body.external_meeting_id,
        max_participants=body.max_participants,
        is_recording=body.is_recording,
        enabled=body.enabled,
        payload=small(body.payload),
    )
    standing = None if isinstance(body.status, msgspec.UnsetType) else body.status
    changed = await call.service(Meetings).change(call.scope, asks, meeting_id, wanted, standing)
    return _one(call, changed)


@routes.delete("/meetings/{meeting_id}", scope=WRITE)
async def delete_meeting(call: Call, meeting_id: str) -> Reply:
    """Remove a meeting for good; its room ends."""
    asks = caller_of(call)
    await call.service(Meetings).delete(call.scope, asks, meeting_id)
    return NOTHING


@routes.post("/meetings/{meeting_id}/session", status=200, scope=READ)
async def create_session(call: Call, meeting_id: str, body: SessionBody) -> Reply:
    """Get what lets somebody into a meeting: for whoever sees it, also before it has begun."""
    asks = caller_of(call)
    user_id = None if body.user_unique_id is None else user_named(call, body.user_unique_id)
    session = await call.service(Meetings).session(call.scope, asks, meeting_id, user_id=user_id)
    return flat(
        {
            "session_id": session.room_id,
            "token": session.token,
            "join_url": session.join_url,
            "expires_at": iso(session.expires_at),
        }
    )


@routes.post("/meetings/{meeting_id}/start", status=200, scope=WRITE)
async def start_meeting(call: Call, meeting_id: str) -> Reply:
    """Begin a meeting; what is over does not begin again."""
    asks = caller_of(call)
    return _one(call, await call.service(Meetings).start(call.scope, asks, meeting_id))


@routes.post("/meetings/{meeting_id}/end", status=200, scope=WRITE)
async def end_meeting(call: Call, meeting_id: str) -> Reply:
    """End a meeting, and its room for everybody in it."""
    asks = caller_of(call)
    return _one(call, await call.service(Meetings).end(call.scope, asks, meeting_id))


def _one(call: Call, seen: Seen) -> Reply:
    return Reply({"data": _resource(call, seen)})


def _resource(call: Call, seen: Seen) -> Resource:
    """A meeting as JSON:API."""
    meeting, recording_id = seen
    room_id = meeting.room_id
    recording_url = None if recording_id is None else call.service(Recordings).url_of(recording_id)
    meeting_url = meeting.meeting_url if room_id is None else call.service(Meetings).room_url(room_id)
    return Resource(
        meeting.id,
        "Meeting",
        {
            "unique_id": meeting.id,
            "title": meeting.title,
            "description": meeting.description,
            "host_unique_id": meeting.host_unique_id,
            "conversation_unique_id": meeting.conversation_unique_id,
            "group_unique_id": meeting.group_unique_id,
            "scheduled_at": iso(meeting.scheduled_at),
            "started_at": iso(meeting.started_at),
            "ended_at": iso(meeting.ended_at),
            "duration": meeting.duration,
            "meeting_type": meeting.meeting_type,
            "meeting_url": meeting_url,
            "external_meeting_id": room_id or meeting.external_meeting_id,
            "provider": meeting.provider,
            "max_participants": meeting.max_participants,
            "is_recording": meeting.is_recording,
            "recording_url": recording_url,
            "status": meeting.status.standing,
            "meeting_status": meeting.status.value,
            "enabled": meeting.enabled,
            "payload": meeting.payload,
            "created_at": iso(meeting.created_at),
            "updated_at": iso(meeting.updated_at),
        },
    )
