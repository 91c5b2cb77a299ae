"""A bus for several processes, on one Redis or Valkey server (version 6 or later)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Iterable, Mapping
from datetime import timedelta
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from parley.base.errors import Unavailable
from parley.bus import scripts
from parley.bus.link import Link
from parley.bus.local import LocalSubscription, LocalTopics
from parley.bus.memory import BUCKET_S, seconds_of
from parley.bus.ports import Callback, Draw, OnGap, Part, Parts, Wanted

COMMAND_S = 3.0
"""For one rare command; then `Unavailable`."""
CONFIRM_S = 3.0
"""For Redis to confirm a new topic; then `subscribe` returns all the same, and `on_gap` follows."""
MAX_LOST_TOPICS = 1_000
"""Topics remembered as having lost messages; beyond it every topic is announced as having a gap."""


class RedisBus:
    """See `ports.Bus`. Make it with `open`.

    A message on the wire is: 8 bytes naming the sending process (which skips its own, having delivered them
    already), then for each payload 4 bytes of length and the payload. All payloads of one topic and turn
    share a message.
    """

    def __init__(self, url: str, *, prefix: str = "parley", health_s: float = 5.0) -> None:
        """`health_s`: a Redis that answers nothing for so long is given up and connected to anew."""
        self._prefix = prefix
        self._origin = secrets.token_bytes(8)
        self._topics = LocalTopics()
        self._batch: dict[str, list[bytes]] = {}  # of one turn of the loop
        self._confirming: dict[bytes, asyncio.Future[None]] = {}
        self._lost: set[bytes] = set()
        self._lost_too_many = False
        self._dropped = 0
        self._gap_channel = f"{prefix}:gap".encode()
        self._first_up: asyncio.Future[None] | None = None
        self._link = Link(
            url,
            on_up=self._up,
            on_down=self._down,
            on_message=self._message,
            on_subscribed=self._subscribed,
            health_s=health_s,
        )
        self._redis: Any = Redis.from_url(  # Any: redis-py's annotations mix both of its worlds
            url,
            socket_timeout=COMMAND_S,
            socket_connect_timeout=COMMAND_S,
            # Not again by itself: a second INCR or GETDEL is not the same as one.
            retry=Retry(NoBackoff(), 0),
        )
        self._lease_script = self._redis.register_script(scripts.LEASE)
        self._renew_script = self._redis.register_script(scripts.RENEW)
        self._release_script = self._redis.register_script(scripts.RELEASE)
        self._count_script = self._redis.register_script(scripts.COUNT)
        self._share_script = self._redis.register_script(scripts.SHARE)
        self._draw_script = self._redis.register_script(scripts.DRAW)

    @classmethod
    async def open(cls, url: str, *, prefix: str = "parley", health_s: float = 5.0) -> RedisBus:
        """A running bus. Returns also when Redis does not answer within `CONFIRM_S`, and goes on trying."""
        bus = cls(url, prefix=prefix, health_s=health_s)
        bus._first_up = asyncio.get_running_loop().create_future()
        bus._link.start()
        await asyncio.wait([bus._first_up], timeout=CONFIRM_S)
        return bus

    @property
    def is_up(self) -> bool:
        """Whether messages reach other processes now; for health pages."""
        return self._link.is_up

    @property
    def dropped(self) -> int:
        """See `ports.Bus.dropped`."""
        return self._dropped

    async def close(self) -> None:
        """See `ports.Bus.close`."""
        self._flush()
        await self._link.close()
        self._topics.clear()
        await self._redis.aclose()

    # --- publish and subscribe
    # --------------------------------------------------------------------------------

    async def subscribe(
        self, topic: str, callback: Callback, *, on_gap: OnGap | None = None
    ) -> LocalSubscription:
        """See `ports.Bus.subscribe`."""
        subscription = LocalSubscription(topic, callback, on_gap, self._unsubscribe)
        channel = self._channel(topic)
        if self._topics.add(subscription) and self._link.is_up:
            self._confirm_later(channel)
            self._link.subscribe([channel])
        confirming = self._confirming.get(channel)
        if confirming is not None:
            done, _ = await asyncio.wait([confirming], timeout=CONFIRM_S)
            if not done:
                asyncio.get_running_loop().call_soon(subscription.announce_gap)
        return subscription

    async def _unsubscribe(self, subscription: LocalSubscription) -> None:
        if self._topics.remove(subscription):
            self._link.unsubscribe([self._channel(subscription.topic)])

    def publish(self, topic: str, payload: bytes) -> None:
        """See `ports.Bus.publish`."""
        self._topics.publish(topic, payload)
        if not self._batch:
            asyncio.get_running_loop().call_soon(self._flush)
        self._batch.setdefault(topic, []).append(payload)

    def _flush(self) -> None:
        batch, self._batch = self._batch, {}
        if not batch:
            return
        self._announce_lost()
        if not self._link.publish(
            (self._channel(topic), self._pack(items)) for topic, items in batch.items()
        ):
            self._dropped += sum(map(len, batch.values()))
            self._lose(map(self._channel, batch))

    def _pack(self, payloads: list[bytes]) -> bytes:
        parts = [self._origin]
        for payload in payloads:
            parts += (len(payload).to_bytes(4, "big"), payload)
        return b"".join(parts)

    def _message(self, channel: bytes, data: bytes) -> None:
        if data[:8] == self._origin:
            return
        if channel == self._gap_channel:
            self._others_lost(data[8:])
            return
        topic = self._topic(channel)
        position = 8
        while position < len(data):
            end = position + 4 + int.from_bytes(data[position : position + 4], "big")
            self._topics.deliver(topic, data[position + 4 : end])
            position = end

    # --- losing Redis, and finding it again
    # -------------------------------------------------------------------

    def _up(self) -> None:
        channels = [self._channel(topic) for topic in self._topics.topics()]
        for channel in channels:
            self._confirm_later(channel)
        # The gap channel last: its confirmation says that all before it are live, and that catching up makes
        # sense.
        self._link.subscribe([*channels, self._gap_channel])

    def _subscribed(self, channel: bytes) -> None:
        if channel == self._gap_channel:
            self._announce_lost()
            self._topics.announce_gap()
            if self._first_up is not None and not self._first_up.done():
                self._first_up.set_result(None)
            return
        self._confirmed(channel)

    def _down(self, unanswered: Iterable[bytes]) -> None:
        for channel in list(self._confirming):
            self._confirmed(channel)
        lost = list(unanswered)
        self._dropped += len(lost)
        self._lose(lost)

    def _confirm_later(self, channel: bytes) -> None:
        if channel not in self._confirming:
            self._confirming[channel] = asyncio.get_running_loop().create_future()

    def _confirmed(self, channel: bytes) -> None:
        confirming = self._confirming.pop(channel, None)
        if confirming is not None and not confirming.done():
            confirming.set_result(None)

    def _lose(self, channels: Iterable[bytes]) -> None:
        """Remember whom to tell that our messages did not reach them."""
        self._lost.update(channels)
        if len(self._lost) > MAX_LOST_TOPICS:
            self._lost_too_many = True
        if self._lost_too_many:
            self._lost = {self._gap_channel}

    def _announce_lost(self) -> None:
        if not self._lost:
            return
        topics = [] if self._lost_too_many else [self._topic(channel) for channel in self._lost]
        notice = self._origin + msgspec.json.encode(topics)
        if self._link.publish([(self._gap_channel, notice)]):
            self._lost.clear()
            self._lost_too_many = False

    def _others_lost(self, notice: bytes) -> None:
        topics = msgspec.json.decode(notice, type=list[str])
        if not topics:
            self._topics.announce_gap()
        for topic in topics:
            self._topics.announce_gap(topic)

    def _channel(self, topic: str) -> bytes:
        return f"{self._prefix}:t:{topic}".encode()

    def _topic(self, channel: bytes) -> str:
        return channel.decode().removeprefix(f"{self._prefix}:t:")

    # --- leases
    # -----------------------------------------------------------------------------------------------

    async def lease(self, name: str, ttl: timedelta, holder: str) -> RedisLease | None:
        """See `ports.Bus.lease`."""
        ttl_ms = _ms(ttl)
        key = self._key("lease", name)
        keys = [key, self._key("fence", "")]
        fence = await _answer(self._lease_script(keys=keys, args=[holder, ttl_ms]))
        return None if fence is None else RedisLease(self, key, name, holder, int(fence), ttl_ms)

    async def holder_of(self, name: str) -> str | None:
        """See `ports.Bus.holder_of`."""
        held = await _answer(self._redis.get(self._key("lease", name)))
        return None if held is None else held.decode().partition(":")[2]

    async def renew(self, key: str, value: str, ttl_ms: int) -> bool:
        """For `RedisLease`."""
        return bool(await _answer(self._renew_script(keys=[key], args=[value, ttl_ms])))

    async def release(self, key: str, value: str) -> None:
        """For `RedisLease`."""
        await _answer(self._release_script(keys=[key], args=[value]))

    async def holds(self, key: str, value: str) -> bool:
        """For `RedisLease`."""
        return bool(await _answer(self._redis.get(key)) == value.encode())

    # --- facts that expire
    # ------------------------------------------------------------------------------------

    async def put(self, key: str, value: bytes, ttl: timedelta) -> None:
        """See `ports.Bus.put`."""
        await _answer(self._redis.set(self._key("fact", key), value, px=_ms(ttl)))

    async def get(self, key: str) -> bytes | None:
        """See `ports.Bus.get`."""
        return _bytes(await _answer(self._redis.get(self._key("fact", key))))

    async def delete(self, key: str) -> None:
        """See `ports.Bus.delete`."""
        await _answer(self._redis.delete(self._key("fact", key)))

    async def take(self, key: str) -> bytes | None:
        """See `ports.Bus.take`."""

        # GETDEL would need version 6.2; a transaction does the same.
        async def get_and_delete() -> Any:
            async with self._redis.pipeline(transaction=True) as both:
                name = self._key("fact", key)
                return (await both.get(name).delete(name).execute())[0]

        return _bytes(await _answer(get_and_delete()))

    async def count(self, key: str, window: timedelta) -> int:
        """See `ports.Bus.count`."""
        return int(await _answer(self._count_script(keys=[self._key("count", key)], args=[_ms(window)])))

    async def add_once(self, key: str, ttl: timedelta) -> bool:
        """See `ports.Bus.add_once`."""
        return bool(await _answer(self._redis.set(self._key("once", key), b"", nx=True, px=_ms(ttl))))

    # --- numbers that processes make up together
    # --------------------------------------------------------------

    async def share(self, holder: str, wanted: Mapping[str, Wanted], ttl: timedelta) -> Parts:
        """See `ports.Bus.share`."""
        keys = [self._key("holders", ""), self._key("parts", holder)]
        words: list[Any] = [self._key("parts", ""), holder, _ms(ttl)]
        for name, (amount, limit, least) in wanted.items():
            words += (name, amount, "" if limit is None else limit, least)
        is_known, *found = await _answer(self._share_script(keys=keys, args=words))
        numbers = iter(found)
        by_name = {
            name: Part(int(own), int(next(numbers))) for name, own in zip(wanted, numbers, strict=False)
        }
        return Parts(bool(is_known), by_name)

    async def withdraw(self, holder: str) -> None:
        """See `ports.Bus.withdraw`."""
        await _answer(self._redis.delete(self._key("parts", holder)))

    async def draw(self, draws: Mapping[str, Draw]) -> dict[str, float]:
        """See `ports.Bus.draw`."""
        keys = [self._key("bucket", name) for name in draws]
        words = [number for draw in draws.values() for number in draw]
        found = await _answer(self._draw_script(keys=keys, args=[round(BUCKET_S * 1000), *words]))
        return {name: float(level) for name, level in zip(draws, found, strict=True)}

    def _key(self, kind: str, name: str) -> str:
        return f"{self._prefix}:{kind}:{name}"


class RedisLease:
    """See `ports.Lease`."""

    __slots__ = ("_bus", "_fence", "_holder", "_key", "_name", "_ttl_ms", "_value")

    def __init__(self, bus: RedisBus, key: str, name: str, holder: str, fence: int, ttl_ms: int) -> None:
        self._bus = bus
        self._key = key
        self._name = name
        self._holder = holder
        self._fence = fence
        self._ttl_ms = ttl_ms
        self._value = f"{fence}:{holder}"

    @property
    def name(self) -> str:
        """See `ports.Lease.name`."""
        return self._name

    @property
    def holder(self) -> str:
        """See `ports.Lease.holder`."""
        return self._holder

    @property
    def fence(self) -> int:
        """See `ports.Lease.fence`."""
        return self._fence

    async def renew(self) -> bool:
        """See `ports.Lease.renew`."""
        return await self._bus.renew(self._key, self._value, self._ttl_ms)

    async def release(self) -> None:
        """See `ports.Lease.release`."""
        await self._bus.release(self._key, self._value)

    async def still_mine(self) -> bool:
        """See `ports.Lease.still_mine`."""
        return await self._bus.holds(self._key, self._value)


async def _answer(asked: Awaitable[Any]) -> Any:
    """Translate the driver's failures."""
    try:
        return await asked
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable("the bus does not answer") from error


def _ms(ttl: timedelta) -> int:
    return max(1, round(seconds_of(ttl) * 1000))


def _bytes(value: Any) -> bytes | None:
    return None if value is None else bytes(value)
