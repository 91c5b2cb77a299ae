"""Read receipts and delivery (`realtime-block.md` 8.2, 8.3, 12).

A user has read a message when it was marked itself, or when everything up to it (or further) was; the first
of these times counts. Authors do not read their own messages.

Deliveries come once a second from every client, so they are kept for `FLUSH_S` and written together; a
process that dies loses them, and the client's next one says the same and more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import msgspec
import structlog

from parley.accounts.scope import AppScope
from parley.base.errors import NotFound
from parley.base.ids import AppId, new_uuid
from parley.base.tasks import cancel_and_wait
from parley.base.times import to_ms
from parley.bus import Bus, Subscription
from parley.channels.realtime import store as publications
from parley.channels.realtime.model import Publication
from parley.channels.realtime.receipts import store
from parley.channels.realtime.retention import Retention
from parley.store.core import Store
from parley.store.errors import DatabaseUnavailable

log = structlog.get_logger(__name__)
TOPIC = "receipts"
"""Bus topic: what one process tells the others."""
FLUSH_S = 1.0
WAITING_LIMIT = 20_000
"""Deliveries of as many users and channels are written at once when there are more."""

Tell = Callable[[AppId, str, str, str, int, bool], None]
"""Told of each new receipt: app, channel, message, user, time in ms, whether everything before is read too.

Must be quick.
"""


class Outcome(NamedTuple):
    """What became of marking a message as read."""

    read_at_ms: int
    """When the user read it first."""
    is_new: bool
    """False when nothing was unread before."""


class ReadBy(NamedTuple):
    """Somebody who has read a message."""

    user_id: str
    read_at_ms: int


class Status(NamedTuple):
    """Who has a message."""

    read_by: list[ReadBy]
    """In the order of reading."""
    delivered_to: list[str]
    """Users, sorted."""


class _Told(msgspec.Struct, frozen=True, array_like=True):
    origin: str
    app_id: AppId
    channel: str
    message_id: str
    user_id: str
    read_at_ms: int
    up_to: bool


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Told).decode


class Receipts:
    """Receipts of all channels."""

    def __init__(self, base: Store, retention: Retention, bus: Bus | None, tell: Tell) -> None:
        """Prepare.

        Args:
            base: where they are.
            retention: says which messages are gone.
            bus: tells other processes; None when there are none.
            tell: hears of new receipts, of this process and of others.
        """
        self._store = base
        self._retention = retention
        self._bus = bus
        self._tell = tell
        self._me = new_uuid()
        self._subscription: Subscription | None = None
        self._arrived: dict[tuple[AppId, str, str], int] = {}
        self._flusher: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to hear of other processes' receipts."""
        if self._bus is not None:
            self._subscription = await self._bus.subscribe(TOPIC, self._heard)

    async def stop(self) -> None:
        """Write what waits, and hear nothing more."""
        await cancel_and_wait([self._flusher])
        try:
            await self._flush()
        except DatabaseUnavailable as away:
            log.warning("deliveries_lost", count=len(self._arrived), reason=away.message)
        if self._subscription is not None:
            await self._subscription.close()

    async def read(
        self, scope: AppScope, channel: str, message_id: str, user_id: str, *, up_to: bool = False
    ) -> Outcome:
        """Note that a user has read a message, or with `up_to` everything up to it; safe to repeat.

        Own messages need no receipt and get none; the outcome then tells when they were published.

        Raises:
            NotFound: there is no such message in the channel (any more).
        """
        message = await self._message(scope, channel, message_id)
        app_id, offset, is_own = scope.app_id, message.offset, message.user_id == user_id
        now_ms = to_ms(scope.store.clock.now())
        alone, step = await store.first_read(scope.store.database, app_id, channel, offset, user_id)
        is_new = False
        if step is None and (up_to or (alone is None and not is_own)):
            async with scope.store.database.transaction() as tx:
                if not is_own:
                    is_new = await store.add_receipt(tx, app_id, channel, offset, user_id, now_ms)
                if up_to:
                    is_new = await store.add_step(tx, app_id, channel, offset, user_id, now_ms) or is_new
            alone, step = await store.first_read(scope.store.database, app_id, channel, offset, user_id)
        times = [at_ms for at_ms in (alone, step) if at_ms is not None]
        read_at_ms = min(times) if times else message.created_ms
        if is_new:
            self._announce(_Told(self._me, app_id, channel, message.id, user_id, read_at_ms, up_to))
        return Outcome(read_at_ms, is_new)

    async def delivered(self, scope: AppScope, channel: str, user_id: str, offset: int) -> None:
        """Note that everything up to a place has arrived; written a little later."""
        key = (scope.app_id, channel, user_id)
        if offset <= self._arrived.get(key, 0):
            return
        self._arrived[key] = offset
        if len(self._arrived) >= WAITING_LIMIT:
            await self._flush()
        elif self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._flush_soon(), name="deliveries")

    async def status(self, scope: AppScope, channel: str, message_id: str) -> Status:
        """Who has read a message, and who has received it.

        Raises:
            NotFound: there is no such message in the channel (any more).
        """
        message = await self._message(scope, channel, message_id)
        await self._flush()
        read_at, delivered = await store.readers(scope.store.database, scope.app_id, channel, message.offset)
        readers = [ReadBy(*each) for each in read_at.items() if each[0] != message.user_id]
        return Status(
            sorted(readers, key=lambda each: (each.read_at_ms, each.user_id)),
            sorted(user_id for user_id in delivered if user_id != message.user_id),
        )

    async def _message(self, scope: AppScope, channel: str, message_id: str) -> Publication:
        found = await publications.find(scope.store.database, scope.app_id, channel, message_id)
        if found is None or found.created_ms <= await self._retention.expired_ms(scope):
            raise NotFound("There is no such message in the channel.")
        return found

    # --- telling ------------------------------------------------------------------------------

    def _announce(self, told: _Told) -> None:
        self._pass_on(told)
        if self._bus is not None:
            self._bus.publish(TOPIC, _encode(told))

    def _heard(self, payload: bytes) -> None:
        told = _decode(payload)
        if told.origin != self._me:
            self._pass_on(told)

    def _pass_on(self, told: _Told) -> None:
        self._tell(told.app_id, told.channel, told.message_id, told.user_id, told.read_at_ms, told.up_to)

    # --- deliveries ---------------------------------------------------------------------------

    async def _flush_soon(self) -> None:
        try:
            while self._arrived:
                await asyncio.sleep(FLUSH_S)
                await self._flush()
        except DatabaseUnavailable as away:
            log.warning("deliveries_wait_for_database", reason=away.message)  # the next one tries again

    async def _flush(self) -> None:
        if not self._arrived:
            return
        arrived, self._arrived = self._arrived, {}
        try:
            await self._write(arrived)
        except BaseException:
            for key, offset in arrived.items():
                self._arrived[key] = max(offset, self._arrived.get(key, 0))
            raise

    async def _write(self, arrived: dict[tuple[AppId, str, str], int]) -> None:
        database = self._store.database
        channels = list({(app_id, channel) for app_id, channel, _ in arrived})
        places = {}
        for first in range(0, len(channels), 500):
            places.update(await publications.positions(database, channels[first : first + 500]))
        # Nobody has received what was not published: a client that says so would count for all to come.
        rows = [
            (app_id, channel, user_id, min(offset, places[app_id, channel].offset))
            for (app_id, channel, user_id), offset in sorted(arrived.items())
            if (app_id, channel) in places
        ]
        async with database.transaction() as tx:
            await store.advance_delivered(tx, rows, to_ms(self._store.clock.now()))
