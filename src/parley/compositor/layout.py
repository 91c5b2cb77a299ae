"""Where tiles go. Everything is even: a chroma sample covers two pixels in each direction."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

MOST_TILES = 25
"""In a grid; more would not be recognised."""
SMALLEST = 64
_WIDEST, _NARROWEST = 16 / 9, 4 / 3
_STRIP_SHARE = 0.2
"""Of the picture, for the people beside something large."""


class Rect(NamedTuple):
    """Pixels from the left top corner."""

    x: int
    y: int
    width: int
    height: int


class Arrangement(NamedTuple):
    """Where everything goes."""

    large: Sequence[Rect]
    """For what was asked to be large, in its order."""
    tiles: Sequence[Rect]
    """For the people, in their order; fewer than people when there is no room."""


def gap(width: int, height: int) -> int:
    """Between tiles, and around them."""
    return max(2, min(width, height) // 120 * 2)


def even(value: float) -> int:
    """The next even number that is not larger."""
    return int(value) // 2 * 2


@functools.lru_cache(maxsize=64)
def arrange(width: int, height: int, *, large: int, people: int) -> Arrangement:
    """Places for that many large things and people.

    A picture with less than `SMALLEST` pixels in one direction is one tile as a whole.
    """
    if min(width, height) < SMALLEST:
        whole = (Rect(0, 0, width, height),)
        return Arrangement(whole, ()) if large else Arrangement((), whole[:people])
    space = gap(width, height)
    area = Rect(space, space, even(width - 2 * space), even(height - 2 * space))
    if not large:
        return Arrangement((), grid(area, min(people, MOST_TILES), space))
    if not people:
        return Arrangement(_split(area, large, space), ())
    if width >= height:
        strip_width = even(max(area.width * _STRIP_SHARE, 2))
        main = Rect(area.x, area.y, area.width - strip_width - space, area.height)
        strip = Rect(main.x + main.width + space, area.y, strip_width, area.height)
        tile = Rect(0, 0, strip_width, even(min(strip_width / _WIDEST, area.height)))
        room = max((strip.height + space) // (tile.height + space), 1)
        tiles = _column(strip, tile, min(people, room), space)
    else:
        strip_height = even(max(area.height * _STRIP_SHARE, 2))
        main = Rect(area.x, area.y, area.width, area.height - strip_height - space)
        strip = Rect(area.x, main.y + main.height + space, area.width, strip_height)
        room = max(int((strip.width + space) // (strip_height * _NARROWEST + space)), 1)
        tiles = grid(strip, min(people, room), space, rows=1)
    return Arrangement(_split(main, large, space), tiles)


def grid(area: Rect, count: int, space: int, *, rows: int | None = None) -> list[Rect]:
    """The largest tiles of that many that fit, in rows from the left; the last row is centred.

    Their proportions are between 4:3 and 16:9, whichever fills the area better.
    """
    if count < 1:
        return []
    best: tuple[float, int, int, int] = (0.0, 1, 2, 2)
    for columns in range(1, count + 1):
        lines = math.ceil(count / columns)
        if rows is not None and lines != rows:
            continue
        cell_width = (area.width - space * (columns - 1)) / columns
        cell_height = (area.height - space * (lines - 1)) / lines
        if cell_width < 2 or cell_height < 2:
            continue
        width = min(cell_width, cell_height * _WIDEST)
        height = min(cell_height, width / _NARROWEST)
        if width * height > best[0] * 1.001:
            best = (width * height, columns, max(even(width), 2), max(even(height), 2))
    _, columns, tile_width, tile_height = best
    lines = math.ceil(count / columns)
    top = area.y + even((area.height - lines * tile_height - (lines - 1) * space) / 2)
    found: list[Rect] = []
    for line in range(lines):
        in_line = min(columns, count - line * columns)
        left = area.x + even((area.width - in_line * tile_width - (in_line - 1) * space) / 2)
        found += [
            Rect(
                left + place * (tile_width + space),
                top + line * (tile_height + space),
                tile_width,
                tile_height,
            )
            for place in range(in_line)
        ]
    return found


def _column(strip: Rect, tile: Rect, count: int, space: int) -> list[Rect]:
    """One below the other, centred."""
    top = strip.y + even((strip.height - count * tile.height - (count - 1) * space) / 2)
    return [
        Rect(strip.x, top + place * (tile.height + space), tile.width, tile.height) for place in range(count)
    ]


def _split(area: Rect, count: int, space: int) -> list[Rect]:
    """Equal parts, along the longer side."""
    if area.width >= area.height:
        width = even((area.width - space * (count - 1)) / count)
        return [Rect(area.x + n * (width + space), area.y, width, area.height) for n in range(count)]
    height = even((area.height - space * (count - 1)) / count)
    return [Rect(area.x, area.y + n * (height + space), area.width, height) for n in range(count)]


@functools.lru_cache(maxsize=256)
def fit(source: tuple[int, int], cell: Rect, *, cover: bool) -> tuple[Rect, Rect]:
    """How a picture of that size is put into a cell without changing its proportions.

    Args:
        source: width and height of the picture.
        cell: where it goes.
        cover: fill the cell and cut off what is too much, unless that would be more than a third.

    Returns:
        The rectangle of the scaled picture to use (its position within it), and where it goes on the canvas.
        The scaled picture as a whole is `Rect.x * 2 + Rect.width` wide and as high accordingly.
    """
    across, down = cell.width / source[0], cell.height / source[1]
    scale = max(across, down)
    if not cover or min(across, down) / scale < 2 / 3:
        scale = min(across, down)
    width, height = max(even(source[0] * scale + 1), 2), max(even(source[1] * scale + 1), 2)
    cut_x, cut_y = max(width - cell.width, 0), max(height - cell.height, 0)
    # What is cut off is a multiple of four, so that the same is cut off on both sides and both are even.
    width, height = width + -cut_x % 4, height + -cut_y % 4
    cut_x, cut_y = (width - cell.width) // 2 if cut_x else 0, (height - cell.height) // 2 if cut_y else 0
    shown_width, shown_height = width - 2 * cut_x, height - 2 * cut_y
    return (
        Rect(cut_x, cut_y, shown_width, shown_height),
        Rect(
            cell.x + even((cell.width - shown_width) / 2),
            cell.y + even((cell.height - shown_height) / 2),
            shown_width,
            shown_height,
        ),
    )
