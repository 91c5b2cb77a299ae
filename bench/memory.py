"""Memory of an idle server, Janus included.

    python -m bench.memory

`parley serve` with its defaults on an empty data folder, measured `SETTLE_S` after it printed its address. RSS
counts a page that two processes share in both of them; PSS counts it once. The bound is on the sum of RSS.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import uvloop

from bench import processes
from bench.figures import Figure, table
from bench.server import parley

AT_MOST_MB = 150
SETTLE_S = 2.0


async def measure() -> list[Figure]:
    """Start, wait, read."""
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as name:
        async with parley(Path(name) / "parley", "--log-level", "warning") as server:
            await asyncio.sleep(SETTLE_S)
            pids = processes.tree(server.pid)
            parts = {f"{processes.name(pid)} {processes.memory_mb(pid):.0f}" for pid in pids}
            assert any(processes.name(pid) == "janus" for pid in pids), "there is no Janus to measure"
            return [
                Figure(
                    name="memory of an idle server, RSS",
                    value=sum(processes.memory_mb(pid) for pid in pids),
                    unit="MB",
                    at_most=AT_MOST_MB,
                    detail=", ".join(sorted(parts)) + " MB",
                ),
                Figure(
                    name="memory of an idle server, PSS",
                    value=sum(processes.memory_mb(pid, "Pss") for pid in pids),
                    unit="MB",
                ),
            ]


def main() -> None:
    """Run from the command line."""
    print(table(uvloop.run(measure())))


if __name__ == "__main__":
    main()
