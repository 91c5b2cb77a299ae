"""The picture: only what has changed is painted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from parley.compositor import layout, tiles
from parley.compositor.blending import Corners, Plane, Planes, Stamp, fill, part, paste, planes_of
from parley.compositor.colours import Yuv, yuv
from parley.compositor.layout import Rect
from parley.compositor.plan import Canvas, Person, Watermark
from parley.compositor.seating import Tile

_MOST_KEPT = 256
"""Bitmaps of names and avatars."""
_DESIGN_HEIGHT = 720
"""The measures of the design are meant for this height."""


class _Cell:
    """A tile on the canvas."""

    def __init__(self, tile: Tile, canvas: Planes, radius: int, around: Yuv) -> None:
        self.tile = tile
        self.planes = part(canvas, tile.rect)
        self.corners = Corners(self.planes, radius, around)
        self.tag: tuple[Stamp, Planes] | None = None
        self.scaler = VideoReformatter()
        self.painted = -1
        """Version of the video that is to be seen."""


class Painter:
    """Owns the canvas."""

    def __init__(
        self, canvas: Canvas, people: Sequence[Person] = (), watermark: Watermark | None = None
    ) -> None:
        self._canvas = canvas
        self._people = {person.peer_id: person for person in people}
        self._width, self._height = layout.even(canvas.width), layout.even(canvas.height)
        self.frame = VideoFrame(self._width, self._height, "yuv420p")
        """The picture as it is now. Encoders copy what they keep, so it is painted on."""
        self._planes = planes_of(self.frame)
        self._background, self._tile, self._brand = (
            yuv(canvas.background),
            yuv(canvas.tile),
            yuv(canvas.brand),
        )
        self._radius = round(canvas.radius * min(self._width, self._height) / _DESIGN_HEIGHT)
        self._tiles: Sequence[Tile] | None = None
        self._cells: list[_Cell] = []
        self._stamps: dict[object, Stamp] = {}
        self._watermark = self._load_watermark(watermark)
        self._below: Planes | None = None
        """What the watermark hides."""

    def know(self, people: Sequence[Person]) -> None:
        """These are the people from now on; who has no picture in `paint` is shown as told here."""
        known = {person.peer_id: person for person in people}
        if known != self._people:
            self._people = known
            self._tiles = None

    def _load_watermark(self, wanted: Watermark | None) -> tuple[Stamp, Planes] | None:
        if wanted is None:
            return None
        pixels = tiles.watermark(wanted.path, wanted.width, wanted.height, self._canvas)
        if pixels is None:
            return None
        pixels = pixels[: self._height, : self._width]
        stamp = Stamp(pixels)
        across, down = wanted.position.split(" ")
        margin = layout.even(2 * layout.gap(self._width, self._height))
        left = min(margin, layout.even(self._width - stamp.width))
        top = min(margin, layout.even(self._height - stamp.height))
        x = left if across == "left" else self._width - stamp.width - left
        y = top if down == "top" else self._height - stamp.height - top
        return stamp, part(self._planes, Rect(layout.even(x), layout.even(y), stamp.width, stamp.height))

    def paint(self, wanted: Sequence[Tile]) -> VideoFrame:
        """Bring the canvas up to date."""
        if self._watermark is not None and self._below is not None:
            paste(self._watermark[1], self._below)
        if wanted != self._tiles:
            self._arrange(wanted)
        for cell in self._cells:
            video = cell.tile.video
            if video is not None and video.version != cell.painted:
                self._paint_video(cell)
        if self._watermark is not None:
            stamp, planes = self._watermark
            y, u, v = planes
            self._below = y.copy(), u.copy(), v.copy()
            stamp.blend(planes)
        return self.frame

    def _arrange(self, wanted: Sequence[Tile]) -> None:
        """Everything that does not move."""
        scalers = {(cell.tile.peer_id, cell.tile.is_screen): cell.scaler for cell in self._cells}
        self._tiles, self._cells = list(wanted), []
        fill(self._planes, self._background)
        for tile in wanted:
            around = self._background
            if tile.is_talking:
                around = self._brand
                self._paint_ring(tile.rect)
            cell = _Cell(tile, self._planes, self._radius, around)
            cell.scaler = scalers.get((tile.peer_id, tile.is_screen), cell.scaler)
            tag = self._name_tag(tile)
            margin = layout.even(max(tile.rect.height * 0.025, 4))
            top = tile.rect.height - tag.height - margin
            if top >= 0 and tag.width + margin <= tile.rect.width:
                cell.tag = tag, part(cell.planes, Rect(margin, layout.even(top), tag.width, tag.height))
            self._cells.append(cell)
            if tile.video is None:
                self._paint_avatar(cell)

    def _paint_ring(self, rect: Rect) -> None:
        """Around the tile, in the space between tiles."""
        thick = max(layout.even(layout.gap(self._width, self._height) / 3), 2)
        if rect.x < thick:
            return  # the tile is the whole picture
        outer = Rect(rect.x - thick, rect.y - thick, rect.width + 2 * thick, rect.height + 2 * thick)
        planes = part(self._planes, outer)
        fill(planes, self._brand)
        if self._radius:
            Corners(planes, self._radius + thick, self._background).round()

    def _paint_avatar(self, cell: _Cell) -> None:
        rect = cell.tile.rect
        fill(cell.planes, self._tile)
        diameter = max(layout.even(min(rect.height * 0.42, rect.width * 0.42)), 2)
        person = self._people.get(cell.tile.peer_id) or Person(peer_id=cell.tile.peer_id, present=())
        key = ("avatar", person.name, person.picture, diameter)
        stamp = self._kept(key) or self._keep(
            key, Stamp(tiles.avatar(person.name, person.picture, diameter, self._canvas))
        )
        place = Rect(
            layout.even((rect.width - diameter) / 2),
            layout.even((rect.height - diameter) / 2),
            diameter,
            diameter,
        )
        stamp.blend(part(cell.planes, place))
        self._finish(cell)

    def _paint_video(self, cell: _Cell) -> None:
        video, rect = cell.tile.video, cell.tile.rect
        assert video is not None
        assert video.frame is not None
        size = video.frame.width, video.frame.height
        turned = video.rotation % 180 != 0
        used, place = layout.fit(size[::-1] if turned else size, rect, cover=not cell.tile.is_screen)
        width, height = used.width + 2 * used.x, used.height + 2 * used.y
        scaled = cell.scaler.reformat(
            video.frame,
            *((height, width) if turned else (width, height)),
            "yuv420p",
            # A screen has small letters and few frames; faces have neither.
            interpolation=Interpolation.BICUBIC if cell.tile.is_screen else Interpolation.BILINEAR,
            threads=1,
        )
        if (place.width, place.height) != (rect.width, rect.height):
            fill(cell.planes, self._tile)
        paste(part(self._planes, place), part(_turned(planes_of(scaled), video.rotation), used))
        self._finish(cell)
        cell.painted = video.version

    def _finish(self, cell: _Cell) -> None:
        if cell.tag is not None:
            stamp, planes = cell.tag
            stamp.blend(planes)
        cell.corners.round()

    def _name_tag(self, tile: Tile) -> Stamp:
        widest = max(round(tile.rect.width * 0.8), 24)
        key = ("name", tile.name, tile.is_muted, tile.rect.height, widest)
        return self._kept(key) or self._keep(
            key,
            Stamp(
                tiles.name_tag(
                    tile.name,
                    is_muted=tile.is_muted,
                    tile_height=tile.rect.height,
                    widest=widest,
                    canvas=self._canvas,
                )
            ),
        )

    def _kept(self, key: object) -> Stamp | None:
        return self._stamps.get(key)

    def _keep(self, key: object, stamp: Stamp) -> Stamp:
        if len(self._stamps) >= _MOST_KEPT:
            self._stamps.clear()
        self._stamps[key] = stamp
        return stamp


def _turned(planes: Planes, rotation: int) -> Planes:
    """Clockwise by 0, 90, 180 or 270 degrees."""

    def turn(plane: Plane) -> Plane:
        return np.rot90(plane, -rotation // 90)

    return (turn(planes[0]), turn(planes[1]), turn(planes[2])) if rotation else planes
