"""Participants of rooms, while they are there (`realtime-block.md` 15.2 to 15.4).

A participant is an entry of `channels.realtime.presence` on a channel that no client can name. So a lost
socket keeps its place for the grace, and every process sees the same people.

Two processes that let the last free place be taken within the time a message takes between them both do: a
room may then have one participant more than its limit for each further process.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from parley.accounts.scope import AppScope
from parley.accounts.user_tokens import InvalidToken
from parley.base.clock import Clock
from parley.base.errors import NotAllowed, NotFound, ParleyError
from parley.base.ids import AppId
from parley.base.times import iso_ms
from parley.channels.realtime.members import Member
from parley.channels.realtime.presence import Presence
from parley.rooms import service
from parley.rooms.model import Participant, Role, Room, RoomStatus
from parley.rooms.tokens import Pass, RoomTokens

_PREFIX = "webrtc/"
MEDIA = ("audio", "video", "screen")
_ENDED_KEPT = 1_000
"""Rooms that ended lately, for whoever has just read that one is open."""


class RoomFull(NotAllowed):
    """As many participants as the room takes are there."""

    code = "room_full"


class RoomOver(ParleyError):
    """The room has ended."""

    code = "expired"


class Present(NamedTuple):
    """A participant, and where."""

    participant: Participant
    node_id: str
    """The process with its connection."""
    changed: list[str]
    """What its last `change_media` changed."""


class Entered(NamedTuple):
    """The outcome of coming in."""

    participant: Participant
    others: list[Participant]
    """Who was there before."""


def channel_of(room_id: str) -> str:
    """The channel of a room's participants; a slash is in no client's channel."""
    return _PREFIX + room_id


def room_of(channel: str) -> str | None:
    """The room of such a channel."""
    return channel.removeprefix(_PREFIX) if channel.startswith(_PREFIX) else None


def present_of(member: Member) -> Present:
    """The participant that an entry stands for."""
    return Present(
        msgspec.convert(member.data["participant"], Participant),
        member.data["node"],
        member.data["changed"],
    )


class LiveRooms:
    """Who is in which room, as this process sees it.

    Methods that are not coroutines need the room's channel to be watched (`Presence.watch`).
    """

    def __init__(self, clock: Clock, presence: Presence, tokens: RoomTokens, node_id: str) -> None:
        self.clock = clock
        self.presence = presence
        self.tokens = tokens
        self._node_id = node_id
        self._ended: OrderedDict[str, None] = OrderedDict()

    async def admit(
        self, scope: AppScope, room_id: str, user_id: str, token: str | None, *, invited: Pass | None = None
    ) -> tuple[Room, Pass]:
        """The room, and what the user is in it; `invited` is what their connection says, and comes first.

        Raises:
            NotFound: no such room.
            RoomOver: it has ended.
            InvalidToken: the token is wrong, or none is there where one is needed.
        """
        room = await service.get_room(scope, room_id)
        if room.status is not RoomStatus.OPEN:
            raise RoomOver("This room has ended.")
        if invited is not None:
            return room, invited
        if token is not None:
            return room, self.tokens.check(token, room_id, user_id)
        if room.access == "token":
            raise InvalidToken("This room needs a token.")
        return room, Pass(Role.PARTICIPANT, None)

    def enter(
        self,
        scope: AppScope,
        room: Room,
        admitted: Pass,
        session_id: str,
        *,
        user_id: str,
        name: str,
        audio: bool,
        video: bool,
        user_data: Mapping[str, Any],
    ) -> Entered:
        """Come in.

        Raises:
            RoomOver: the room has just ended.
            RoomFull: no place is left.
            TooLarge: the user data.
        """
        self._check_open(room.id)
        others = self.participants(scope.app_id, room.id)
        if len(others) >= room.max_participants:
            raise RoomFull("The room is full.")
        promised = admitted.participant_id
        if promised is None or any(other.id == promised for other in others):
            promised = new_participant_id()
        newcomer = Participant(
            id=promised,
            user_id=user_id,
            name=name,
            role=admitted.role,
            audio=audio and room.settings.audio.enabled,
            video=video and room.settings.video.enabled,
            screen=False,
            joined_at=iso_ms(scope.now()),
            user_data=dict(user_data),
        )
        self._say(scope.app_id, room.id, session_id, newcomer, [])
        return Entered(newcomer, others)

    def participants(self, app_id: AppId, room_id: str) -> list[Participant]:
        """Who is in a watched room, in the order in which they came."""
        return _in_order(self.presence.members(app_id, channel_of(room_id)))

    async def snapshot(self, app_id: AppId, room_id: str) -> list[Participant]:
        """Who is in a room, watched or not."""
        return _in_order(await self.presence.snapshot(app_id, channel_of(room_id)))

    def find(self, app_id: AppId, room_id: str, participant_id: str) -> Present:
        """A participant of a watched room.

        Raises:
            NotFound: there is none of that id.
        """
        member = self.presence.member(app_id, channel_of(room_id), participant_id)
        if member is None:
            raise NotFound("There is no such participant in this room.")
        return present_of(member)

    def change_media(
        self,
        app_id: AppId,
        room: Room,
        session_id: str,
        participant_id: str,
        wanted: Mapping[str, bool | None],
    ) -> Participant:
        """Say what the participant sends.

        Raises:
            NotFound: the participant is not there.
            NotAllowed: the room does not have that medium.
        """
        before = self.find(app_id, room.id, participant_id).participant
        changes = {
            name: value
            for name in MEDIA
            if (value := wanted.get(name)) is not None and value != getattr(before, name)
        }
        for name, value in changes.items():
            if value and not allows(room, name):
                raise NotAllowed(f"This room has no {name}.")
        if not changes:
            return before
        after = msgspec.structs.replace(before, **changes)
        self._say(app_id, room.id, session_id, after, list(changes))
        return after

    def resume(self, app_id: AppId, room: Room, session_id: str, participant: Participant) -> bool:
        """Be there again after a lost socket; False when others had seen the participant go.

        Raises:
            RoomOver: the room has just ended.
            RoomFull: the place was taken meanwhile.
        """
        self._check_open(room.id)
        channel = channel_of(room.id)
        is_there = self.presence.member(app_id, channel, participant.id) is not None
        if not is_there and len(self.presence.members(app_id, channel)) >= room.max_participants:
            raise RoomFull("The room is full.")
        self.presence.resume(app_id, channel, session_id, participant.id, self._data(participant, []))
        return is_there

    def leave(self, app_id: AppId, room_id: str, session_id: str) -> None:
        """Go."""
        self.presence.leave(app_id, channel_of(room_id), session_id)

    def ended(self, room_id: str) -> None:
        """The room has ended: nobody comes in any more."""
        self._ended[room_id] = None
        if len(self._ended) > _ENDED_KEPT:
            self._ended.popitem(last=False)

    def _check_open(self, room_id: str) -> None:
        if room_id in self._ended:
            raise RoomOver("This room has ended.")

    def _say(
        self, app_id: AppId, room_id: str, session_id: str, participant: Participant, changed: list[str]
    ) -> None:
        data = self._data(participant, changed)
        self.presence.enter(app_id, channel_of(room_id), session_id, participant.id, data)

    def _data(self, participant: Participant, changed: list[str]) -> dict[str, Any]:
        return {
            "participant": msgspec.to_builtins(participant),
            "node": self._node_id,
            "changed": changed,
        }


def new_participant_id() -> str:
    """A fresh one."""
    return f"p_{secrets.token_hex(8)}"


def allows(room: Room, medium: str) -> bool:
    """Whether a room has that medium: one of `MEDIA`."""
    settings = room.settings
    return {
        "audio": settings.audio.enabled,
        "video": settings.video.enabled,
        "screen": settings.screen_sharing.enabled,
    }[medium]


def _in_order(members: list[Member]) -> list[Participant]:
    ordered = sorted(members, key=lambda member: (member.joined_ms, member.user_id))
    return [present_of(member).participant for member in ordered]
