"""WebRTC rooms of one server process: their parts, put together and started in order."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from parley.accounts.scope import Change
from parley.base.events import Event
from parley.base.signing import SignedLinks
from parley.bus import Bus
from parley.channels.realtime.presence import Presence
from parley.media.pool import MediaPool
from parley.media.turn import IceOptions
from parley.recordings import model as films
from parley.recordings.rooms import RoomCaptures
from parley.recordings.service import Recordings as Films
from parley.rooms.events import RoomChanged, RoomEnded
from parley.rooms.live import LiveRooms
from parley.rooms.meetings.service import Meetings
from parley.rooms.model import Recording
from parley.rooms.recordings import Recordings
from parley.rooms.sfu import Sfu
from parley.rooms.signals import Signals
from parley.rooms.tokens import RoomTokens
from parley.store.core import Store
from parley.stream.hub import Hub
from parley.wire.block.rooms.rooms import RoomAddresses
from parley.wire.block.socket.rooms import RoomSockets


class Rooms:
    """Rooms, their sockets and what their REST needs."""

    def __init__(
        self,
        store: Store,
        hub: Hub,
        presence: Presence,
        bus: Bus | None,
        node_id: str,
        pool: MediaPool,
        ice: IceOptions,
        links: SignedLinks,
        public_url: str,
        films: Films | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            store: where everything is.
            hub: of the sockets.
            presence: has the participants.
            bus: shared with other processes; None when there are none.
            node_id: names this process.
            pool: forwards the media of rooms that want the server to.
            ice: servers that browsers are told of.
            links: signs the links of recordings.
            public_url: where people reach this server, without a slash at the end.
            films: records rooms; None where nothing is recorded.
        """
        self._tokens = RoomTokens(store)
        self.live = LiveRooms(store.clock, presence, self._tokens, node_id)
        self._signals = Signals(bus, node_id)
        self.sfu = Sfu(self.live, self._signals, pool, bus, node_id)
        self.sockets = RoomSockets(hub, presence, self.live, self._signals, self.sfu, ice)
        self.recordings = Recordings(store, links, public_url=public_url)
        self._captures: RoomCaptures | None = None
        if films is not None:
            films.room_film = self._take_over
            self._captures = RoomCaptures(store, films, self.sfu.running)
            self.sfu.media_changed = self._captures.changed
        self.services: tuple[Any, ...] = (
            self.live,
            self.recordings,
            RoomAddresses(public_url, ice),
            Meetings(self._tokens, public_url=public_url),
        )

    async def start(self, stack: AsyncExitStack) -> None:
        """Begin; the stack ends it in reverse."""
        await self._tokens.open()
        await self._signals.start()
        stack.push_async_callback(self._signals.stop)
        if self._captures is not None:
            await self._captures.start()
            stack.push_async_callback(self._captures.stop)
        await self.sfu.start()
        stack.push_async_callback(self.sfu.stop)

    def heard(self, happened: Event) -> None:
        """Something was announced, by this process or another."""
        if isinstance(happened, RoomChanged):
            self.sfu.room_changed(
                happened.app_id, happened.room_id, recording_enabled=happened.recording_enabled
            )
        if isinstance(happened, RoomEnded):
            self.sfu.room_ended(happened.app_id, happened.room_id)
            self.sockets.ended(happened.app_id, happened.room_id)
            if self._captures is not None:
                self._captures.ended(happened.app_id, happened.room_id)

    async def _take_over(self, change: Change, room_id: str, film: films.Recording, blob_key: str) -> None:
        """A film of a room is finished: it is a recording of the room from now on."""
        recording = Recording(
            id=film.id,
            app_id=film.app_id,
            room_id=room_id,
            blob_key=blob_key,
            content_type="video/mp4",
            size_bytes=film.size_bytes or 0,
            duration_seconds=round(film.recorded_ms / 1000),
            created_at=change.now(),
        )
        await self.recordings.add(change, recording)
