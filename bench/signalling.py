"""Joining a meeting: how long it takes when many do, and what a running meeting costs the server.

    python -m bench.signalling [--peers 100] [--over 10] [--speakers 4]

The peers are headless participants of the RealtimeKit client protocol, all in this process, without media:
each makes the requests of the official client (bootstrap over HTTP, socket, about nine requests) and receives
every notice about everybody else. The time of a join is from the open socket to being in the meeting. CPU
time is that of the server process alone.

With Janus and a network for it (`python -m tests.netns python -m bench.signalling`) a few participants also
exchange sound and picture, and the CPU time of the server's Python process is measured while nothing changes.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import aiohttp

from bench.figures import Figure, table
from bench.processes import cpu_s
from bench.server import ParleyServer, parley
from parley.headless.client import HeadlessClient
from parley.headless.news import News
from parley.headless.sources import MediaSource, tone_source

JOIN_LIMIT_S = 2.0
STEADY_CORES = 0.02
SEEN_TIMEOUT_S = 10.0
STEADY_S = 8.0
SETTLE_S = 2.0
"""Speakers that joined last have asked for everything by then."""


async def demo_token(http: aiohttp.ClientSession, server: ParleyServer, role: str = "Participant") -> str:
    """A token for a new demo meeting."""
    async with http.post(f"{server.url}/start/meetings", json={}) as response:
        response.raise_for_status()
        links = json.loads(await response.read())["links"]
    return str(next(link["url"] for link in links if link["role"] == role).partition("token=")[2])


def headless(
    http: aiohttp.ClientSession,
    server: ParleyServer,
    token: str,
    number: int,
    media: MediaSource | None = None,
) -> HeadlessClient:
    """A participant in this process."""
    return HeadlessClient(token, server.url, name=f"Peer {number}", media=media, http=http)


async def joins(server: ParleyServer, peers: int, over_s: float) -> list[Figure]:
    """Peers that arrive evenly within a time (0: all at once)."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        token = await demo_token(http, server)
        clients = [headless(http, server, token, number) for number in range(peers)]
        everybody_seen = _when_all_see_all(clients)
        before, began = cpu_s(server.pid), time.monotonic()

        async def join(client: HeadlessClient, after_s: float) -> None:
            await asyncio.sleep(after_s)
            await client.join()

        async with asyncio.TaskGroup() as group:
            for number, client in enumerate(clients):
                group.create_task(join(client, over_s * number / peers))
        took, used = time.monotonic() - began, cpu_s(server.pid) - before
        async with asyncio.timeout(SEEN_TIMEOUT_S):
            await everybody_seen.wait()
        times = sorted(client.join_s for client in clients)
        await asyncio.gather(*(client.leave() for client in clients))
    how = f"over {over_s:g} s" if over_s else "at once"
    spread = f"median {statistics.median(times) * 1000:.0f} ms, all in after {took:.1f} s"
    return [
        Figure(
            name=f"slowest of {peers} joins {how}",
            value=times[-1],
            unit="s",
            at_most=JOIN_LIMIT_S if over_s else None,
            detail=spread,
        ),
        Figure(name=f"server CPU of {peers} joins {how}", value=used, unit="s", detail="Python process only"),
    ]


def _when_all_see_all(clients: list[HeadlessClient]) -> asyncio.Event:
    """Set once every client has every other in its roster."""
    done = asyncio.Event()
    waiting = set(range(len(clients)))

    def told(number: int, _: News) -> None:
        if len(clients[number].people) == len(clients) - 1:
            waiting.discard(number)
        if not waiting:
            done.set()

    for number, client in enumerate(clients):
        client.on_news = functools.partial(told, number)
    return done


async def steady(server: ParleyServer, speakers: int) -> list[Figure]:
    """Participants that send and receive sound and picture while nothing changes."""
    async with aiohttp.ClientSession() as http:
        token = await demo_token(http, server)
        clients = [
            headless(http, server, token, number, await tone_source(f"Speaker {number}", number))
            for number in range(speakers)
        ]
        await asyncio.gather(*(client.join() for client in clients))
        await asyncio.sleep(SETTLE_S)
        packets, before, began = _packets(clients), cpu_s(server.pid), time.monotonic()
        await asyncio.sleep(STEADY_S)
        took = time.monotonic() - began
        cores, rate = (cpu_s(server.pid) - before) / took, (_packets(clients) - packets) / took
        await asyncio.gather(*(client.leave() for client in clients))
    detail = f"{rate:,.0f} packets/s reach the participants"
    name = f"server CPU while {speakers} speak"
    return [Figure(name=name, value=cores, unit="cores", at_most=STEADY_CORES, detail=detail)]


def _packets(clients: list[HeadlessClient]) -> int:
    return sum(total.packets for client in clients for total in client.totals())


def has_network() -> bool:
    """Whether media find an interface with an address."""
    rows = [line.split() for line in Path("/proc/net/route").read_text().splitlines()[1:]]
    return any(row[1] == "00000000" and row[0] != "lo" for row in rows)


async def measure(peers: int = 100, over_s: float = 10.0, speakers: int = 4) -> list[Figure]:
    """All figures of signalling."""
    has_media = shutil.which("janus") is not None and has_network()
    flags = (
        ("--no-rate-limits", "--rtp-ports", "42000-42499")
        if has_media
        else ("--no-rate-limits", "--no-media")
    )
    with tempfile.TemporaryDirectory() as folder:
        async with parley(Path(folder) / "data", *flags) as server:
            figures = await joins(server, peers, over_s)
            figures += await joins(server, peers, 0)
            if has_media:
                figures += await steady(server, speakers)
    return figures


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", type=int, default=100)
    parser.add_argument("--over", type=float, default=10.0, help="seconds within which they arrive")
    parser.add_argument("--speakers", type=int, default=4)
    given = parser.parse_args()
    print(table(asyncio.run(measure(given.peers, given.over, given.speakers))))


if __name__ == "__main__":
    main()
