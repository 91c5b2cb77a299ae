"""Fonts for names: the one of Parley's own pages, and for letters that it lacks those of the system.

The pages' font comes in files for some letters each (Latin, its accents, Cyrillic, Greek), so a name may take
several of them. Where Pillow cannot read these files, it brings a font for plain Latin letters.
"""

from __future__ import annotations

import contextlib
import functools
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont

_PAGES = Path(__file__).parents[1] / "web" / "dist" / "assets"
_OURS = ("inter-latin-wght", "inter-latin-ext-wght", "inter-cyrillic-wght", "inter-greek-wght")
"""How its files begin, those with the usual letters first."""
_WEIGHT = 500
"""Medium: names are small and light on dark."""
_FOLDERS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path.home() / ".local/share/fonts")
_FAMILIES = (
    "Inter", "NotoSans", "OpenSans", "LiberationSans", "DejaVuSans", "FreeSans", "NotoSansCJK",
    "DroidSansFallback", "WenQuanYi", "wqy", "Unifont",
)  # fmt: skip
"""How file names begin, the better looking first."""
_STYLES = ("-Regular", "-VariableFont_wght", "")
_SUFFIXES = (".ttf", ".otf", ".ttc")
_UNKNOWN = "\U0010ffff"
"""No font has it: it is drawn as what a font draws for letters it does not have."""


class Line:
    """A text that can be drawn."""

    def __init__(self, runs: Sequence[tuple[Font, str]]) -> None:
        self._runs = runs
        self.text = "".join(text for _, text in runs)
        self.width = sum(font.getlength(text) for font, text in runs)
        """In pixels."""

    def draw(
        self,
        on: ImageDraw.ImageDraw,
        left: float,
        middle: float,
        colour: tuple[int, int, int],
        *,
        by_ink: bool = False,
    ) -> None:
        """Draw it around a height: that of the font's lines, or `by_ink` that of these very letters."""
        if not self._runs:
            return
        font, text = self._runs[0]
        if by_ink:
            _, top, _, bottom = font.getbbox(text, anchor="ls")
        else:
            top, bottom = -font.getmetrics()[0], font.getmetrics()[1]
        for font, text in self._runs:
            on.text((left, middle - (top + bottom) / 2), text, fill=(*colour, 255), font=font, anchor="ls")
            left += font.getlength(text)


@functools.cache
def _files() -> tuple[Path, ...]:
    """Upright fonts of the system, best first."""

    def rank(path: Path) -> tuple[int, str] | None:
        for number, family in enumerate(_FAMILIES):
            rest = path.stem.removeprefix(family)
            if rest != path.stem and (rest in _STYLES or rest.endswith("-Regular")):
                return number, path.name
        return None

    found = [path for folder in _FOLDERS for path in folder.rglob("*") if path.suffix in _SUFFIXES]
    return tuple(sorted((path for path in found if rank(path)), key=lambda path: rank(path) or (0, "")))


@functools.lru_cache(maxsize=32)
def _own(size: int) -> tuple[Font, ...]:
    """The pages' font, in its parts; else the one that Pillow brings."""
    fonts = []
    try:
        for begin in _OURS:
            for path in sorted(_PAGES.glob(f"{begin}-*.woff2")):
                font = ImageFont.truetype(path, size)
                font.set_variation_by_axes([_WEIGHT])
                fonts.append(font)
    except OSError:  # Pillow was built without Brotli
        fonts = []
    built_in = ImageFont.load_default(size)
    if not fonts and isinstance(built_in, Font):  # it is not when Pillow was built without FreeType
        fonts = [built_in]
    return tuple(fonts)


@functools.lru_cache(maxsize=8)
def _systems(size: int) -> tuple[Font, ...]:
    fonts = []
    for path in _files():
        with contextlib.suppress(OSError):
            fonts.append(ImageFont.truetype(path, size))
    return tuple(fonts)


def _has(font: Font, letter: str) -> bool:
    return letter.isspace() or bytes(font.getmask(letter)) != bytes(font.getmask(_UNKNOWN))


@functools.lru_cache(maxsize=256)
def line(text: str, size: int) -> Line:
    """A text of one line, as far as it can be drawn: in our font, or whole in one of the system, or mixed.

    A letter that no font has goes without its accent, or is left out.
    """
    text = unicodedata.normalize("NFC", "".join(c for c in text if c.isprintable() or c.isspace()))
    text = " ".join(text.split())
    own = _own(size)
    if (runs := _runs(text, own)) is not None:
        return Line(runs)
    systems = _systems(size)
    for font in systems:  # one for all letters first: it can join them, and turn their direction
        if all(_has(font, letter) for letter in text):
            return Line([(font, text)])
    fonts = [*own, *systems]
    if not fonts:
        raise RuntimeError("Pillow was built without FreeType")
    drawable = " ".join("".join(_drawable(letter, fonts) for letter in text).split())
    return Line(_runs(drawable, fonts) or [])


def _runs(text: str, fonts: Sequence[Font]) -> list[tuple[Font, str]] | None:
    """Each letter in the first font that has it; None if one is in none of them."""
    runs: list[tuple[Font, str]] = []
    for letter in text:
        if letter.isspace() and runs:
            runs[-1] = (runs[-1][0], runs[-1][1] + letter)
            continue
        font = _first_with(letter, fonts)
        if font is None:
            return None
        if runs and runs[-1][0] is font:
            runs[-1] = (font, runs[-1][1] + letter)
        else:
            runs.append((font, letter))
    return runs


def _first_with(letter: str, fonts: Iterable[Font]) -> Font | None:
    return next((font for font in fonts if _has(font, letter)), None)


def _drawable(letter: str, fonts: Sequence[Font]) -> str:
    if _first_with(letter, fonts) is not None:
        return letter
    plain = (c for c in unicodedata.normalize("NFKD", letter) if not unicodedata.combining(c))
    return "".join(c for c in plain if _first_with(c, fonts) is not None)
