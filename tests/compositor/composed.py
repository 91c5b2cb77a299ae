"""Plans of the tests, and what is in the files made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np

from parley.compositor import job
from parley.compositor.job import Result
from parley.compositor.layout import Rect, arrange
from parley.compositor.plan import Canvas, Output, Person, Plan, Track
from tests.compositor.recorded import START_MS, Rgb

CANVAS = Canvas(width=320, height=180, fps=15)
TILE = (25, 25, 25)
"""The canvas' colour for tiles."""


def at(seconds: float) -> int:
    return START_MS + round(seconds * 1000)


def person(name: str, start_s: float = 0, stop_s: float = 60) -> Person:
    return Person(peer_id=name, name=name, present=[(at(start_s), at(stop_s))])


def camera_of(name: str, path: Path, **more: Any) -> Track:
    return Track(peer_id=name, source="camera", path=path, **more)


def microphone_of(name: str, path: Path, **more: Any) -> Track:
    return Track(peer_id=name, source="microphone", path=path, **more)


def plan(folder: Path, seconds: float, **more: Any) -> Plan:
    defaults: dict[str, Any] = {
        "canvas": CANVAS,
        "spans": [(at(0), at(seconds))],
        "outputs": [Output(path=folder / "out.mp4", container="mp4", video="h264")],
    }
    return Plan(**(defaults | more))


def compose(wanted: Plan) -> Result:
    return job.compose(wanted, lambda _: None)


def pictures(path: Path) -> np.ndarray:
    """Every picture: (number, height, width, 3)."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def sound(path: Path) -> np.ndarray:
    """All samples: (number, channels), 48 kHz, between -1 and 1; the encoder's delay is taken off."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="fltp", rate=48_000)
        parts: list[np.ndarray] = []
        for frame in container.decode(audio=0):
            if not parts and frame.time and frame.time > 0:
                parts.append(np.zeros((round(frame.time * 48_000), len(frame.layout.channels)), np.float32))
            parts += [whole.to_ndarray().T for whole in resampler.resample(frame)]
    return np.concatenate(parts)


def middle(rect: Rect) -> tuple[slice, slice]:
    """Rows and columns in the middle of a tile, between an avatar and a name."""
    x, y = rect.x + rect.width // 2, rect.y + rect.height // 4
    return slice(y - 2, y + 2), slice(x - 2, x + 2)


def grid(people: int, canvas: Canvas = CANVAS) -> list[Rect]:
    return list(arrange(canvas.width, canvas.height, large=0, people=people).tiles)


def colour(picture: np.ndarray, rect: Rect) -> tuple[int, int, int]:
    red, green, blue = picture[middle(rect)].mean(axis=(0, 1))
    return round(red), round(green), round(blue)


def is_like(found: tuple[int, int, int], wanted: Rgb, within: int = 24) -> bool:
    return all(abs(a - b) <= within for a, b in zip(found, wanted, strict=True))


def loudness(samples: np.ndarray, frequency: float, start_s: float, stop_s: float) -> float:
    """Amplitude of a tone between two instants, of both channels' mean."""
    part = samples[round(start_s * 48_000) : round(stop_s * 48_000)].mean(axis=1)
    waves = np.exp(-2j * np.pi * frequency * np.arange(len(part)) / 48_000)
    return float(2 * abs(np.mean(part * waves * np.hanning(len(part)) * 2)))
