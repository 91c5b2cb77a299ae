"""Breakout rooms: meetings linked to a parent, and people who move between them (`realtimekit.md` 9.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from parley.base.errors import NotFound, TooMany
from parley.base.ids import MeetingId, ParticipantId, new_uuid
from parley.base.text import clean_line
from parley.base.times import to_ms
from parley.meetings.live import store
from parley.meetings.live.notices import (
    Broadcast,
    Notice,
    RoomsCreated,
    RoomsDeleted,
    RoomsView,
    RoomView,
    Transfer,
)
from parley.meetings.live.peer import LivePeer
from parley.meetings.model import Meeting, MeetingStatus, StageState

if TYPE_CHECKING:
    from parley.meetings.live.meeting import LiveMeeting

ROOMS_LIMIT = 50
"""Open breakout rooms of one meeting."""
TITLE_LIMIT = 256


class Breakout:
    """The rooms around a meeting, seen from one of them."""

    def __init__(self, live: LiveMeeting) -> None:
        self._live = live
        self._has_rooms = live.meeting.parent_id is not None

    @property
    def root_id(self) -> MeetingId:
        """The main meeting."""
        return self._live.meeting.parent_id or self._live.id

    async def _family(self) -> tuple[Meeting, list[Meeting]]:
        found = await store.family(self._live.scope, self.root_id)
        parent = next(meeting for meeting in found if meeting.id == self.root_id)
        rooms = [m for m in found if m.id != self.root_id and m.status is MeetingStatus.ACTIVE]
        return parent, rooms

    async def view(self, peer: LivePeer) -> RoomsView:
        """The main meeting, its open rooms, and who is in each, as far as the peer may see people."""
        parent, rooms = await self._family()
        return self._view(parent, rooms, whole=peer.permissions.show_participant_list)

    def _view(self, parent: Meeting, rooms: Sequence[Meeting], *, whole: bool) -> RoomsView:
        running = {live.id: live for live in self._live.family.running(self.root_id)}

        def look(meeting: Meeting) -> RoomView:
            live = running.get(meeting.id)
            people = live.visible() if live else []
            shown = [p.info() for p in people if whole or p.stage is StageState.ON_STAGE]
            return RoomView(meeting.id, meeting.title or "", shown)

        return RoomsView(look(parent), [look(room) for room in rooms])

    def changed(self) -> None:
        """Somebody came or went: tell everybody in the family, if there are rooms at all."""
        if self._has_rooms or len(self._live.family.running(self.root_id)) > 1:
            self._live.spawn(self._tell_view())

    async def _tell_view(self) -> None:
        parent, rooms = await self._family()
        whole = self._view(parent, rooms, whole=True)
        stage = self._view(parent, rooms, whole=False)
        self._tell_family(whole, to=lambda peer: peer.permissions.show_participant_list)
        self._tell_family(stage, to=lambda peer: not peer.permissions.show_participant_list)

    def _tell_family(
        self,
        notice: Notice,
        *,
        to: Callable[[LivePeer], bool] | None = None,
    ) -> None:
        for live in self._live.family.running(self.root_id):
            live.tell(notice, to=to)

    async def create(self, host: LivePeer, titles: Sequence[str]) -> RoomsCreated:
        """Open rooms; an empty title becomes `Room N`."""
        host.require(
            host.permissions.connected_meetings.can_alter_connected_meetings, "create breakout rooms"
        )
        parent, rooms = await self._family()
        if len(rooms) + len(titles) > ROOMS_LIMIT:
            raise TooMany(f"A meeting has at most {ROOMS_LIMIT} breakout rooms.", retry_after_s=60)
        made: list[tuple[MeetingId, str]] = []
        async with self._live.scope.change() as change:
            for number, title in enumerate(titles, start=len(rooms) + 1):
                # They are shown in the order of their creation, which is stored in milliseconds.
                now = change.now() + timedelta(milliseconds=len(made))
                room = Meeting(
                    id=MeetingId(new_uuid()),
                    app_id=self._live.scope.app_id,
                    parent_id=self.root_id,
                    title=clean_line(title, limit=TITLE_LIMIT) or f"Room {number}",
                    persist_chat=parent.persist_chat,
                    session_keep_alive_s=parent.session_keep_alive_s,
                    created_at=now,
                    updated_at=now,
                )
                await store.insert_meeting(change, room)
                made.append((room.id, room.title or ""))
        notice = RoomsCreated(made)
        for live in self._live.family.running(self.root_id):
            live.breakout._has_rooms = True
        self._tell_family(notice)  # the caller too: its client does not read the rooms out of the answer
        self.changed()  # before there were rooms nobody was told who comes and goes
        return notice

    async def delete(self, host: LivePeer, room_ids: Sequence[str]) -> RoomsDeleted:
        """Close rooms; the people in them are sent to the main meeting.

        Raises:
            NotFound: one of them is no open room of this meeting; nothing is closed then.
        """
        host.require(
            host.permissions.connected_meetings.can_alter_connected_meetings, "delete breakout rooms"
        )
        _, rooms = await self._family()
        known = {room.id: room for room in rooms}
        gone = [known.get(MeetingId(room_id)) for room_id in dict.fromkeys(room_ids)]
        async with self._live.scope.change() as change:
            for room in gone:
                if room is None:
                    raise NotFound("No such breakout room.")
                await store.close_meeting(change, room.id)
        closed = [(room.id, room.title or "") for room in gone if room is not None]
        notice = RoomsDeleted(closed)
        self._tell_family(notice)
        for live in self._live.family.running(self.root_id):
            if live.id in {room_id for room_id, _ in closed}:
                for peer in live.joined():
                    self._transfer(live, peer, self.root_id)
        return notice

    async def plan_move(
        self, mover: LivePeer, source_id: str, target_id: str, participant_ids: Sequence[str]
    ) -> list[tuple[LiveMeeting, LivePeer]]:
        """Check a move and say whom it concerns; `carry_out` does it.

        Raises:
            NotAllowed: moving others, or oneself there, is not in the preset.
            NotFound: not rooms of this meeting.
        """
        may = mover.permissions.connected_meetings
        parent, rooms = await self._family()
        open_ids = {parent.id, *(room.id for room in rooms)}
        if source_id not in open_ids or target_id not in open_ids:
            raise NotFound("No such room in this meeting.")
        if set(participant_ids) == {mover.participant.id}:
            to_parent = target_id == parent.id
            allowed = may.can_switch_to_parent_meeting if to_parent else may.can_switch_connected_meetings
            mover.require(allowed or may.can_alter_connected_meetings, "switch rooms")
        else:
            mover.require(may.can_alter_connected_meetings, "move people between rooms")
        source = next(
            (live for live in self._live.family.running(self.root_id) if live.id == source_id), None
        )
        if source is None:
            return []
        return [(source, peer) for peer in source.peers_of(participant_ids)]

    def carry_out(self, moves: Sequence[tuple[LiveMeeting, LivePeer]], target_id: str) -> None:
        """Send the peers to their new room; called after the mover has been answered."""
        for source, peer in moves:
            self._transfer(source, peer, MeetingId(target_id))

    def _transfer(self, source: LiveMeeting, peer: LivePeer, target_id: MeetingId) -> None:
        peer.notify(Transfer(target_id, self._live.family.issue_token(source, peer, target_id)))

    def broadcast(
        self, host: LivePeer, room_ids: Sequence[str], kind: str, payload: bytes
    ) -> Broadcast | None:
        """Relay a message to everybody in rooms of this meeting; None when none of them is open."""
        notice = Broadcast(kind, payload, to_ms(self._live.scope.now()))
        reached = [live for live in self._live.family.running(self.root_id) if live.id in room_ids]
        for live in reached:
            live.tell(notice, but=host)
        return notice if reached else None

    async def added_participants(self, peer: LivePeer) -> list[tuple[ParticipantId, str, str, str]]:
        """Everybody of the family that is here: id, name, picture and custom id."""
        peer.require_joined()
        return [
            (p.participant.id, p.name, p.participant.picture or "", p.participant.custom_participant_id)
            for live in self._live.family.running(self.root_id)
            for p in live.seen_by(peer)
        ]
