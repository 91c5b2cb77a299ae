"""What a tile is made of: names, avatars and the watermark, as bitmaps."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageOps

from parley.compositor import fonts
from parley.compositor.colours import rgb
from parley.compositor.plan import Canvas

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
_MOST_PIXELS = 50_000_000
_FINER = 3
"""Curves are drawn so much larger, then made small: Pillow's own have steps."""
_TAG_COLOUR = (0, 0, 0, 150)
_LONGEST = 80
"""Letters of a name that are looked at; there is no room for so many."""
_UNKNOWN = "Guest"
"""The name of who has none."""

Rgba = NDArray[np.uint8]


def name_tag(name: str, *, is_muted: bool, tile_height: int, widest: int, canvas: Canvas) -> Rgba:
    """A name on a dark, half transparent plate; with a crossed-out microphone when nothing is to be heard."""
    size = text_size(tile_height)
    pad, icon = round(size * 0.55), round(size * 1.05) if is_muted else 0
    room = widest - 2 * pad - (icon + pad // 2 if icon else 0)
    line = _fitting(name[:_LONGEST] or _UNKNOWN, size, room)
    text_width = round(line.width)
    height = round(size * 1.75) // 2 * 2
    width = 2 * pad + text_width + (icon + (pad // 2 if text_width else 0) if icon else 0)
    image = _plate(max(width, height), height, round(size * 0.4))
    draw = ImageDraw.Draw(image)
    left = pad
    if icon:
        drawn = _muted_microphone(icon, rgb(canvas.text))
        image.alpha_composite(drawn, (left, (height - drawn.height) // 2))
        left += icon + pad // 2
    line.draw(draw, left, height / 2, rgb(canvas.text))
    return np.asarray(image)


def text_size(tile_height: int) -> int:
    """Of a name in a tile of that height, in pixels."""
    return round(min(max(tile_height * 0.055, min(14, tile_height * 0.12)), 22))


def avatar(name: str, picture: Path | None, diameter: int, canvas: Canvas) -> Rgba:
    """A circle with the picture, or with the initials on the brand's colour."""
    image = load(picture) if picture else None
    size = diameter * _FINER
    circle = Image.new("L", (size, size), 0)
    ImageDraw.Draw(circle).ellipse((0, 0, size - 1, size - 1), fill=255)
    mask = circle.resize((diameter, diameter), Image.Resampling.LANCZOS)
    if image is not None:
        disc = Image.new("RGBA", (diameter, diameter), (*rgb(canvas.brand), 255))
        disc.alpha_composite(ImageOps.fit(image, (diameter, diameter), Image.Resampling.LANCZOS))
    else:
        disc = Image.new("RGBA", (diameter, diameter), (*rgb(canvas.brand), 255))
        line, draw = fonts.line(initials(name), max(round(diameter * 0.38), 6)), ImageDraw.Draw(disc)
        left, colour = (diameter - line.width) / 2, rgb(canvas.text_on_brand)
        line.draw(draw, left, diameter / 2, colour, by_ink=True)
    disc.putalpha(mask)
    return np.asarray(disc)


def initials(name: str) -> str:
    """Of the first and the last word; of one word its first letter."""
    words = [word for word in (_letters(word) for word in (name[:_LONGEST] or _UNKNOWN).split()) if word]
    if not words:
        return "?"
    return (words[0][0] + (words[-1][0] if len(words) > 1 else "")).upper()


def load(path: Path) -> Image.Image | None:
    """An image with opacity, upright; None if it is absent, too large or nothing we read."""
    try:
        with Image.open(path, formats=_FORMATS) as image:
            if image.width * image.height > _MOST_PIXELS:
                return None
            return ImageOps.exif_transpose(image).convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None


def watermark(path: Path, width: int | None, height: int | None, canvas: Canvas) -> Rgba | None:
    """The image in the wanted size, or as large as the picture has room; None if it cannot be read."""
    image = load(path)
    if image is None:
        return None
    natural_width, natural_height = image.size
    if width is None and height is None:
        width, height = natural_width, natural_height
    width = width or max(round(natural_width * (height or natural_height) / natural_height), 1)
    height = height or max(round(natural_height * width / natural_width), 1)
    shrink = min(1.0, canvas.width / width, canvas.height / height)
    size = (max(int(width * shrink), 1), max(int(height * shrink), 1))
    return np.asarray(image if image.size == size else image.resize(size, Image.Resampling.LANCZOS))


def _letters(word: str) -> str:
    return "".join(c for c in word if unicodedata.category(c)[0] in "LN")


def _fitting(text: str, size: int, room: int) -> fonts.Line:
    """The text, with dots at its end when there is no room for the whole of it."""
    line = fonts.line(text, size)
    text = line.text
    while text and line.width > room:
        text = text[:-1].rstrip()
        line = fonts.line(f"{text}..." if text else "", size)
    return line


def _plate(width: int, height: int, radius: int) -> Image.Image:
    large = Image.new("L", (width * _FINER, height * _FINER), 0)
    ImageDraw.Draw(large).rounded_rectangle(
        (0, 0, width * _FINER - 1, height * _FINER - 1), radius * _FINER, fill=_TAG_COLOUR[3]
    )
    image = Image.new("RGBA", (width, height), _TAG_COLOUR)
    image.putalpha(large.resize((width, height), Image.Resampling.LANCZOS))
    return image


def _muted_microphone(size: int, colour: tuple[int, int, int]) -> Image.Image:
    """On a grid of 24 units, as icons usually are drawn."""
    unit = size * _FINER * 2 / 24
    shape = Image.new("L", (round(24 * unit),) * 2, 0)
    draw = ImageDraw.Draw(shape)
    line = max(round(2 * unit), 1)

    def box(left: float, top: float, right: float, bottom: float) -> tuple[float, float, float, float]:
        return left * unit, top * unit, right * unit, bottom * unit

    draw.rounded_rectangle(box(9, 2, 15, 14), 3 * unit, fill=255)
    draw.arc(box(5, 4, 19, 18), 0, 180, fill=255, width=line)
    draw.rectangle(box(11, 17, 13, 22), fill=255)
    draw.rectangle(box(8, 20.5, 16, 22), fill=255)
    slash = Image.new("L", shape.size, 0)
    ImageDraw.Draw(slash).line(box(3, 2, 21, 22), fill=255, width=line * 3)
    shape = ImageChops.subtract(shape, slash)
    ImageDraw.Draw(shape).line(box(3, 2, 21, 22), fill=255, width=line)
    image = Image.new("RGBA", (size, size), (*colour, 255))
    image.putalpha(shape.resize((size, size), Image.Resampling.LANCZOS))
    return image
