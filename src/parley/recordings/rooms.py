"""WebRTC rooms are recorded while somebody sends, into one film for each time that people met.

A room that is to be recorded is, from the first who sends. When nobody sends any more the film halts; it goes
on if somebody does within `AWAY`, and is finished otherwise, or at once when the room ends. A server says
every `BEAT_S` that it captures: what a dead one left is taken up by whoever forwards the room next, or
finished when nobody does.

    rooms (media) ── changed ──> RoomCaptures ──> Capture (see `capture.py`)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Protocol

from parley.accounts.scope import AppScope
from parley.accounts.service import app_scope
from parley.base.ids import AppId, PeerId
from parley.base.loops import Periodic
from parley.meetings.ports import Publisher
from parley.recordings import store
from parley.recordings.capture import AWAY, Capture, Due
from parley.recordings.model import SERVER, Recording, RecordingStatus, Stop, StopReason
from parley.recordings.service import OF_ROOMS, Recordings
from parley.store.core import Store

BEAT_S = 5.0
"""Between signs of life of what is captured."""
LEFT = StopReason(Stop.ALL_PEERS_LEFT)


class RecordedRoom(Protocol):
    """A room whose media this process forwards."""

    @property
    def id(self) -> str:
        """The room's id."""
        ...

    @property
    def app_id(self) -> AppId:
        """The app it belongs to."""
        ...

    @property
    def is_recorded(self) -> bool:
        """Whether it is to be recorded, and has not ended."""
        ...

    def publishers(self) -> list[Publisher]:
        """Everybody whose media is here, once somebody sends."""
        ...


class _Live:
    """A room in the words of `capture.Recorded`."""

    pinned: PeerId | None = None

    def __init__(self, room_id: str) -> None:
        self.id = room_id


class RoomCapture(Capture):
    """What is captured of one room."""

    def __init__(
        self, room: RecordedRoom, base: Store, recordings: Recordings, on_end: Callable[[], None]
    ) -> None:
        super().__init__(_Live(room.id), recordings, on_end)
        self.room = room
        self._store = base
        self._scope: AppScope | None = None

    async def _due(self) -> Due:
        scope = self._scope = self._scope or await app_scope(self._store, self.room.app_id, "recorder")
        active = await store.active_of_room(scope, self.room.id)
        is_wanted, people, now = self.room.is_recorded, self.room.publishers(), scope.now()
        for recording in active:
            is_followed = recording.id in self._following
            if not is_followed:
                await self._recordings.cut_off(scope, recording.id, _seen_until(recording.updated_at, now))
            elif not people:
                await self._recordings.cut_off(scope, recording.id, now)
            if not is_wanted or _is_full(recording, now):
                await self._recordings.stop(scope, recording.id, StopReason(Stop.API_CALL, SERVER))
            elif not is_followed and now - recording.updated_at > AWAY:
                await self._recordings.stop(scope, recording.id, LEFT)
        if not is_wanted or not people:
            return Due(scope, [], None, [])
        if active:
            active = await store.active_of_room(scope, self.room.id)
        if not active:
            active = [await self._recordings.start_in_room(scope, self.room.id)]
        return Due(scope, people, None, active)

    async def _followed(self, scope: AppScope, running: list[Recording]) -> None:
        now = scope.now()
        stale = [each for each in running if now - each.updated_at >= timedelta(seconds=BEAT_S)]
        if stale:
            async with scope.change() as change:
                for recording in stale:
                    await store.touch(change, recording.id, now)


class RoomCaptures:
    """Follows the rooms whose media this process forwards, and finishes what dead servers left."""

    def __init__(
        self, base: Store, recordings: Recordings, running: Callable[[], Iterable[RecordedRoom]]
    ) -> None:
        """Prepare.

        Args:
            base: where recordings are.
            recordings: their states.
            running: every room whose media is here.
        """
        self._store = base
        self._recordings = recordings
        self._running = running
        self._captures: dict[RecordedRoom, RoomCapture] = {}
        self._ended: set[tuple[AppId, str]] = set()
        """Rooms whose films have to be finished."""
        self._beats = Periodic(self.beat, BEAT_S, "recordings of rooms")

    async def start(self) -> None:
        """Begin."""
        await self._beats.start()

    async def stop(self) -> None:
        """End; what is captured goes on being so until the rooms' media is closed."""
        await self._beats.stop()
        for capture in list(self._captures.values()):
            await capture.stop()
        self._captures.clear()

    def changed(self, room: RecordedRoom) -> None:
        """Who sends what in a room, or whether it is recorded, may have changed. Returns at once."""
        capture = self._captures.get(room)
        if capture is None:
            if not room.is_recorded:
                return
            capture = RoomCapture(room, self._store, self._recordings, lambda: self._forget(room))
            self._captures[room] = capture
        capture.wake()

    def _forget(self, room: RecordedRoom) -> None:
        self._captures.pop(room, None)

    def ended(self, app_id: AppId, room_id: str) -> None:
        """A room has ended: its film is finished soon, whoever captured it. Returns at once."""
        self._ended.add((app_id, room_id))
        self._beats.soon()

    async def beat(self) -> None:
        """Finish what has ended or is captured by nobody, and look at every room here again; `start` has it
        done."""
        ended, self._ended = self._ended, set()
        for app_id, room_id in ended:
            scope = await app_scope(self._store, app_id, "recorder")
            for recording in await store.active_of_room(scope, room_id):
                await self._recordings.stop(scope, recording.id, LEFT)
        for room in self._running():
            self.changed(room)
        before = self._store.clock.now() - AWAY
        for owner, recording_id, seen in await store.left_behind(self._store.database, before):
            scope = await app_scope(self._store, AppId(owner), "system")
            await self._recordings.cut_off(scope, recording_id, _seen_until(seen, scope.now()))
            await self._recordings.stop(scope, recording_id, LEFT)


def _seen_until(last: datetime, now: datetime) -> datetime:
    """By when a server that gave its last sign of life then has captured nothing any more."""
    return min(now, last + timedelta(seconds=BEAT_S))


def _is_full(recording: Recording, now: datetime) -> bool:
    """The longest time is over: what follows is another film."""
    is_running = recording.status is RecordingStatus.RECORDING
    return is_running and recording.recorded_until(now) >= OF_ROOMS.max_seconds * 1000
