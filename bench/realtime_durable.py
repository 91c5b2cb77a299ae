"""Durable publishing to 50 subscribers: what the disk costs, and peers that store nothing.

    python -m bench.realtime_durable [--subscribers 50] [--seconds 1.5] [--rounds 5]

`parley serve`, one publisher with 64 messages of 120 bytes in flight. A message is delivered and acknowledged
after its commit: SQLite with synchronous=FULL, PostgreSQL with fsync and synchronous_commit. The base is the
same server whose log asks no database (`bench.realtime_without`), in the same run, in rounds that take turns.
CPU is that of the server's process: PostgreSQL's own is not in it, so there the clock says more. In the rows
with a bound the index of words rests, as it is no part of publishing: it follows at its own pace, and takes a
quarter of a core at most. "As delivered" it works beside the publisher, on what earlier rounds have left it.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from bench import realtime_servers as servers
from bench.figures import Figure, table
from bench.realtime_load import Flow, Group
from bench.store import durable_postgres

WINDOW = 64
SQLITE_AT_LEAST, POSTGRES_AT_LEAST = 0.7, 0.5
SOCKET_IO_AT_LEAST = 8.0
WARM_UP_S = 0.3
SQLITE, POSTGRES = "SQLite", "PostgreSQL"
AS_DELIVERED = "SQLite, as delivered"
PEERS = ("NATS", "Socket.IO")

Rate = Callable[[Flow], float]
BY_CPU: Rate = lambda flow: flow.messages_per_cpu_s  # noqa: E731 - a table of two
BY_CLOCK: Rate = lambda flow: flow.messages_per_s  # noqa: E731


def _figure(found: dict[str, list[Flow]], other: str, name: str, by: Rate, at_least: float | None) -> Figure:
    ours, theirs = (statistics.median(map(by, found[each])) for each in (name, other))
    unit = "CPU-second" if by is BY_CPU else "second"
    latencies = [value for flow in found[name] for value in flow.latencies_ms]
    p50, p99 = statistics.median(latencies), statistics.quantiles(latencies, n=100)[98]
    return Figure(
        name=f"durable publish, {name}, of {other}, by {unit}",
        value=ours / theirs,
        at_least=at_least,
        detail=f"{ours:,.0f} against {theirs:,.0f} messages; p50 {p50:.1f} ms, p99 {p99:.1f} ms",
    )


def _figures(found: dict[str, list[Flow]]) -> list[Figure]:
    base = servers.WITHOUT_DISK
    figures = [
        _figure(found, base, SQLITE, BY_CPU, SQLITE_AT_LEAST),
        _figure(found, base, SQLITE, BY_CLOCK, SQLITE_AT_LEAST),
        _figure(found, base, AS_DELIVERED, BY_CPU, None),
    ]
    if POSTGRES in found:
        figures += [
            _figure(found, base, POSTGRES, BY_CPU, POSTGRES_AT_LEAST),
            _figure(found, base, POSTGRES, BY_CLOCK, POSTGRES_AT_LEAST),
        ]
    for peer in PEERS:
        if peer in found:
            at_least = SOCKET_IO_AT_LEAST if peer == "Socket.IO" else None
            figures.append(_figure(found, peer, SQLITE, BY_CPU, at_least))
    return figures


async def measure(subscribers: int = 50, seconds: float = 1.5, rounds: int = 5) -> list[Figure]:
    """Run everything."""
    servers.allow_files()
    found: dict[str, list[Flow]] = {}
    groups: dict[str, Group] = {}
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder, contextlib.ExitStack() as outer:
        contenders = [
            servers.Contender(SQLITE, lambda at: servers.parley(at, without="search")),
            servers.Contender(AS_DELIVERED, servers.parley),
            servers.OWN[1],
            *(one for one in servers.PEERS if one.name in PEERS),
        ]
        try:
            postgres = outer.enter_context(durable_postgres())
        except pytest.skip.Exception as missing:
            print(f"PostgreSQL is not measured: {missing}")
        else:
            url = postgres.url(postgres.create_database())
            contenders.append(
                servers.Contender(POSTGRES, lambda at: servers.parley(at, database_url=url, without="search"))
            )
        async with contextlib.AsyncExitStack() as stack:
            for number, contender in enumerate(contenders):
                own = Path(folder) / str(number)
                own.mkdir()
                group = await servers.enter(stack, contender, own, subscribers)
                if isinstance(group, str):
                    assert contender.name in PEERS, group
                    print(f"{contender.name} is not measured: {group}")
                else:
                    groups[contender.name] = group
            for number in range(rounds + 1):
                for name, group in groups.items():
                    flow = await group.flow(WINDOW, seconds if number else WARM_UP_S)
                    if number:
                        found.setdefault(name, []).append(flow)
    return _figures(found)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--subscribers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(table(uvloop.run(measure(options.subscribers, options.seconds, options.rounds))))


if __name__ == "__main__":
    main()
