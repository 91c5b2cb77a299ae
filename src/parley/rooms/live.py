"""Participants of rooms, while they are there (`realtime-block.md` 15.2 to 15.4).

A participant is an entry of `channels.realtime.presence` on a channel that no client can name. So a lost
socket keeps its place for the grace, a resume on any process finds it again, and every process sees the same
people.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import msgspec

from parley.accounts.scope import AppScope
from parley.accounts.user_tokens import InvalidToken
from parley.base.errors import NotAllowed, NotFound, ParleyError
from parley.base.ids import AppId
from parley.base.times import iso_ms
from parley.channels.realtime.members import Member
from parley.channels.realtime.presence import Presence
from parley.rooms import service
from parley.rooms.model import Participant, Role, Room, RoomStatus
from parley.rooms.tokens import RoomTokens

_PREFIX = "webrtc/"
MEDIA = ("audio", "video", "screen")


class RoomFull(NotAllowed):
    """As many participants as the room takes are there."""

    code = "room_full"


class RoomOver(ParleyError):
    """The room has ended."""

    code = "expired"


def channel_of(room_id: str) -> str:
    """The channel of a room's participants; a slash is in no client's channel."""
    return _PREFIX + room_id


def room_of(channel: str) -> str | None:
    """The room of such a channel."""
    return channel.removeprefix(_PREFIX) if channel.startswith(_PREFIX) else None


def participant_of(member: Member) -> Participant:
    """The participant that an entry stands for."""
    return msgspec.convert(member.data["participant"], Participant)


class LiveRooms:
    """Who is in which room, as this process sees it."""

    def __init__(self, presence: Presence, tokens: RoomTokens) -> None:
        self._presence = presence
        self._tokens = tokens

    async def join(
        self,
        scope: AppScope,
        room_id: str,
        session_id: str,
        *,
        user_id: str,
        name: str,
        token: str | None,
        audio: bool,
        video: bool,
        user_data: Mapping[str, Any],
    ) -> tuple[Room, Participant, list[Participant]]:
        """Come in; returns the room, the newcomer, and who was there before.

        Take an interest in the room's channel (`Presence.watch`) before, and give it back on leaving.

        Raises:
            NotFound: no such room.
            RoomOver: it has ended.
            InvalidToken: the token is wrong, or none is there where one is needed.
            RoomFull: no place is left.
            TooLarge: the user data.
        """
        room = await service.get_room(scope, room_id)
        if room.status is not RoomStatus.OPEN:
            raise RoomOver("This room has ended.")
        if token is None and room.access == "token":
            raise InvalidToken("This room needs a token.")
        role = Role.PARTICIPANT if token is None else self._tokens.role(token, room_id, user_id)
        others = self.participants(scope.app_id, room_id)
        if len(others) >= room.max_participants:
            raise RoomFull("The room is full.")
        newcomer = Participant(
            id=f"p_{secrets.token_hex(8)}",
            user_id=user_id,
            name=name,
            role=role,
            audio=audio and room.settings.audio.enabled,
            video=video and room.settings.video.enabled,
            screen=False,
            joined_at=iso_ms(scope.now()),
            user_data=dict(user_data),
        )
        self._enter(scope.app_id, room_id, session_id, newcomer)
        return room, newcomer, others

    def participants(self, app_id: AppId, room_id: str) -> list[Participant]:
        """Who is in a watched room."""
        return [participant_of(member) for member in self._presence.members(app_id, channel_of(room_id))]

    async def snapshot(self, app_id: AppId, room_id: str) -> list[Participant]:
        """Who is in a room."""
        members = await self._presence.snapshot(app_id, channel_of(room_id))
        return [participant_of(member) for member in members]

    def find(self, app_id: AppId, room_id: str, participant_id: str) -> Participant:
        """A participant of a watched room.

        Raises:
            NotFound: there is none of that id.
        """
        member = self._presence.member(app_id, channel_of(room_id), participant_id)
        if member is None:
            raise NotFound("There is no such participant in this room.")
        return participant_of(member)

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
        before = self.find(app_id, room.id, participant_id)
        changes = {name: value for name in MEDIA if (value := wanted.get(name)) is not None}
        allowed = {
            "audio": room.settings.audio.enabled,
            "video": room.settings.video.enabled,
            "screen": room.settings.screen_sharing.enabled,
        }
        for name, value in changes.items():
            if value and not allowed[name]:
                raise NotAllowed(f"This room has no {name}.")
        after = msgspec.structs.replace(before, **changes)
        self._enter(app_id, room.id, session_id, after)
        return after

    def resume(self, app_id: AppId, room_id: str, session_id: str, participant: Participant) -> None:
        """Be there again after a lost socket."""
        self._presence.resume(app_id, channel_of(room_id), session_id, participant.id, _data(participant))

    def leave(self, app_id: AppId, room_id: str, session_id: str) -> None:
        """Go."""
        self._presence.leave(app_id, channel_of(room_id), session_id)

    def _enter(self, app_id: AppId, room_id: str, session_id: str, participant: Participant) -> None:
        self._presence.enter(app_id, channel_of(room_id), session_id, participant.id, _data(participant))


def _data(participant: Participant) -> dict[str, Any]:
    return {"participant": msgspec.to_builtins(participant)}
