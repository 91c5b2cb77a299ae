"""One channel as this process sees it: order, fan-out, and what a latecomer missed.

    commit (this process) ─┐
                           ├─> accept ─> in order? ─> hub topic of the channel ─> sockets
    bus (other processes) ─┘      └─ a gap: ask the store

A feed announces each place once and in order, whatever order the commits of several processes are heard in.
Joining and reading the feed's present place happen in one turn of the event loop, so that nothing falls
between the place a subscriber is told and the first publication it gets.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec
import structlog

from parley.base.ids import AppId
from parley.base.tasks import cancel_and_wait
from parley.bus import Bus, Subscription
from parley.bus.tally import Tally
from parley.channels.realtime import store
from parley.channels.realtime.model import REPLAY_LIMIT, Position, Publication, channel_key
from parley.store.core import Store
from parley.store.errors import DatabaseUnavailable
from parley.stream.hub import Hub, Reader

log = structlog.get_logger(__name__)
TAIL = 1_000
"""Publications of a channel kept in memory, for those who come back soon."""
TAIL_BYTES = 1 << 20
REPAIR_AFTER_S = 0.05
"""Commits of other processes may be heard in another order; they sort themselves out within this."""
SWEEP_EVERY_S = 1.0
"""A net for publications whose process died before it could tell the others."""
KEEP_S = 60.0
"""How long a feed without subscribers stays, for those who come back."""

Encode = Callable[[Publication], bytes]
"""A frame, ready for the wire, that all subscribers share."""


class Lost(StrEnum):
    """Why somebody cannot have what they missed."""

    EXPIRED = "expired"
    EPOCH_CHANGED = "epoch_changed"
    TOO_MANY = "too_many"


class Joined(NamedTuple):
    """The outcome of joining a feed."""

    position: Position
    """Everything behind it comes as it happens."""
    missed: Sequence[Publication] | None
    """What lies between the place that was asked for and `position`; None when it cannot be had (or nothing
    was asked for)."""
    lost: Lost | None


class Prepared(NamedTuple):
    """A place at a feed that is kept for somebody, and what they missed until now."""

    feed: Feed
    since: Position | None
    missed: list[Publication]
    lost: Lost | None


class Feed:
    """One channel with subscribers in this process."""

    __slots__ = (
        "_tail_bytes",
        "ahead",
        "app_id",
        "channel",
        "epoch",
        "idle_since",
        "key",
        "offset",
        "opened",
        "readers",
        "repair",
        "subscription",
        "tail",
    )

    def __init__(self, app_id: AppId, channel: str) -> None:
        self.app_id = app_id
        self.channel = channel
        self.key = channel_key(app_id, channel)
        self.epoch = ""
        self.offset = -1
        """The place announced last; -1 while it is being opened."""
        self.ahead: dict[int, Publication] = {}
        """Heard of, but an earlier one has not been."""
        self.tail: deque[Publication] = deque()
        self._tail_bytes = 0
        self.readers = 0
        self.idle_since = 0.0
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.repair: asyncio.Task[None] | None = None
        self.subscription: Subscription | None = None

    @property
    def position(self) -> Position:
        """The place announced last."""
        return Position(self.epoch, self.offset)

    def remember(self, publication: Publication) -> None:
        """Keep for latecomers."""
        self.tail.append(publication)
        self._tail_bytes += len(publication.data)
        while len(self.tail) > TAIL or self._tail_bytes > TAIL_BYTES:
            self._tail_bytes -= len(self.tail.popleft().data)

    def forget(self) -> None:
        """The stream began anew."""
        self.tail.clear()
        self._tail_bytes = 0
        self.ahead.clear()

    def since(self, offset: int) -> list[Publication] | None:
        """Everything behind a place, if memory reaches that far back."""
        if offset == self.offset:
            return []
        if not self.tail or self.tail[0].offset > offset + 1:
            return None
        return [one for one in self.tail if one.offset > offset]


class Feeds:
    """The feeds of this process."""

    def __init__(
        self, base: Store, hub: Hub, encode: Encode, bus: Bus | None, tally: Tally | None = None
    ) -> None:
        """Prepare.

        Args:
            base: where publications are.
            hub: writes to subscribers; the topic of a channel is its `channel_key`.
            encode: makes the frame.
            bus: tells other processes; None when there are none.
            tally: counts subscribers with those of other processes; None when there are none.
        """
        self._store = base
        self._hub = hub
        self._encode = encode
        self._bus = bus
        self._tally = tally
        self.named: dict[str, Reader] = {}
        """Readers by the name that `Draft.but` means; they put themselves here and take themselves away."""
        self._feeds: dict[str, Feed] = {}
        self._sweeper: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """Channels in use."""
        return len(self._feeds)

    async def start(self) -> None:
        """Begin looking after feeds."""
        self._sweeper = asyncio.create_task(self._sweep_forever(), name="feeds")

    async def stop(self) -> None:
        """Stop looking after feeds, and hear of nothing more."""
        await cancel_and_wait([self._sweeper, *(feed.repair for feed in self._feeds.values())])
        for feed in list(self._feeds.values()):
            await self._close(feed)

    def announced(self, publications: Sequence[Publication]) -> None:
        """Take what this process has committed (`log.Announce`)."""
        for one in publications:
            feed = self._feeds.get(one.key)
            if feed is not None:
                self._accept(feed, one)
            if self._bus is not None:
                self._bus.publish(f"feed:{one.key}", _encode_for_bus(one))

    async def join(
        self, app_id: AppId, channel: str, reader: Reader, since: Position | None = None
    ) -> Joined:
        """Subscribe: `prepare` and `attach` in one."""
        return self.attach(await self.prepare(app_id, channel, since), reader)

    async def prepare(self, app_id: AppId, channel: str, since: Position | None = None) -> Prepared:
        """Do the part of subscribing that takes time; `attach` or `discard` what it returns."""
        feed = await self._open(app_id, channel)
        feed.readers += 1
        missed: list[Publication] = []
        lost: Lost | None = None
        try:
            if since is not None:
                missed, lost = await self._missed(feed, since)
        except BaseException:
            self._release(feed)
            raise
        return Prepared(feed, since, missed, lost)

    def attach(self, prepared: Prepared, reader: Reader) -> Joined:
        """Subscribe: what lies behind the returned position will be written to the reader.

        Write what was missed before control returns to the event loop, and the order is right.
        """
        feed, since, missed, lost = prepared
        self._hub.join(feed.key, reader)
        self._count(feed.key)
        if since is None or lost is not None:
            return Joined(feed.position, None, lost)
        recent = feed.since(missed[-1].offset if missed else since.offset)
        if recent is None or since.epoch != feed.epoch:
            return Joined(feed.position, None, Lost.TOO_MANY)
        return Joined(feed.position, missed + recent, None)

    def discard(self, prepared: Prepared) -> None:
        """Give a prepared place up."""
        self._release(prepared.feed)

    def leave(self, app_id: AppId, channel: str, reader: Reader) -> None:
        """Unsubscribe somebody who joined."""
        feed = self._feeds.get(channel_key(app_id, channel))
        if feed is not None:
            self._hub.leave(feed.key, reader)
            self._count(feed.key)
            self._release(feed)

    async def subscribers(self, app_id: AppId, channel: str) -> int:
        """Subscribers in all processes."""
        key = channel_key(app_id, channel)
        here = self._hub.count(key)
        return here if self._tally is None else here + await self._tally.others(f"subscribers:{key}")

    async def position(self, app_id: AppId, channel: str) -> Position | None:
        """The newest place of a channel; None when nobody has ever used it."""
        return await store.position(self._store.database, app_id, channel)

    def _count(self, key: str) -> None:
        if self._tally is not None:
            self._tally.set(f"subscribers:{key}", self._hub.count(key))

    def _release(self, feed: Feed) -> None:
        feed.readers -= 1
        if not feed.readers:
            feed.idle_since = self._store.clock.monotonic()

    async def _open(self, app_id: AppId, channel: str) -> Feed:
        key = channel_key(app_id, channel)
        feed = self._feeds.get(key)
        if feed is None:
            feed = self._feeds[key] = Feed(app_id, channel)
            try:
                await self._load(feed)
            except BaseException as failure:
                self._feeds.pop(key, None)
                if not feed.opened.done():
                    feed.opened.set_exception(failure)
                    feed.opened.exception()  # whoever waits raises it; nobody need
                if feed.subscription is not None:
                    await feed.subscription.close()
                raise
            feed.opened.set_result(None)
        elif not feed.opened.done():
            await asyncio.shield(feed.opened)
        return feed

    async def _load(self, feed: Feed) -> None:
        if self._bus is not None:  # first: what is committed while we look up the place must not be missed
            feed.subscription = await self._bus.subscribe(
                f"feed:{feed.key}",
                lambda payload: self._heard(feed, payload),
                on_gap=lambda: self._repair_soon(feed, 0.0),
            )
        place = await store.position(self._store.database, feed.app_id, feed.channel)
        if place is None:
            async with self._store.database.transaction() as tx:
                place = await store.take_places(tx, feed.app_id, feed.channel, 0)
        feed.epoch, feed.offset = place
        self._advance(feed)

    async def _close(self, feed: Feed) -> None:
        self._feeds.pop(feed.key, None)
        if feed.subscription is not None:
            await feed.subscription.close()

    # --- what happens on the channel ----------------------------------------------------------

    def _heard(self, feed: Feed, payload: bytes) -> None:
        self._accept(feed, _decode_from_bus(payload))

    def _accept(self, feed: Feed, one: Publication) -> None:
        if feed.offset >= 0 and one.epoch != feed.epoch:
            feed.forget()
            feed.epoch, feed.offset = one.epoch, one.offset - 1
        if feed.offset < 0 or one.offset > feed.offset + 1:
            feed.ahead[one.offset] = one
            if feed.offset >= 0:
                self._repair_soon(feed, REPAIR_AFTER_S)
        elif one.offset == feed.offset + 1:
            self._announce(feed, one)
            if feed.ahead:
                self._advance(feed)

    def _advance(self, feed: Feed) -> None:
        """Announce what was waiting for its turn."""
        while (following := feed.ahead.pop(feed.offset + 1, None)) is not None:
            self._announce(feed, following)
        for offset in [offset for offset in feed.ahead if offset <= feed.offset]:
            del feed.ahead[offset]

    def _announce(self, feed: Feed, one: Publication) -> None:
        feed.offset = one.offset
        feed.remember(one)
        but = self.named.get(one.but) if one.but is not None else None
        if but is None:
            self._hub.publish(feed.key, self._encode(one))
        else:
            self._hub.publish_except(feed.key, self._encode(one), but)

    # --- what somebody missed -----------------------------------------------------------------

    async def _missed(self, feed: Feed, since: Position) -> tuple[list[Publication], Lost | None]:
        """What lies between a place and the present one."""
        if since.offset > feed.offset:
            await self._repair(feed)  # another process may be ahead of this one
        if since.epoch != feed.epoch or since.offset > feed.offset:
            return [], Lost.EPOCH_CHANGED
        found: list[Publication] = []
        while True:
            reached = found[-1].offset if found else since.offset
            if feed.offset - since.offset > REPLAY_LIMIT:
                return [], Lost.TOO_MANY
            if since.epoch != feed.epoch:
                return [], Lost.EPOCH_CHANGED
            recent = feed.since(reached)
            if recent is not None:
                return found + recent, None
            to = feed.offset
            older = await store.after(
                self._store.database, feed.app_id, feed.channel, feed.epoch, reached, to, REPLAY_LIMIT
            )
            if [one.offset for one in older] != list(range(reached + 1, to + 1)):
                return [], Lost.EXPIRED
            found += older

    # --- repair -------------------------------------------------------------------------------

    def _repair_soon(self, feed: Feed, after_s: float) -> None:
        if feed.repair is None or feed.repair.done():
            feed.repair = asyncio.create_task(self._repair_after(feed, after_s), name="feed repair")

    async def _repair_after(self, feed: Feed, after_s: float) -> None:
        await asyncio.sleep(after_s)
        try:
            await self._repair(feed)
        except DatabaseUnavailable as away:
            log.warning("feed_waits_for_database", reason=away.message)  # the sweeper tries again

    async def _repair(self, feed: Feed) -> None:
        """Announce what is on disk and was not heard of."""
        place = await store.position(self._store.database, feed.app_id, feed.channel)
        if place is None or feed.offset < 0:
            return
        await self._follow(feed, place)

    async def _follow(self, feed: Feed, place: Position) -> None:
        if place.epoch != feed.epoch:
            feed.forget()
            feed.epoch, feed.offset = place.epoch, 0
        while feed.offset < place.offset:
            found = await store.after(
                self._store.database,
                feed.app_id,
                feed.channel,
                feed.epoch,
                feed.offset,
                place.offset,
                REPLAY_LIMIT,
            )
            if not found:  # purged: nobody can have it any more
                feed.offset = place.offset
                break
            for one in found:
                if one.offset > feed.offset:  # not announced while we were reading
                    feed.offset = one.offset - 1
                    self._announce(feed, one)
        self._advance(feed)

    async def _sweep_forever(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            try:
                await self._drop_idle()
                if self._bus is not None:
                    await self._look_for_unheard()
            except DatabaseUnavailable as away:
                log.warning("feeds_wait_for_database", reason=away.message)
            except Exception:
                log.exception("feeds_sweep_failed")

    async def _drop_idle(self) -> None:
        end = self._store.clock.monotonic() - KEEP_S
        for feed in [feed for feed in self._feeds.values() if not feed.readers]:
            if feed.opened.done() and feed.idle_since <= end and not feed.readers:
                await self._close(feed)

    async def _look_for_unheard(self) -> None:
        feeds = {(feed.app_id, feed.channel): feed for feed in self._feeds.values() if feed.offset >= 0}
        names = list(feeds)
        for start in range(0, len(names), 500):
            found = await store.positions(self._store.database, names[start : start + 500])
            for name, place in found.items():
                feed = feeds.get(name)
                if feed is not None and (place.offset > feed.offset or place.epoch != feed.epoch):
                    await self._follow(feed, place)


_encode_for_bus = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Publication)


def _decode_from_bus(payload: bytes) -> Publication:
    return _decoder.decode(payload)
