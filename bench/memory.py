"""Memory of an idle server, Janus included.

    python -m bench.memory

`parley serve` with its defaults, measured `SETTLE_S` after it printed its address: at its first start, which
makes the database (with a program that ends), and at the next one, which finds it made. The bound is on the
sum of RSS, which counts a page that two processes share in both of them.
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
    """Start, wait, read; twice."""
    figures = []
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as name:
        for start in ("first", "next"):
            async with parley(Path(name) / "parley", "--log-level", "warning") as server:
                await asyncio.sleep(SETTLE_S)
                found = {processes.name(pid): processes.memory_mb(pid) for pid in processes.tree(server.pid)}
                assert "janus" in found, "there is no Janus to measure"
                figures.append(
                    Figure(
                        name=f"memory of an idle server, {start} start",
                        value=sum(found.values()),
                        unit="MB",
                        at_most=AT_MOST_MB,
                        detail=", ".join(f"{name} {value:.0f}" for name, value in sorted(found.items())),
                    )
                )
    return figures


def main() -> None:
    """Run from the command line."""
    print(table(uvloop.run(measure())))


if __name__ == "__main__":
    main()
