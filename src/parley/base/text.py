"""Small rules for texts that come from outside."""

from __future__ import annotations

import unicodedata

_INVISIBLE = {"Cc", "Cs"}
"""Control characters and lone surrogates: never part of a name."""


def clean_line(text: str, *, limit: int) -> str:
    """A name or title as stored: one trimmed line, no control characters, at most `limit` characters."""
    kept = "".join(c for c in text if c.isspace() or unicodedata.category(c) not in _INVISIBLE)
    return " ".join(kept.split())[:limit].rstrip()


def storable(text: str) -> bool:
    """Whether every database can hold the text (no NUL, no lone surrogate)."""
    if "\x00" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
