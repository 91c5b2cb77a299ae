"""Several processes on one Redis, and what happens when it goes away."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from parley.base.errors import Unavailable
from parley.bus import redis as redis_module
from parley.bus.redis import RedisBus
from tests.services import RedisServer
from tests.waiting import until

LONG = timedelta(minutes=1)


class Listener:
    """What one subscription heard."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.gaps = 0

    def heard(self, payload: bytes) -> None:
        self.got.append(payload)

    def gap(self) -> None:
        self.gaps += 1

    async def on(self, bus: RedisBus, topic: str) -> Listener:
        await bus.subscribe(topic, self.heard, on_gap=self.gap)
        return self


async def test_what_one_process_publishes_reaches_the_others_once_and_in_order(redis: RedisServer) -> None:
    one = await RedisBus.open(redis.url, prefix="order")
    two = await RedisBus.open(redis.url, prefix="order")
    here = await Listener().on(one, "t")
    there = await Listener().on(two, "t")
    for n in range(200):
        one.publish("t", str(n).encode())
        if n % 7 == 0:
            await asyncio.sleep(0)
    two.publish("t", b"end")
    expected = [str(n).encode() for n in range(200)]
    await until(
        lambda: "" if len(there.got) == len(here.got) == 201 else f"{len(here.got)}, {len(there.got)}"
    )
    assert [item for item in there.got if item != b"end"] == expected
    assert [item for item in here.got if item != b"end"] == expected
    assert (here.gaps, there.gaps) == (0, 0)
    await one.close()
    await two.close()


async def test_prefixes_keep_installations_apart(redis: RedisServer) -> None:
    one = await RedisBus.open(redis.url, prefix="mine")
    two = await RedisBus.open(redis.url, prefix="yours")
    there = await Listener().on(two, "t")
    one.publish("t", b"x")
    await one.put("k", b"x", LONG)
    assert await two.get("k") is None
    two.publish("t", b"end")
    await until(lambda: "" if there.got else "nothing came")
    assert there.got == [b"end"]
    await one.close()
    await two.close()


async def test_outage_is_survived_and_announced(own_redis: RedisServer) -> None:
    one = await RedisBus.open(own_redis.url)
    two = await RedisBus.open(own_redis.url)
    here = await Listener().on(one, "t")
    there = await Listener().on(two, "t")

    own_redis.stop()
    await until(lambda: "" if not one.is_up and not two.is_up else "the loss was not noticed")
    one.publish("t", b"during")
    await until(lambda: "" if here.got == [b"during"] else "subscribers of the same process need no Redis")
    assert one.dropped == 1
    late = await Listener().on(two, "late")
    with pytest.raises(Unavailable):
        await one.put("k", b"x", LONG)
    with pytest.raises(Unavailable):
        await one.lease("room:7", LONG, "a")

    own_redis.start()
    await until(lambda: "" if there.gaps and late.gaps and here.gaps else "no gap was announced")
    one.publish("t", b"after")
    one.publish("late", b"too")
    await until(
        lambda: "" if there.got == [b"after"] and late.got == [b"too"] else f"{there.got}, {late.got}"
    )
    assert await one.lease("room:7", LONG, "a") is not None
    await one.close()
    await two.close()


async def test_fences_grow_although_redis_forgot_everything(own_redis: RedisServer) -> None:
    bus = await RedisBus.open(own_redis.url)
    first = await bus.lease("room:7", LONG, "a")
    own_redis.stop()
    await until(lambda: "the loss was not noticed" if bus.is_up else "")
    own_redis.start()
    await until(lambda: "" if bus.is_up else "not back")
    second = await bus.lease("room:7", LONG, "b")
    assert first is not None
    assert second is not None
    assert second.fence > first.fence
    assert not await first.still_mine()
    await bus.close()


async def test_frozen_redis_is_noticed(own_redis: RedisServer) -> None:
    bus = await RedisBus.open(own_redis.url, health_s=0.05)
    listener = await Listener().on(bus, "t")
    own_redis.pause()
    await until(lambda: "" if not bus.is_up else "still trusted")
    own_redis.resume()
    await until(lambda: "" if listener.gaps else "no gap was announced")
    await bus.close()


async def test_messages_that_one_process_lost_are_announced_to_the_others(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sender's link fails alone: the receivers never lost Redis, and can know only from the sender."""
    one = await RedisBus.open(redis.url, prefix="alone")
    two = await RedisBus.open(redis.url, prefix="alone")
    there = await Listener().on(two, "t")
    other = await Listener().on(two, "other")
    with monkeypatch.context() as patch:
        patch.setattr(one._link, "publish", lambda messages: False)
        one.publish("t", b"lost")
        await until(lambda: "" if one.dropped else "not counted")
    one.publish("other", b"next")
    await until(lambda: "" if there.gaps else "no gap was announced")
    await until(lambda: "" if other.got == [b"next"] else f"got {other.got}")
    assert (there.got, other.gaps) == ([], 0)
    await one.close()
    await two.close()


async def test_bus_opens_without_redis_and_finds_it_later(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_module, "CONFIRM_S", 0.05)
    own_redis.stop()
    bus = await RedisBus.open(own_redis.url)
    assert not bus.is_up
    listener = await Listener().on(bus, "t")
    own_redis.start()
    await until(lambda: "" if listener.gaps else "the topic is not live")
    await bus.close()
    await bus.close()


async def test_lease_of_a_closed_bus_is_seen_by_others_until_it_expires(redis: RedisServer) -> None:
    one = await RedisBus.open(redis.url, prefix="left")
    assert await one.lease("room:7", LONG, "a") is not None
    await one.close()
    two = await RedisBus.open(redis.url, prefix="left")
    assert await two.holder_of("room:7") == "a"
    assert await two.lease("room:7", LONG, "b") is None
    await two.close()
