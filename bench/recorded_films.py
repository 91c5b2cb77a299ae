"""What a finished recording holds, by decoding all of it: who is heard when, and when pictures move."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import pairwise

import av
import msgspec
import numpy as np
from numpy.typing import NDArray

RATE = 8_000
WINDOW = 400
"""Samples: 50 ms, in which a tone that is a multiple of 20 Hz has whole waves."""
QUIET = 300.0
"""Amplitude of a 16-bit tone that counts as silence; the participants' tones have thousands."""
MOVES = 0.3
"""Mean difference of luma between pictures that differ; encoders change still ones less."""
_SMALL = (160, 90)


class Film(msgspec.Struct, frozen=True):
    """What is in the file; seconds since its beginning."""

    length_s: float
    heard: list[list[float]]
    """For each tone, the ends of the windows in which it sounds, ascending."""
    moved: list[float]
    """When pictures came that differ from those before."""


def read(content: bytes, tones_hz: Sequence[int]) -> Film:
    """Decode a recording as a whole.

    Args:
        content: of the file.
        tones_hz: to listen for; multiples of 20.

    Raises:
        av.FFmpegError: it cannot be played to its end.
    """
    moved: list[float] = []
    length_s = 0.0
    before: NDArray[np.int16] | None = None
    with av.open(io.BytesIO(content), "r") as file:
        for frame in file.decode(video=0):
            length_s = float(frame.time)
            picture = frame.reformat(*_SMALL, format="gray").to_ndarray().astype(np.int16)
            if before is not None and float(np.abs(picture - before).mean()) > MOVES:
                moved.append(length_s)
            before = picture
    with av.open(io.BytesIO(content), "r") as file:
        plain = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        pieces = [piece.to_ndarray()[0] for each in file.decode(audio=0) for piece in plain.resample(each)]
    samples = np.concatenate(pieces).astype(np.float64)
    windows = samples[: len(samples) // WINDOW * WINDOW].reshape(-1, WINDOW)
    times = np.arange(WINDOW) / RATE
    heard = []
    for hz in tones_hz:
        amplitudes = 2 * np.abs(windows @ np.exp(-2j * np.pi * hz * times)) / WINDOW
        heard.append([float(end + 1) * WINDOW / RATE for end in np.flatnonzero(amplitudes > QUIET)])
    return Film(length_s=max(length_s, len(samples) / RATE), heard=heard, moved=moved)


def lost_s(instants: Sequence[float], begun_s: float, until_s: float) -> float:
    """How much is missing at the end of what was there from `begun_s` to `until_s`, in seconds."""
    last = max((each for each in instants if each <= until_s), default=0.0)
    return max(0.0, until_s - max(last, begun_s))


def longest_hole_s(instants: Sequence[float], begun_s: float, until_s: float) -> float:
    """The longest time without anything, between two instants at which there is something."""
    inside = [each for each in instants if begun_s <= each <= until_s]
    return max((later - earlier for earlier, later in pairwise(inside)), default=0.0)
