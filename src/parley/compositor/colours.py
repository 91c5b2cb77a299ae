"""Colours as the codecs want them: luma and two colour differences, BT.601, limited range."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_FROM_RGB = np.array(
    [[65.738, 129.057, 25.064], [-37.945, -74.494, 112.439], [112.439, -94.154, -18.285]], np.float32
)
_BASE = np.array([16, 128, 128], np.float32)
FAMILY = 6
"""SMPTE 170M, the name of this in FFmpeg: what browsers send, and what the outputs say of themselves."""
LIMITED_RANGE = 1


class Yuv(NamedTuple):
    """One colour."""

    y: int
    u: int
    v: int


def rgb(colour: str) -> tuple[int, int, int]:
    """Of `#rrggbb`."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def yuv(colour: str) -> Yuv:
    """Of `#rrggbb`."""
    return Yuv(*(round(float(part)) for part in to_yuv(np.array([rgb(colour)], np.float32))[0]))


def to_yuv(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of red, green and blue (0 to 255) along the last axis."""
    return (pixels @ _FROM_RGB.T / 256 + _BASE).astype(np.float32)
