"""Pictures as planes of 4:2:0, and bitmaps laid over them."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from numpy.typing import NDArray

from parley.compositor.colours import Yuv, to_yuv
from parley.compositor.layout import Rect, even

Plane = NDArray[np.uint8]
Planes = tuple[Plane, Plane, Plane]
_Places = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Rows and columns."""


def planes_of(frame: VideoFrame) -> Planes:
    """The planes of a yuv420p frame, to read and to write; they live as long as the frame."""
    y, u, v = frame.planes
    return _pixels(y), _pixels(u), _pixels(v)


def _pixels(plane: VideoPlane) -> Plane:
    shape, strides = (plane.height, plane.width), (plane.line_size, 1)
    return np.ndarray(shape, np.uint8, memoryview(plane), strides=strides)


def part(planes: Planes, rect: Rect) -> Planes:
    """A rectangle with even coordinates."""
    x, y, width, height = rect
    luma = planes[0][y : y + height, x : x + width]
    x, y, width, height = x // 2, y // 2, width // 2, height // 2
    return luma, planes[1][y : y + height, x : x + width], planes[2][y : y + height, x : x + width]


def fill(planes: Planes, colour: Yuv) -> None:
    """One colour everywhere."""
    for plane, value in zip(planes, colour, strict=True):
        plane[:] = value


def paste(planes: Planes, source: Planes) -> None:
    """Copy planes of the same size."""
    for plane, pixels in zip(planes, source, strict=True):
        plane[:] = pixels


class _Layer(NamedTuple):
    """For one plane: result = (below * keep + add) / 256."""

    keep: NDArray[np.uint16]
    add: NDArray[np.uint16]


class Stamp:
    """A bitmap with transparency, ready to be laid over pictures; its sides are even."""

    def __init__(self, rgba: NDArray[np.uint8]) -> None:
        """Of red, green, blue and opacity: shape (height, width, 4)."""
        rgba = np.pad(rgba, ((0, rgba.shape[0] % 2), (0, rgba.shape[1] % 2), (0, 0)))
        self.height, self.width = rgba.shape[:2]
        alpha = (rgba[..., 3] / 255).astype(np.float32)
        colours = (to_yuv(rgba[..., :3].astype(np.float32)) * alpha[..., None]).astype(np.float32)
        half_alpha = _halved(alpha)
        self._layers = (
            _layer(alpha, colours[..., 0]),
            _layer(half_alpha, _halved(colours[..., 1])),
            _layer(half_alpha, _halved(colours[..., 2])),
        )

    def blend(self, planes: Planes) -> None:
        """Lay it over planes of its own size."""
        for plane, layer in zip(planes, self._layers, strict=True):
            plane[:] = (plane * layer.keep + layer.add) >> 8


class Corners:
    """Rounds the corners of a rectangle, by laying a colour over what is outside of the curve."""

    def __init__(self, planes: Planes, radius: int, colour: Yuv) -> None:
        height, width = planes[0].shape
        outside = _outside(min(radius, even(width / 2), even(height / 2)))
        self._planes: list[tuple[Plane, _Places, _Layer]] = []
        for plane, alpha, value in zip(
            planes, (outside, _halved(outside), _halved(outside)), colour, strict=True
        ):
            rows, columns = np.nonzero(alpha)
            layer = _layer(alpha[rows, columns], alpha[rows, columns] * value)
            # The right and the lower half of the bitmap belong to the far sides of the rectangle.
            rows = np.where(rows < alpha.shape[0] // 2, rows, rows + plane.shape[0] - alpha.shape[0])
            columns = np.where(
                columns < alpha.shape[1] // 2, columns, columns + plane.shape[1] - alpha.shape[1]
            )
            self._planes.append((plane, (rows, columns), layer))

    def round(self) -> None:
        """After something was painted into the rectangle."""
        for plane, places, layer in self._planes:
            plane[places] = (plane[places] * layer.keep + layer.add) >> 8


@functools.lru_cache(maxsize=16)
def _outside(radius: int) -> NDArray[np.float32]:
    """How much of each pixel is outside of a square that consists of rounded corners alone, 0 to 1."""
    half = radius + radius % 2
    beyond = np.maximum(np.abs(np.arange(2 * half) + 0.5 - half) - (half - radius), 0)
    distance = np.hypot(beyond[:, None], beyond[None, :])
    covered: NDArray[np.float32] = np.clip(distance - radius + 0.5, 0, 1).astype(np.float32)
    return covered


def _halved(values: NDArray[np.float32]) -> NDArray[np.float32]:
    height, width = values.shape
    means: NDArray[np.float32] = values.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3))
    return means


def _layer(alpha: NDArray[np.float32], colours: NDArray[np.float32]) -> _Layer:
    """Of opacity and of colours already multiplied with it; 16 bits hold 255 * 256 + rounding."""
    opacity = np.rint(alpha * 256)
    add = np.rint(colours * 256) + 128 * (opacity > 0)
    return _Layer(
        (256 - opacity).astype(np.uint16), np.minimum(add, 65535 - 255 * (256 - opacity)).astype(np.uint16)
    )
