"""What it costs to write down what people send while their call runs.

    python -m tests.netns python -m bench.recorder [--speakers 4] [--rounds 4]

Headless participants exchange sound and picture; their meeting is recorded, and the recording paused and
resumed in turn. CPU time is that of the server and its media engine together; the figure is the difference,
for each recorded stream.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import tempfile
from pathlib import Path

import aiohttp

from bench.figures import Figure, table
from bench.processes import cpu_s, tree
from bench.server import ParleyServer, parley
from bench.signalling import SETTLE_S, demo_token, has_network, headless
from parley.headless.sources import tone_source

CORES_A_TRACK = 0.01
PIECE_S = 4.0


async def _act(http: aiohttp.ClientSession, token: str, method: str, url: str, **body: str) -> str:
    headers = {"Authorization": f"Bearer {token}"}
    async with http.request(method, url, json=body, headers=headers) as response:
        response.raise_for_status()
        return str((await response.json())["data"]["id"])


async def _cores(server: ParleyServer) -> float:
    before = sum(cpu_s(pid) for pid in tree(server.pid))
    await asyncio.sleep(PIECE_S)
    return (sum(cpu_s(pid) for pid in tree(server.pid)) - before) / PIECE_S


async def measure(speakers: int = 4, rounds: int = 4) -> list[Figure]:
    """Everything."""
    if shutil.which("janus") is None or not has_network():
        raise SystemExit("This needs Janus and a network for media: python -m tests.netns …")
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        async with (
            parley(Path(folder) / "data", "--no-rate-limits", "--log-level", "warning") as server,
            aiohttp.ClientSession() as http,
        ):
            token = await demo_token(http, server, "Host")
            clients = [
                headless(http, server, token, number, await tone_source(f"Speaker {number}", number))
                for number in range(speakers)
            ]
            await asyncio.gather(*(client.join() for client in clients))
            recordings = f"{server.url}/v2/recordings"
            meeting = {"meeting_id": "of the token"}
            recording = f"{recordings}/{await _act(http, token, 'POST', recordings, **meeting)}"
            await asyncio.sleep(SETTLE_S)
            idle, busy = [], []
            for _ in range(rounds):
                await asyncio.sleep(0.5)
                busy.append(await _cores(server))
                await _act(http, token, "PUT", recording, action="pause")
                await asyncio.sleep(0.5)
                idle.append(await _cores(server))
                await _act(http, token, "PUT", recording, action="resume")
            await asyncio.gather(*(client.leave() for client in clients))
    with_it, without = statistics.median(busy), statistics.median(idle)
    return [
        Figure(
            name="recorder CPU for each recorded track",
            value=max(0.0, with_it - without) / (2 * speakers),
            unit="cores",
            at_most=CORES_A_TRACK,
            detail=f"server and Janus: {with_it:.3f} cores with {2 * speakers} tracks, {without:.3f} without",
        )
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--speakers", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=4)
    print(table(asyncio.run(measure(**vars(parser.parse_args())))))
