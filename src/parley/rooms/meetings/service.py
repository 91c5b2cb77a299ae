"""Use cases of meetings.

A meeting is seen by its host and by the members of its conversation or group; only its host, or the
customer's server, changes it. A meeting of ours ends with its room, and the room with the meeting.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from parley.accounts.scope import AppScope, Change
from parley.base.errors import Invalid, NotAllowed, NotFound, StateForbids
from parley.base.ids import is_uuid, new_uuid
from parley.base.paging import Page, PageRequest
from parley.base.text import storable
from parley.base.times import from_ms, to_ms
from parley.people.model import Caller
from parley.rooms import service as rooms
from parley.rooms.events import RoomChanged
from parley.rooms.meetings import store
from parley.rooms.meetings.model import (
    OURS,
    Meeting,
    MeetingChange,
    MeetingFilter,
    MeetingStatus,
    NewMeeting,
    Seen,
    Session,
    Standing,
)
from parley.rooms.model import NAME_LIMIT, NewRoom, Role, RoomSettings, VideoSettings
from parley.rooms.tokens import LIFETIME_S, RoomTokens
from parley.store.listing import NEWEST_FIRST, Sort

_OF_OTHERS = ("meeting_url", "external_meeting_id")


class Meetings:
    """The meetings of all apps."""

    def __init__(self, tokens: RoomTokens, *, public_url: str) -> None:
        """Prepare.

        Args:
            tokens: lets people into rooms; open.
            public_url: where people reach this server, without a slash at the end.
        """
        self._tokens = tokens
        self._public_url = public_url

    async def page(
        self,
        scope: AppScope,
        caller: Caller,
        wanted: PageRequest,
        which: MeetingFilter,
        sort: Sort = NEWEST_FIRST,
    ) -> Page[Seen]:
        """A page of the meetings that the caller sees."""
        return await store.page(scope, wanted, sort, which, caller.viewer)

    async def get(self, scope: AppScope, caller: Caller, meeting_id: str) -> Seen:
        """A meeting.

        Raises:
            NotFound: none that the caller sees.
        """
        found = await store.get(scope, meeting_id.lower(), caller.viewer) if is_uuid(meeting_id) else None
        if found is None:
            raise NotFound("There is no such meeting.")
        return found

    async def create(
        self, scope: AppScope, caller: Caller, new: NewMeeting, *, host_id: str | None = None
    ) -> Seen:
        """Plan a meeting, and open its room.

        Args:
            scope: the app.
            caller: who plans it.
            new: what it is made of.
            host_id: whose it is; by default the caller's.

        Raises:
            NotFound: no such conversation or group, or the caller is not in it.
            NotAllowed: a user plans it for another one.
            Invalid: an address of a meeting that is held here.
        """
        if host_id is not None:
            caller.must_be(host_id)
        host = host_id or caller.user_id
        _check_address(new.provider, [name for name in _OF_OTHERS if getattr(new, name) is not None])
        async with scope.change() as change:
            conversation = await _conversation(change, caller, new.conversation)
            group = await _group(change, caller, new.group)
            room_id = None
            if new.provider == OURS:
                room_id = (await rooms.create_in(change, scope.app_id, _room_for(new), host)).id
            now = change.now()
            meeting = Meeting(
                id=new_uuid(),
                title=new.title,
                description=new.description,
                host_unique_id=host,
                conversation_unique_id=conversation,
                group_unique_id=group,
                scheduled_at=new.scheduled_at,
                started_at=None,
                ended_at=None,
                meeting_type=new.meeting_type,
                provider=new.provider,
                room_id=room_id,
                meeting_url=new.meeting_url,
                external_meeting_id=new.external_meeting_id,
                max_participants=new.max_participants,
                is_recording=new.is_recording,
                status=MeetingStatus.SCHEDULED,
                enabled=True,
                payload=new.payload,
                created_at=now,
                updated_at=now,
            )
            await store.add(change, meeting)
        return Seen(meeting, None)

    async def change(
        self,
        scope: AppScope,
        caller: Caller,
        meeting_id: str,
        wanted: MeetingChange,
        standing: Standing | None = None,
    ) -> Seen:
        """Change a meeting.

        Args:
            scope: the app.
            caller: its host, or a server.
            meeting_id: which.
            wanted: what to change.
            standing: `active` starts it; `inactive` ends it, or cancels what has not begun.

        Raises:
            NotFound: none that the caller sees.
            NotAllowed: it is somebody else's.
            StateForbids: it is too late for that.
            Invalid: an address of a meeting that is held here.
        """
        given = wanted.given()
        async with scope.change() as change:
            before, recording = await self._own(change, caller, meeting_id)
            _check_address(before.provider, [name for name in _OF_OTHERS if name in given])
            if "scheduled_at" in given and before.status is not MeetingStatus.SCHEDULED:
                raise StateForbids("What has begun or is over is not scheduled again.")
            meeting = replace(before, **given, updated_at=change.now())
            if standing == "active":
                meeting = _started(change, meeting)
            elif standing == "inactive" and not meeting.status.is_over:
                meeting = _over(change, meeting)
            elif standing == "pending" and meeting.status is not MeetingStatus.SCHEDULED:
                raise StateForbids("What has begun or is over is not scheduled again.")
            await _put(scope, change, before, meeting)
        return Seen(meeting, recording)

    async def start(self, scope: AppScope, caller: Caller, meeting_id: str) -> Seen:
        """Begin a meeting; again is fine while it lasts.

        Raises:
            NotFound: none that the caller sees.
            NotAllowed: it is somebody else's.
            StateForbids: it is over, or not enabled.
        """
        async with scope.change() as change:
            before, recording = await self._own(change, caller, meeting_id)
            meeting = _started(change, before)
            if meeting is not before:
                await _put(scope, change, before, meeting)
        return Seen(meeting, recording)

    async def end(self, scope: AppScope, caller: Caller, meeting_id: str) -> Seen:
        """End a meeting, and its room for everybody in it; again is fine.

        Raises:
            NotFound: none that the caller sees.
            NotAllowed: it is somebody else's.
            StateForbids: it has not begun, or was cancelled.
        """
        async with scope.change() as change:
            before, recording = await self._own(change, caller, meeting_id)
            if before.status is MeetingStatus.ENDED:
                return Seen(before, recording)
            if before.status is not MeetingStatus.ACTIVE:
                raise StateForbids(f"The meeting is {before.status.value}; only what has begun is ended.")
            meeting = _over(change, before)
            await _put(scope, change, before, meeting)
        return Seen(meeting, recording)

    async def delete(self, scope: AppScope, caller: Caller, meeting_id: str) -> None:
        """Remove a meeting for good; its room ends.

        Raises:
            NotFound: none that the caller sees.
            NotAllowed: it is somebody else's.
        """
        async with scope.change() as change:
            meeting, _ = await self._own(change, caller, meeting_id)
            await store.remove(change, meeting.id)
            if meeting.room_id is not None:
                await rooms.end_in(change, scope.app_id, meeting.room_id)

    async def session(
        self, scope: AppScope, caller: Caller, meeting_id: str, *, user_id: str | None = None
    ) -> Session:
        """Let somebody in, also before it has begun.

        Args:
            scope: the app.
            caller: who asks.
            meeting_id: which.
            user_id: for whom; by default the caller. A server that names nobody gets a token for anybody.

        Raises:
            NotFound: none that the caller sees.
            NotAllowed: a user asks for another one.
            StateForbids: it is over, not enabled, or held by another provider.
        """
        if user_id is not None:
            caller.must_be(user_id)
        meeting = (await self.get(scope, caller, meeting_id)).meeting
        if meeting.room_id is None:
            raise StateForbids("The meeting is not held here, but where its provider says.")
        _check_open(meeting)
        who = user_id or caller.user_id
        is_host = who is not None and who == meeting.host_unique_id
        token = self._tokens.issue(meeting.room_id, who, Role.HOST if is_host else Role.PARTICIPANT)
        return Session(
            meeting.room_id,
            token,
            f"{self.room_url(meeting.room_id)}#token={token}",
            from_ms((to_ms(scope.now()) // 1000 + LIFETIME_S) * 1000),
        )

    def room_url(self, room_id: str) -> str:
        """The page of a room."""
        return f"{self._public_url}/rooms/{room_id}"

    async def _own(self, change: Change, caller: Caller, meeting_id: str) -> Seen:
        found = await store.lock(change, meeting_id.lower(), caller.viewer) if is_uuid(meeting_id) else None
        if found is None:
            raise NotFound("There is no such meeting.")
        if not caller.is_server and caller.user_id != found.meeting.host_unique_id:
            raise NotAllowed("Only its host changes a meeting.")
        return found


def _room_for(new: NewMeeting) -> NewRoom:
    video = VideoSettings(enabled=new.meeting_type != "audio")
    return NewRoom(
        name=new.title.strip()[:NAME_LIMIT],
        max_participants=new.max_participants,
        recording_enabled=new.is_recording,
        access="token",
        settings=RoomSettings(video=video),
    )


def _check_address(provider: str, named: Sequence[str]) -> None:
    if provider == OURS and named:
        raise Invalid("A meeting that is held here has an address of its own.", field=f"/meeting/{named[0]}")


def _check_open(meeting: Meeting) -> None:
    if meeting.status.is_over:
        raise StateForbids(f"The meeting is {meeting.status.value}.")
    if not meeting.enabled:
        raise StateForbids("The meeting is not enabled.")


async def _conversation(change: Change, caller: Caller, name: str | None) -> str | None:
    if name is None:
        return None
    found = await store.conversation_id(change, name, caller.viewer) if storable(name) else None
    if found is None:
        raise NotFound("There is no such conversation.")
    return found


async def _group(change: Change, caller: Caller, name: str | None) -> str | None:
    if name is None:
        return None
    found = await store.group_id(change, name, caller.viewer) if storable(name) else None
    if found is None:
        raise NotFound("There is no such group.")
    return found


def _started(change: Change, meeting: Meeting) -> Meeting:
    _check_open(meeting)
    if meeting.status is MeetingStatus.ACTIVE:
        return meeting
    now = change.now()
    return replace(meeting, status=MeetingStatus.ACTIVE, started_at=now, updated_at=now)


def _over(change: Change, meeting: Meeting) -> Meeting:
    now = change.now()
    if meeting.status is MeetingStatus.ACTIVE:
        return replace(meeting, status=MeetingStatus.ENDED, ended_at=now, updated_at=now)
    return replace(meeting, status=MeetingStatus.CANCELLED, updated_at=now)


async def _put(scope: AppScope, change: Change, before: Meeting, meeting: Meeting) -> None:
    """Write a meeting, then what its room has of it: in the order in which whoever ends a room does it."""
    await store.put(change, meeting)
    if meeting.room_id is None:
        return
    await rooms.change_in(
        change,
        meeting.room_id,
        name=meeting.title.strip()[:NAME_LIMIT],
        max_participants=meeting.max_participants,
        recording_enabled=meeting.is_recording,
    )
    if meeting.is_recording != before.is_recording:
        change.announce(
            RoomChanged(app_id=scope.app_id, room_id=meeting.room_id, recording_enabled=meeting.is_recording)
        )
    if meeting.status.is_over and not before.status.is_over:
        await rooms.end_in(change, scope.app_id, meeting.room_id)
