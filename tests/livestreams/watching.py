"""What is seen and heard of HLS."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

DEADLINE_S = 90.0


class Watched(NamedTuple):
    """A stretch of a stream."""

    pictures: list[np.ndarray]
    loudest: float
    """1 is full scale."""
    hz: float
    """The strongest tone."""

    @property
    def moves(self) -> bool:
        """Whether the picture changes."""
        first = self.pictures[0].astype(np.int16)
        return any(np.abs(other - first).max() > 60 for other in self.pictures[1:])


def decode(path: Path) -> Watched:
    """Everything in a segment."""
    pictures, sound, rate = [], [], 48_000
    with av.open(str(path)) as container:
        for frame in container.decode():
            if isinstance(frame, av.VideoFrame):
                pictures.append(frame.to_ndarray(format="gray"))
            elif isinstance(frame, av.AudioFrame):
                sound.append(frame.to_ndarray()[0])
                rate = frame.sample_rate
    wave = np.concatenate(sound) if sound else np.zeros(1024, np.float32)
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    return Watched(pictures, float(np.abs(wave).max()), float(spectrum.argmax() * rate / len(wave)))


async def segments(folder: Path, count: int) -> list[Path]:
    """Wait for so many whole segments; the newest of the playlist."""
    end = time.monotonic() + DEADLINE_S
    while True:
        try:
            lines = (folder / "index.m3u8").read_text().splitlines()
        except OSError:
            lines = []
        found = [folder / line for line in lines if line.endswith(".ts")]
        if len(found) >= count:
            return found
        assert time.monotonic() < end, f"{len(found)} segments in {folder}"
        await asyncio.sleep(0.1)
