"""What open sockets cost: memory of idle ones, 2,000 that come back at once, and readers that stop reading.

    python -m bench.realtime_sockets [--sockets 2000]

Memory: what the server's RSS grows by, per subscribed socket. Parley's are members of presence channels (50
each) and can resume; those of the peers are only subscribed. Storm: all connections break, messages are
published meanwhile, and all clients come back in the same moment: Parley checks their tokens, resumes their
sessions and replays what they missed, the peers only let them subscribe again. Slow readers: 100 subscribers
get 4 KB messages at a steady rate; first all of them read, then a tenth does not.
"""

from __future__ import annotations

import argparse
import asyncio
import socket as system
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import uvloop

from bench import processes
from bench import realtime_load as load
from bench import realtime_servers as servers
from bench.figures import Figure, table
from bench.peers.realtime import NotHere

MEMORY_KB = 8.0
HEALTHY_AT_LEAST = 0.95
GROWTH_MB = 64.0
WARM_UP = 100
"""Sockets opened and closed first, so that what the first ones load is not counted."""
SETTLE_S = 1.0
STORM_LIMIT_S = 60.0
SLOW_SUBSCRIBERS, SLOW_EVERY = 100, 10
SLOW_SECONDS = 5.0
SLOW_RATE = 250
TICK_S = 0.02
BIG = b'{"text":"' + b"x" * (4096 - 11 - len(load.MARK)) + load.MARK + b'"}'
RECEIVE_BUFFER = 64 << 10
"""Of a slow reader: what its kernel takes is not the server's to bear."""


# --- memory and storm -------------------------------------------------------------------------


class Welcome(msgspec.Struct):
    """What a client of Parley remembers of its session."""

    session_id: str
    resume_token: str


class Place(msgspec.Struct):
    """The result of subscribing."""

    channel: str
    epoch: str
    offset: int


class Resuming(load.Parley):
    """Comes back to the sessions of clients that were there before."""

    def __init__(self, before: load.Parley, clients: Sequence[load.Client]) -> None:
        super().__init__(before._tokens, before._channel)
        self._before = [_remembered(client.answer) for client in clients]

    def begin(self, number: int, *, publishes: bool) -> Sequence[tuple[bytes, bytes]]:
        """The session, with what was missed: ready when that has come."""
        welcome, place = self._before[number]
        resume = {
            "session_id": welcome.session_id,
            "resume_token": welcome.resume_token,
            "channels": {place.channel: {"epoch": place.epoch, "offset": place.offset}},
        }
        return ((self.connect(number, resume=resume), b'"resumed":true'), (b"", load.MARK))


def _remembered(answer: bytes) -> tuple[Welcome, Place]:
    """From the text frames that a client got."""
    found: dict[str, bytes] = {}
    for start, end in ((b'{"type":"welcome"', Welcome), (b'{"type":"ack"', Place)):
        at = answer.index(start)
        found[end.__name__] = answer[at : at + _object_length(answer[at:])]
    ack = msgspec.json.decode(found["Place"], type=dict[str, msgspec.Raw])
    return msgspec.json.decode(found["Welcome"], type=Welcome), msgspec.json.decode(ack["result"], type=Place)


def _object_length(text: bytes) -> int:
    """Bytes of the JSON object that a text begins with; its strings hold no braces."""
    depth = 0
    for position, character in enumerate(text):
        depth += (character == 0x7B) - (character == 0x7D)
        if not depth:
            return position + 1
    raise AssertionError("an incomplete frame")


@dataclass(frozen=True, slots=True)
class Cost:
    """What so many sockets cost one server."""

    memory_kb: float
    """Of one, idle."""
    back_s: float
    """Until the last was back."""
    cpu_us: float
    """Of the server, for one to come back."""


async def cost(group: load.Group, sockets: int) -> Cost:
    """Open that many, look, break them all, and let them come back at once."""
    pid, is_parley = group.server.pid, isinstance(group.dialect, load.Parley)
    warm = await asyncio.gather(*(group.connect(number) for number in range(WARM_UP)))
    await _break(warm)
    await asyncio.sleep(SETTLE_S)
    before = processes.memory_mb(pid)
    for start in range(0, sockets, load.CONNECTING):
        numbers = range(start, min(start + load.CONNECTING, sockets))
        group.clients += await asyncio.gather(*(group.connect(number) for number in numbers))
    await asyncio.sleep(SETTLE_S)
    memory_kb = (processes.memory_mb(pid) - before) * 1000 / sockets
    await _break(group.clients)
    await asyncio.sleep(SETTLE_S)
    if is_parley:
        assert isinstance(group.dialect, load.Parley)
        await _publish_everywhere(group, sockets)
        group.dialect = Resuming(group.dialect, group.clients)
    cpu, start_s = processes.cpu_s(pid), time.perf_counter()
    async with asyncio.timeout(STORM_LIMIT_S):
        group.clients = list(await asyncio.gather(*(group.connect(number) for number in range(sockets))))
    back_s = time.perf_counter() - start_s
    await asyncio.sleep(0.1)
    return Cost(memory_kb, back_s, (processes.cpu_s(pid) - cpu) / sockets * 1e6)


async def _break(clients: Sequence[load.Client]) -> None:
    for client in clients:
        client.transport.abort()
    await asyncio.gather(*(client.lost for client in clients))


