"""Which server runs a meeting, when there are several.

A main meeting and its breakout rooms run on one server, their *home*: whoever first needs them takes a lease
on the bus and renews it. Other servers pass what concerns the meeting on to its home. A server that loses a
lease (it slept, or Redis forgot) stops running the meeting, and its clients reconnect to the new home.

While the bus is away nothing changes hands: running meetings go on, new ones cannot be placed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import structlog

from parley.base.errors import Unavailable
from parley.base.ids import MeetingId
from parley.base.tasks import cancel_and_wait
from parley.bus import Bus, Lease

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=15)
"""After a server died, its meetings can move after this."""
RENEW_EVERY_S = 5.0
ATTEMPTS = 3

Moved = Callable[[MeetingId], None]


class Placement:
    """The leases of this server, and where the meetings of others are."""

    def __init__(self, bus: Bus, node_id: str) -> None:
        self._bus = bus
        self.node_id = node_id
        self._held: dict[MeetingId, Lease] = {}
        self._elsewhere: dict[MeetingId, str] = {}
        """Homes that this server passes things on to."""
        self._moved: list[Moved] = []
        self._task: asyncio.Task[None] | None = None

    def on_moved(self, callback: Moved) -> None:
        """Call back when a meeting is not here any more, or not where it was."""
        self._moved.append(callback)

    async def start(self) -> None:
        """Begin to renew."""
        self._task = asyncio.create_task(self._renew_forever(), name="placement")

    async def stop(self) -> None:
        """Give every meeting up, so that another server can take it at once."""
        await cancel_and_wait([self._task])
        for lease in self._held.values():
            try:
                await lease.release()
            except Unavailable:
                break  # it expires by itself
        self._held.clear()

    async def home(self, root_id: MeetingId) -> str:
        """The server that runs this main meeting; this one, if nobody did.

        Raises:
            Unavailable: the bus is away and the meeting is not here.
        """
        if root_id in self._held:
            return self.node_id
        name = f"meeting:{root_id}"
        for _ in range(ATTEMPTS):
            lease = await self._bus.lease(name, LEASE, self.node_id)
            if lease is not None:
                self._held[root_id] = lease
                self._elsewhere.pop(root_id, None)
                return self.node_id
            holder = await self._bus.holder_of(name)
            if holder is not None:
                self._elsewhere[root_id] = holder
                return holder
        raise Unavailable("This meeting is changing servers; try again.")

    def is_here(self, root_id: MeetingId) -> bool:
        """Whether this server is the meeting's home now."""
        return root_id in self._held

    async def release(self, root_id: MeetingId) -> None:
        """Nothing goes on in the meeting any more."""
        lease = self._held.pop(root_id, None)
        if lease is not None:
            await lease.release()

    def forget(self, root_id: MeetingId) -> None:
        """Nothing is passed on to the meeting's home any more."""
        self._elsewhere.pop(root_id, None)

    async def _renew_forever(self) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            try:
                await self._renew()
            except Unavailable as away:
                log.warning("placement_waits_for_bus", reason=away.message)

    async def _renew(self) -> None:
        for root_id, lease in list(self._held.items()):
            if not await lease.renew() and self._held.get(root_id) is lease:
                del self._held[root_id]
                log.warning("meeting_moved_away", meeting=root_id)
                self._tell(root_id)
        for root_id, home in list(self._elsewhere.items()):
            if await self._bus.holder_of(f"meeting:{root_id}") != home:
                self._elsewhere.pop(root_id, None)
                self._tell(root_id)

    def _tell(self, root_id: MeetingId) -> None:
        for callback in self._moved:
            callback(root_id)
