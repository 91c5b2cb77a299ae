"""Presence: heartbeats and changes per second, in process and through Redis, and what a member costs.

    python -m bench.presence [--seconds 2]

In process, a heartbeat is a touch of a lease on the timing wheel. Through Redis, the liveness of a member is
that of its socket, which its process knows; what the processes tell each other is one beat that renews all
members of a process. So the figure is members renewed, by beats of a process of `NODE_MEMBERS`, which is few,
each beat in a turn of its own. The peer is what is usually written: SET EX for each heartbeat, pipelined with
redis-py, as many at a time as that process has members. Changes are whole ones: merged, told in the process
that makes them, encoded, carried over, and told in the other.

In process, seconds are of the CPU; through Redis, which is three processes, of the clock.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
import uvloop
from redis.asyncio import Redis

from bench.figures import Figure, table
from parley.base.clock import SystemClock
from parley.base.ids import AppId
from parley.bus.redis import RedisBus
from parley.channels.realtime.leases import Leases
from parley.channels.realtime.members import PresenceChange
from parley.channels.realtime.presence import Presence
from tests.services import redis_server

TOUCHES_AT_LEAST = 3_000_000
RENEWED_AT_LEAST = 150_000
SNAPSHOT_MS = 50
ENTRY_KB = 1.0
LEASES = 20_000
NODE_MEMBERS = 1_000
SNAPSHOT_MEMBERS = 10_000
TURN = 250
"""Changes made in one turn of the loop."""
WINDOW = 2_000
"""Changes or beats on their way at once."""
ACK_EVERY = 100
APP, CHANNEL, ACK = AppId("bench"), "presence:bench", "bench-ack"


def nothing(change: PresenceChange) -> None:
    """Nobody listens."""


def touches(seconds: float) -> Figure:
    """Heartbeats of members in turn, with the wheel turning every half second."""
    sessions = [f"s_{n:012x}" for n in range(LEASES)]
    start = time.process_time()
    leases = Leases[str](15.0, tick_s=0.5, now_s=start)
    done, now, turned = 0, start, start
    while now - start < seconds:
        touch = leases.touch
        for session in sessions:
            touch(session, now)
        done += LEASES
        now = time.process_time()
        if now - turned >= 0.5:
            turned = now
            assert leases.expire(now) == []
    return Figure(
        name="presence heartbeats in process",
        value=done / (now - start),
        unit="/s",
        at_least=TOUCHES_AT_LEAST,
        detail=f"of {LEASES:,} members",
    )


async def members() -> list[Figure]:
    """A snapshot of a large channel, and the memory of its entries."""
    presence = Presence(SystemClock(), None, "bench", nothing)
    data = {"name": "Example User", "avatar": "https://example.com/u.jpg"}
    names = [(f"s_{n:012x}", f"user_{n}") for n in range(SNAPSHOT_MEMBERS)]
    tracemalloc.start()
    for session_id, user_id in names:
        presence.enter(APP, CHANNEL, session_id, user_id, data)
    entry_kb = tracemalloc.get_traced_memory()[0] / len(names) / 1000
    tracemalloc.stop()
    taken = []
    for _ in range(5):
        start = time.process_time()
        found = await presence.watch(APP, CHANNEL)
        taken.append(time.process_time() - start)
        assert len(found) == len(names)
    return [
        Figure(
            name=f"presence snapshot of {SNAPSHOT_MEMBERS:,}",
            value=sorted(taken)[2] * 1000,
            unit="ms",
            at_most=SNAPSHOT_MS,
        ),
        Figure(name="memory of a presence entry", value=entry_kb, unit="KB", at_most=ENTRY_KB),
    ]


class Traffic:
    """Makes so many of something per turn of the loop, no more than `WINDOW` of them on their way."""

    def __init__(self, per_turn: int) -> None:
        self._per_turn = per_turn
        self.heard = 0
        self._more = asyncio.Event()

    def acked(self, payload: bytes) -> None:
        self.heard = int(payload)
        self._more.set()

    async def run(self, make: Iterator[None], seconds: float) -> float:
        """Per second, until all have arrived."""
        first, sent = self.heard, 0
        start = time.monotonic()
        while time.monotonic() - start < seconds or sent % ACK_EVERY:
            while sent + first - self.heard >= WINDOW:
                self._more.clear()
                await asyncio.wait_for(self._more.wait(), 30)
            for _ in range(self._per_turn):
                next(make)
            sent += self._per_turn
            await asyncio.sleep(0)
        while self.heard - first < sent:
            self._more.clear()
            await asyncio.wait_for(self._more.wait(), 30)
        return sent / (time.monotonic() - start)


def listen(url: str) -> None:
    """The other process: sees the channel, and says how much it has heard."""

    async def main() -> None:
        bus = await RedisBus.open(url)
        heard = 0

        def count() -> None:
            nonlocal heard
            heard += 1
            if heard % ACK_EVERY == 0:
                bus.publish(ACK, str(heard).encode())

        presence = Presence(SystemClock(), bus, "listener", lambda change: count())
        nodes = presence._nodes
        assert nodes is not None
        hear = nodes._heard_of_nodes

        def beat(payload: bytes) -> None:
            hear(payload)
            count()

        nodes._heard_of_nodes = beat  # type: ignore[method-assign]
        await presence.start()
        await presence.watch(APP, CHANNEL)
        heard = 0
        bus.publish(ACK, b"0")
        await asyncio.Event().wait()

    uvloop.run(main())


@contextmanager
def listener(url: str) -> Iterator[None]:
    """It, in a process of its own."""
    child = multiprocessing.get_context("spawn").Process(target=listen, args=(url,), daemon=True)
    child.start()
    try:
        yield
    finally:
        child.kill()
        child.join()


@contextlib.asynccontextmanager
async def speaker(url: str, traffic: Traffic) -> AsyncIterator[Presence]:
    """This process, with `NODE_MEMBERS` members, when the other one listens."""
    bus = await RedisBus.open(url)
    ready = asyncio.Event()

    def acked(payload: bytes) -> None:
        traffic.acked(payload)
        ready.set()

    await bus.subscribe(ACK, acked)
    presence = Presence(SystemClock(), bus, "speaker", nothing)
    await presence.start()
    for n in range(NODE_MEMBERS):
        presence.enter(APP, CHANNEL, f"s{n}", f"user_{n}", {"name": "Example User"})
    try:
        with listener(url):
            await asyncio.wait_for(ready.wait(), 30)
            yield presence
    finally:
        await presence.stop()
        await bus.close()


def changing(presence: Presence) -> Iterator[None]:
    """One after the other says something new."""
    number = 0
    while True:
        number += 1
        n = number % NODE_MEMBERS
        presence.update(APP, CHANNEL, f"s{n}", f"user_{n}", {"cursor": number})
        yield


def beating(presence: Presence) -> Iterator[None]:
    """All members are renewed at once."""
    assert presence._nodes is not None
    while True:
        presence._nodes._beat()
        yield


async def setex(url: str, seconds: float) -> float:
    """Heartbeats as they are usually written."""
    async with Redis.from_url(url) as redis:
        done, start = 0, time.monotonic()
        while time.monotonic() - start < seconds:
            async with redis.pipeline(transaction=False) as pipeline:
                for n in range(NODE_MEMBERS):
                    pipeline.set(f"presence:{CHANNEL}:user_{n}", b"1", ex=15)
                await pipeline.execute()
            done += NODE_MEMBERS
        return done / (time.monotonic() - start)


async def through_redis(seconds: float) -> list[Figure]:
    """What two processes tell each other."""
    with redis_server() as server:
        rates = []
        for make, per_turn in ((changing, TURN), (beating, 1)):
            traffic = Traffic(per_turn)
            async with speaker(server.url, traffic) as presence:
                rates.append(await traffic.run(make(presence), seconds))
        usual = await setex(server.url, seconds)
    changes, beats = rates
    renewed = beats * NODE_MEMBERS
    return [
        Figure(
            name="presence heartbeats through Redis",
            value=renewed,
            unit="/s",
            at_least=RENEWED_AT_LEAST,
            detail=f"{beats:,.0f} beats/s that each renew {NODE_MEMBERS:,} members",
        ),
        Figure(
            name="presence heartbeats, of SET EX through redis-py",
            value=renewed / usual,
            detail=f"{renewed:,.0f} against {usual:,.0f} members per second",
        ),
        Figure(name="presence changes replicated through Redis", value=changes, unit="/s"),
    ]


async def measure(seconds: float = 2.0) -> list[Figure]:
    """Run everything."""
    figures = [touches(seconds), *await members()]
    try:
        figures += await through_redis(seconds)
    except pytest.skip.Exception as missing:
        print(f"Redis not measured: {missing}")
    return figures


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    options = parser.parse_args()
    print(table(uvloop.run(measure(options.seconds))))


if __name__ == "__main__":
    main()
