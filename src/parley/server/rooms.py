"""WebRTC rooms of one server process: their parts, put together and started in order."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from parley.base.events import Event
from parley.base.signing import SignedLinks
from parley.bus import Bus
from parley.channels.realtime.presence import Presence
from parley.media.pool import MediaPool
from parley.media.turn import IceOptions
from parley.rooms.events import RoomEnded
from parley.rooms.live import LiveRooms
from parley.rooms.meetings.service import Meetings
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
        """
        self._tokens = RoomTokens(store)
        self.live = LiveRooms(store.clock, presence, self._tokens, node_id)
        self._signals = Signals(bus, node_id)
        self.sfu = Sfu(self.live, self._signals, pool, bus, node_id)
        self.sockets = RoomSockets(hub, presence, self.live, self._signals, self.sfu, ice)
        self.recordings = Recordings(store, links, public_url=public_url)
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
        await self.sfu.start()
        stack.push_async_callback(self.sfu.stop)

    def heard(self, happened: Event) -> None:
        """Something was announced, by this process or another."""
        if isinstance(happened, RoomEnded):
            self.sockets.ended(happened.app_id, happened.room_id)
