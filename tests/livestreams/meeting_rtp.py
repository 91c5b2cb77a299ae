"""What a media engine sends of a participant: VP8 and Opus as RTP, from a process of its own.

`python -m tests.livestreams.meeting_rtp PORT VIDEO_SSRC AUDIO_SSRC HZ` until it is ended.
"""

from __future__ import annotations

import asyncio
import sys
import time

import av
import numpy as np

FPS = 10


def send(port: int, video_ssrc: str, audio_ssrc: str, hz: float) -> None:
    """Send in real time."""
    url = f"rtp://127.0.0.1:{port}"
    with (
        av.open(url, "w", format="rtp", options={"ssrc": video_ssrc}) as pictures,
        av.open(url, "w", format="rtp", options={"ssrc": audio_ssrc}) as sounds,
    ):
        video = pictures.add_stream("libvpx", rate=FPS)
        video.width, video.height, video.pix_fmt, video.gop_size = 320, 240, "yuv420p", 2 * FPS
        video.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
        audio = sounds.add_stream("libopus", rate=48_000)
        audio.layout = "stereo"
        began, number = time.monotonic(), 0
        while True:
            picture = np.zeros((240, 320, 3), np.uint8)
            picture[:, number * 16 % 300 : number * 16 % 300 + 20] = 255
            frame = av.VideoFrame.from_ndarray(picture)
            frame.pts = number
            pictures.mux(video.encode(frame))
            for part in range(5):
                first = (number * 5 + part) * 960
                tone = (8000 * np.sin(2 * np.pi * hz * np.arange(first, first + 960) / 48_000)).astype(
                    np.int16
                )
                sound = av.AudioFrame.from_ndarray(
                    np.repeat(tone, 2).reshape(1, -1), format="s16", layout="stereo"
                )
                sound.sample_rate, sound.pts = 48_000, first
                sounds.mux(audio.encode(sound))
            number += 1
            time.sleep(max(0.0, began + number / FPS - time.monotonic()))


class Engine:
    """A running sender."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, port: int, video_ssrc: int, audio_ssrc: int, hz: int) -> Engine:
        """Begin to send."""
        words = (sys.executable, "-m", "tests.livestreams.meeting_rtp", port, video_ssrc, audio_ssrc, hz)
        return cls(await asyncio.create_subprocess_exec(*map(str, words), stderr=asyncio.subprocess.DEVNULL))

    async def stop(self) -> None:
        """End."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


if __name__ == "__main__":
    send(int(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4]))
