"""Fan-out of one channel to 1,000 subscribers: Parley, its peers, and loops that only send.

    python -m bench.fanout [--subscribers 1000] [--seconds 1.0] [--rounds 5] [--only NAME...]

All servers stand at once, each in a process of its own with its own subscribers, and are measured in rounds
that take turns; medians are compared. Cost is the CPU time of the server. One publisher keeps W messages
of 120 bytes in flight: at 1 nothing can be joined, at 8 what one turn brings can. Parley is `parley serve`
with its own protocol: each message is checked, acknowledged, and sent with its envelope. The bounds are for
the server that stores nothing (`bench.realtime_without`), as its peers store nothing (and acknowledge
nothing either); beside them stands the server as it is, which first stores each message (SQLite,
synchronous=FULL). The hub alone is its sockets and hub, and nothing else.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

import uvloop

from bench import realtime_servers as servers
from bench.figures import Figure, table
from bench.realtime_load import Flow, Group

WINDOWS = (1, 8)
AT_LEAST = {
    ("NATS", 8): 1.6,
    ("Socket.IO", 8): 8.0,
    ("Starlette", 8): 12.0,
    ("NATS", 1): 1.5,
    ("Socket.IO", 1): 1.6,
    ("C send loop", 1): 0.7,
}
WARM_UP_S = 0.2
CONTENDERS = (*servers.OWN, *servers.PEERS, *servers.FLOORS)
Found = dict[tuple[str, int], list[Flow]]


def _rate(found: Found, name: str, window: int) -> float:
    return statistics.median(flow.deliveries_per_cpu_s for flow in found[name, window])


def _figures(found: Found, names: Sequence[str], subscribers: int) -> list[Figure]:
    figures = []
    for window in WINDOWS:
        ours, durable = (_rate(found, each, window) for each in (servers.WITHOUT_DISK, servers.PARLEY))
        what = f"fan-out to {subscribers:,}, {window} in flight"
        figures.append(
            Figure(
                name=f"{what}, durable of nothing stored",
                value=durable / ours,
                detail=f"{durable:,.0f} against {ours:,.0f} deliveries per CPU-second",
            )
        )
        for name in names:
            if name in (servers.PARLEY, servers.WITHOUT_DISK):
                continue
            theirs = _rate(found, name, window)
            figures.append(
                Figure(
                    name=f"{what}, of {name}",
                    value=ours / theirs,
                    at_least=AT_LEAST.get((name, window)),
                    detail=f"{ours:,.0f} against {theirs:,.0f}; {durable / theirs:.2f} x when durable",
                )
            )
    return figures


async def measure(
    subscribers: int = 1_000, seconds: float = 1.0, rounds: int = 5, only: Sequence[str] = ()
) -> list[Figure]:
    """Run everything."""
    servers.allow_files()
    found: Found = {}
    groups: dict[str, Group] = {}
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        async with contextlib.AsyncExitStack() as stack:
            for contender in CONTENDERS:
                if only and contender.name not in (servers.PARLEY, servers.WITHOUT_DISK, *only):
                    continue
                group = await servers.enter(stack, contender, Path(folder), subscribers)
                if isinstance(group, str):
                    assert contender not in servers.OWN, group
                    print(f"{contender.name} is not measured: {group}")
                else:
                    groups[contender.name] = group
            for number in range(rounds + 1):
                for window in WINDOWS:
                    for name, group in groups.items():
                        flow = await group.flow(window, seconds if number else WARM_UP_S)
                        if number:
                            found.setdefault((name, window), []).append(flow)
    print(_shares(found))
    return _figures(found, list(groups), subscribers)


def _shares(found: Found) -> str:
    """How busy both sides were: a starved one makes rates of the clock meaningless, not those of the CPU."""
    lines = ["server, W: messages/s by the clock, cores used by server and generator, p50 ms"]
    for (name, window), flows in found.items():
        clock, server, own, p50 = (
            statistics.median(values)
            for values in (
                [f.messages_per_s for f in flows],
                [f.server_cpu_s / f.wall_s for f in flows],
                [f.generator_cpu_s / f.wall_s for f in flows],
                [statistics.median(f.latencies_ms) for f in flows],
            )
        )
        lines.append(f"  {name}, {window}: {clock:,.1f}, {server:.2f}, {own:.2f}, {p50:.1f}")
    return "\n".join(lines)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--subscribers", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=(), help="peers and parts, by name")
    options = parser.parse_args()
    found = uvloop.run(measure(options.subscribers, options.seconds, options.rounds, options.only))
    print(table(found))


if __name__ == "__main__":
    main()
