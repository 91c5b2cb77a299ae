"""Fonts for names. Pillow brings one for plain Latin letters; for others the system's are looked through."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from PIL import ImageFont

Font = ImageFont.FreeTypeFont

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


def _candidates(size: int) -> Iterator[Font]:
    built_in = ImageFont.load_default(size)
    if isinstance(built_in, Font):  # it is not when Pillow was built without FreeType
        yield built_in
    for path in _files():
        try:
            yield ImageFont.truetype(path, size)
        except OSError:
            continue


def _has(font: Font, letter: str) -> bool:
    return letter.isspace() or bytes(font.getmask(letter)) != bytes(font.getmask(_UNKNOWN))


@functools.lru_cache(maxsize=256)
def for_text(text: str, size: int) -> tuple[Font, str]:
    """A font, and the text as far as it can be drawn in it: the whole of it where some font has every letter.

    Else accents are left out, and then the letters that the font with most of them does not have.
    """
    text = " ".join("".join(c for c in text if c.isprintable()).split())
    fonts = list(_candidates(size))
    if not fonts:
        raise RuntimeError("Pillow was built without FreeType")
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    for wanted in (text, plain):
        for font in fonts:
            if all(_has(font, letter) for letter in wanted):
                return font, wanted
    best = max(fonts, key=lambda font: sum(_has(font, letter) for letter in plain))
    return best, " ".join("".join(letter for letter in plain if _has(best, letter)).split())
