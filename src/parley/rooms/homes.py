"""Which server process forwards a room's media, when there are several.

The first that needs to takes a lease on the bus, and renews it while it has anybody's streams. Others pass on
what their participants tell the server. A room whose home is gone has another one within `LEASE`; its
participants then open new connections. While the bus is away nothing changes hands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import structlog

from parley.base.errors import Unavailable
from parley.base.tasks import cancel_and_wait
from parley.bus import Bus, Lease

log = structlog.get_logger(__name__)
LEASE = timedelta(seconds=15)
RENEW_EVERY_S = 5.0
ATTEMPTS = 3
Moved = Callable[[str], None]


class Homes:
    """The leases of this process, and where the rooms of others are."""

    def __init__(self, bus: Bus | None, node_id: str, moved: Moved) -> None:
        """Prepare.

        Args:
            bus: shared with other processes; None when there are none.
            node_id: names this process.
            moved: told of a room that has lost its home, this process included.
        """
        self.node_id = node_id
        self._bus = bus
        self._moved = moved
        self._held: dict[str, Lease] = {}
        self._elsewhere: dict[str, str] = {}
        self._taking = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to renew."""
        if self._bus is not None:
            self._task = asyncio.create_task(self._renew_forever(), name="homes of rooms")

    async def stop(self) -> None:
        """Let others have the rooms at once."""
        await cancel_and_wait([self._task])
        for room_id in list(self._held):
            await self.release(room_id)

    async def home(self, room_id: str) -> str:
        """The process that forwards the room's media; this one, if nobody did.

        Raises:
            Unavailable: the bus is away, or the room is changing hands.
        """
        if self._bus is None or room_id in self._held:
            return self.node_id
        if room_id in self._elsewhere:
            return self._elsewhere[room_id]
        async with self._taking:  # a second lease of ours would end the first
            return await self._take(self._bus, room_id)

    async def _take(self, bus: Bus, room_id: str) -> str:
        if room_id in self._held:
            return self.node_id
        for _ in range(ATTEMPTS):
            lease = await bus.lease(_name(room_id), LEASE, self.node_id)
            if lease is not None:
                self._held[room_id] = lease
                return self.node_id
            holder = await bus.holder_of(_name(room_id))
            if holder is not None:
                self._elsewhere[room_id] = holder
                return holder
        raise Unavailable("This room is changing servers; try again.")

    def is_here(self, room_id: str) -> bool:
        """Whether this process is the room's home now."""
        return self._bus is None or room_id in self._held

    def forget(self, room_id: str) -> None:
        """Nobody here has anything to do with the room any more, unless its media is here."""
        self._elsewhere.pop(room_id, None)

    async def release(self, room_id: str) -> None:
        """The room has no media here any more."""
        lease = self._held.pop(room_id, None)
        if lease is not None:
            try:
                await lease.release()
            except Unavailable:
                log.info("home_not_released", room=room_id)  # it expires by itself

    async def _renew_forever(self) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            try:
                await self.renew()
            except Unavailable as away:
                log.warning("homes_wait_for_bus", reason=away.message)
            except Exception:
                log.exception("homes_failed")

    async def renew(self) -> None:
        """Keep what this process has, and see whether others still have theirs; `start` has it done."""
        assert self._bus is not None
        for room_id, lease in list(self._held.items()):
            if not await lease.renew() and self._held.get(room_id) is lease:
                del self._held[room_id]
                self._moved(room_id)
        for room_id, node_id in list(self._elsewhere.items()):
            if await self._bus.holder_of(_name(room_id)) != node_id and room_id in self._elsewhere:
                del self._elsewhere[room_id]
                self._moved(room_id)


def _name(room_id: str) -> str:
    return f"room-media:{room_id}"