async def _publish_everywhere(group: load.Group, sockets: int) -> None:
    """One message on each channel."""
    dialect = group.dialect
    assert isinstance(dialect, load.Parley)
    for channel, number in {dialect.channel_of(n): n for n in range(sockets)}.items():
        publisher = await group.connect(number)
        publisher.transport.write(
            load.text(
                b'{"type":"publish","id":7,"channel":"%s","data":%s}' % (channel.encode(), load.PAYLOAD)
            )
        )
        async with asyncio.timeout(10):
            while not publisher.has:  # noqa: ASYNC110 - it counts, it does not tell
                await asyncio.sleep(0.005)
        publisher.transport.abort()


async def costs(folder: Path, sockets: int) -> list[Figure]:
    """Of Parley and its peers."""
    found: dict[str, Cost] = {}
    ours = servers.Contender(
        servers.PARLEY,
        lambda at: servers.parley(at, users=sockets, channel="presence:room{room}", enters=True),
    )
    for contender in (ours, *servers.PEERS):
        try:
            async with contender.start(folder) as group:
                group.on_count = _just_count
                found[contender.name] = await cost(group, sockets)
                group.close()
        except NotHere as missing:
            print(f"{contender.name} is not measured: {missing}")
    mine = found[servers.PARLEY]
    others = [(name, each) for name, each in found.items() if name != servers.PARLEY]
    return [
        Figure(
            name="memory per idle socket, member and resumable",
            value=mine.memory_kb,
            unit="KB",
            at_most=MEMORY_KB,
            detail="only subscribed: "
            + ", ".join(f"{name} {each.memory_kb:.1f} KB" for name, each in others),
        ),
        Figure(
            name=f"{sockets:,} sockets are back, resumed",
            value=mine.back_s,
            unit="s",
            detail="only subscribed: " + ", ".join(f"{name} {each.back_s:.2f} s" for name, each in others),
        ),
        Figure(
            name="CPU of a socket that comes back",
            value=mine.cpu_us,
            unit="us",
            detail="only subscribed: " + ", ".join(f"{name} {each.cpu_us:.0f} us" for name, each in others),
        ),
    ]


def _just_count(client: load.Client, marks: int) -> None:
    client.has += marks


# --- slow readers -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Health:
    """How healthy readers fare."""

    rate: float
    """Messages per second of a healthy reader."""
    growth_mb: float
    """Of the server's memory, at most."""


async def paced(group: load.Group, healthy: Sequence[load.Client]) -> Health:
    """Publish at a steady rate; count what the healthy get."""
    assert group.publisher is not None
    for client in healthy:
        client.has = 0
    before = most = processes.memory_mb(group.server.pid)
    one = group.dialect.publication(BIG)
    start, sent = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - start) < SLOW_SECONDS:
        due = int(elapsed * SLOW_RATE) + 1 - sent
        group.publisher.transport.write(one * due)
        sent += due
        most = max(most, processes.memory_mb(group.server.pid))
        await asyncio.sleep(TICK_S)
    wall_s = time.perf_counter() - start
    return Health(statistics.mean(client.has for client in healthy) / wall_s, most - before)


async def slow_readers(group: load.Group) -> tuple[Health, Health]:
    """All read; then one in ten does not."""
    group.on_count = _just_count
    await group.open(SLOW_SUBSCRIBERS)
    healthy = [client for number, client in enumerate(group.clients) if number % SLOW_EVERY]
    await paced(group, healthy)
    all_read = await paced(group, healthy)
    for client in group.clients[::SLOW_EVERY]:
        sock: system.socket = client.transport.get_extra_info("socket")
        sock.setsockopt(system.SOL_SOCKET, system.SO_RCVBUF, RECEIVE_BUFFER)
        client.transport.pause_reading()
    some_read = await paced(group, healthy)
    group.close()
    return all_read, some_read


async def health(folder: Path) -> list[Figure]:
    """Of Parley and its peers."""
    figures = []
    wanted = (servers.PARLEY, "NATS", "Socket.IO", "Starlette")
    for contender in (servers.OWN[0], *servers.PEERS):
        if contender.name not in wanted:
            continue
        is_parley = contender.name == servers.PARLEY
        try:
            async with contender.start(folder) as group:
                all_read, some_read = await slow_readers(group)
        except NotHere as missing:
            print(f"{contender.name} is not measured: {missing}")
            continue
        figures += [
            Figure(
                name=f"healthy readers beside 10 % slow ones, {contender.name}",
                value=some_read.rate / all_read.rate,
                at_least=HEALTHY_AT_LEAST if is_parley else None,
                detail=f"{some_read.rate:.0f} of {all_read.rate:.0f} messages per second each",
            ),
            Figure(
                name=f"memory growth with 10 % slow readers, {contender.name}",
                value=some_read.growth_mb,
                unit="MB",
                at_most=GROWTH_MB if is_parley else None,
                detail=f"{all_read.growth_mb:.1f} MB when all read",
            ),
        ]
    return figures


async def measure(sockets: int = 2_000) -> list[Figure]:
    """Run everything."""
    servers.allow_files()
    figures: list[Figure] = []
    parts: Sequence[Callable[[Path], Awaitable[list[Figure]]]] = (
        lambda folder: costs(folder, sockets),
        health,
    )
    for part in parts:
        with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
            figures += await part(Path(folder))
    return figures


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sockets", type=int, default=2_000)
    options = parser.parse_args()
    print(table(uvloop.run(measure(options.sockets))))


if __name__ == "__main__":
    main()
