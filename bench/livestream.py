"""From a participant's camera to a viewer of the live stream: how late the picture is, in a real Chromium.

    python -m tests.netns python -m bench.livestream [--seconds 20]

The camera shows the time as sixteen black or white bars. The picture goes through VP8, Janus, the live
picture of 1280x720, H.264, segments and the page of the stream; there the bars are read from the screen and
compared with the clock of the same machine. The second figure is the CPU of the encoder.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import shutil
import statistics
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import aiohttp
import av
import msgspec
import numpy as np
from aiortc import MediaStreamTrack

from bench.figures import Figure, table
from bench.processes import cpu_s, tree
from bench.server import parley
from bench.signalling import demo_token, has_network, headless
from parley.headless.sources import MediaSource
from tests.media.browser import chromium, chromium_path

AT_MOST_S = 5.0
ENCODER_CORES = 0.6
FPS = 25
BITS, TICK_S = 16, 0.02
SIZE = (640, 360)
PATIENCE_S = 60.0
READ = """() => {
    const video = document.querySelector('video');
    if (!video || !video.videoWidth) return null;
    const canvas = document.createElement('canvas');
    canvas.width = video.videoWidth; canvas.height = video.videoHeight;
    const context = canvas.getContext('2d');
    context.drawImage(video, 0, 0);
    const row = context.getImageData(0, Math.round(canvas.height / 2), canvas.width, 1).data;
    let value = 0;
    for (let bit = 0; bit < 16; bit++) {
        const light = row[4 * Math.round((bit + 0.5) * canvas.width / 16)];
        if (light > 80 && light < 170) return null;
        value = value * 2 + (light > 127 ? 1 : 0);
    }
    return [value, Date.now()];
}"""


def ticks(at_s: float) -> int:
    """The time as the bars show it."""
    return int(at_s / TICK_S) % (1 << BITS)


class ClockTrack(MediaStreamTrack):
    """A camera that films a clock."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self._began: float | None = None
        self._number = 0

    async def recv(self) -> av.VideoFrame:
        """The clock now."""
        if self._began is None:
            self._began = time.monotonic()
        await asyncio.sleep(max(0.0, self._began + self._number / FPS - time.monotonic()))
        value = ticks(time.time())
        bars = np.array([235 if value >> (BITS - 1 - bit) & 1 else 16 for bit in range(BITS)], np.uint8)
        luma = np.broadcast_to(np.repeat(bars, SIZE[0] // BITS), (SIZE[1], SIZE[0]))
        chroma = np.full((SIZE[1] // 2, SIZE[0]), 128, np.uint8)
        frame = av.VideoFrame.from_ndarray(np.concatenate([luma, chroma]), format="yuv420p")
        frame.pts, frame.time_base = self._number * 90_000 // FPS, Fraction(1, 90_000)
        self._number += 1
        return frame


async def _start(http: aiohttp.ClientSession, url: str, token: str) -> str:
    """The stream's id."""
    claims = token.split(".")[1]
    meeting = msgspec.json.decode(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["meetingId"]
    headers = {"Authorization": f"Bearer {token}"}
    async with http.post(f"{url}/v2/meetings/{meeting}/livestreams", json={}, headers=headers) as answer:
        answer.raise_for_status()
        return str((await answer.json())["data"]["id"])


async def _read(page: Any) -> tuple[float, float] | None:
    """Delay of the picture on the screen, and when it was read."""
    found = await page.evaluate(READ)
    if found is None:
        return None
    value, now_ms = found
    behind = (ticks(now_ms / 1000) - value) % (1 << BITS) * TICK_S
    return (behind, now_ms / 1000) if behind < PATIENCE_S else None


async def measure(seconds: float = 20.0) -> list[Figure]:
    """Everything."""
    if shutil.which("janus") is None or chromium_path() is None or not has_network():
        raise SystemExit("This needs Janus, Chromium and a network for media: python -m tests.netns …")
    delays: list[float] = []
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        async with (
            parley(Path(folder) / "data", "--no-rate-limits", "--log-level", "warning") as server,
            aiohttp.ClientSession() as http,
            chromium() as browser,
        ):
            token = await demo_token(http, server, "Host")
            person = headless(http, server, token, 1, MediaSource(None, ClockTrack))
            await person.join()
            began = time.monotonic()
            stream_id = await _start(http, server.url, token)
            page = await browser.new_page()
            await page.goto(f"{server.url}/watch/{stream_id}")
            async with asyncio.timeout(PATIENCE_S):
                while await _read(page) is None:  # noqa: ASYNC110 - the condition is in another process
                    await asyncio.sleep(0.1)
            first_s = time.monotonic() - began
            await asyncio.sleep(5)  # the player finds its place
            encoder = next(pid for pid in tree(server.pid) if _is_encoder(pid))
            cpu, until = cpu_s(encoder), time.monotonic() + seconds
            while time.monotonic() < until:
                read = await _read(page)
                if read is not None:
                    delays.append(read[0])
                await asyncio.sleep(0.1)
            cores = (cpu_s(encoder) - cpu) / seconds
            await person.leave()
    delays.sort()
    spread = f"{delays[0]:.1f} to {delays[-1]:.1f} s in {len(delays)} looks"
    return [
        Figure(
            name="live stream from camera to viewer",
            value=statistics.median(delays),
            unit="s",
            at_most=AT_MOST_S,
            detail=f"{spread}; first picture {first_s:.1f} s after the request to stream",
        ),
        Figure(
            name="live stream encoder CPU, one person in 720p30",
            value=cores,
            unit="cores",
            at_most=ENCODER_CORES,
            detail="decoding, painting, H.264 and AAC",
        ),
    ]


def _is_encoder(pid: int) -> bool:
    return b"parley.livestreams.encoder" in Path(f"/proc/{pid}/cmdline").read_bytes()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    print(table(asyncio.run(measure(**vars(parser.parse_args())))))
