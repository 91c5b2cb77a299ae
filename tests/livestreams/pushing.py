"""Somebody with an encoder: pushes a moving picture and a tone by RTMP, in a process of its own.

`python -m tests.livestreams.pushing URL SECONDS`; its status is 0 when everything was taken. (PyAV holds the
interpreter's lock while it connects, so a thread would stop the server that it connects to.)
"""

from __future__ import annotations

import asyncio
import sys
import time
from fractions import Fraction

import av
import numpy as np

FPS, RATE = 15, 48_000


def push(url: str, seconds: float) -> None:
    """Send in real time."""
    with av.open(url, "w", format="flv", timeout=20) as container:
        video = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt, video.gop_size = 320, 240, "yuv420p", FPS
        video.options = {"preset": "ultrafast", "tune": "zerolatency"}
        audio = container.add_stream("aac", rate=RATE)
        audio.layout = "mono"
        began, samples = time.monotonic(), 0
        for number in range(round(seconds * FPS)):
            picture = np.zeros((240, 320, 3), np.uint8)
            picture[:, number * 8 % 300 : number * 8 % 300 + 20] = 255
            frame = av.VideoFrame.from_ndarray(picture)
            frame.pts = number
            container.mux(video.encode(frame))
            while samples < (number + 1) * RATE // FPS:
                tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(samples, samples + 1024) / RATE)).astype(
                    np.int16
                )
                sound = av.AudioFrame.from_ndarray(tone.reshape(1, -1), format="s16", layout="mono")
                sound.sample_rate, sound.pts, sound.time_base = RATE, samples, Fraction(1, RATE)
                container.mux(audio.encode(sound))
                samples += 1024
            time.sleep(max(0.0, began + (number + 1) / FPS - time.monotonic()))


class Pusher:
    """A running encoder."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, url: str, seconds: float = 120) -> Pusher:
        """Begin to push."""
        return cls(
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.livestreams.pushing", url, str(seconds)),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
        )

    async def ended(self) -> int:
        """Its status, when it has ended by itself."""
        async with asyncio.timeout(60):
            return await self._process.wait()

    async def stop(self) -> None:
        """Switch it off."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


if __name__ == "__main__":
    push(sys.argv[1], float(sys.argv[2]))
