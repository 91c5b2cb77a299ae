"""Values that clients post: taken if they are what they should be, and short."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from parley.base.text import clean_line
from parley.quality.model import Sample

TEXT, LONG_TEXT = 100, 300
"""Characters."""
_SNAKE = re.compile(r"(?<!^)(?=[A-Z])")


def number(value: Any) -> float | None:
    """A finite number that a browser can count to."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and math.isfinite(value) and abs(value) < 2**53 else None


def text(value: Any, limit: int = TEXT) -> str:
    """A text of one line; empty for anything else."""
    return clean_line(value[: 4 * limit], limit=limit) if isinstance(value, str) else ""


def mapping(value: Any) -> Mapping[str, Any]:
    """An object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def mappings(value: Any, most: int) -> list[Mapping[str, Any]]:
    """The first objects of a list."""
    return [each for each in value[:most] if isinstance(each, dict)] if isinstance(value, list) else []


def numbers(source: Mapping[str, Any], names: Iterable[str]) -> Sample:
    """Those members that are numbers, by their names with underscores."""
    return {snake(name): value for name in names if (value := number(source.get(name))) is not None}


def snake(name: str) -> str:
    """`framesPerSecond` as `frames_per_second`."""
    return _SNAKE.sub("_", name).lower()
