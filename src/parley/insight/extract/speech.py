"""What only fills pauses, by language: `um` is a filler in English and a word in German."""

from __future__ import annotations

import re
from operator import eq
from typing import NamedTuple

_STUTTER = re.compile(r"\b([^\W\d_]+)(?:[ ,]+\1\b)+", re.IGNORECASE)
KEEP_WORDS = 4
"""An opening is only left out while so many words remain."""


class Fillers(NamedTuple):
    """Of one language."""

    sound: re.Pattern[str]
    """Anywhere; not in capitals: ER is a place."""
    opening: re.Pattern[str] | None
    """At the beginning."""
    aside: re.Pattern[str] | None = None
    """Anywhere."""


def _fillers(sounds: str, openings: str, asides: str = "") -> Fillers:
    return Fillers(
        re.compile(rf"(?<![\w'\u2019-])(?:{sounds})(?![\w'\u2019-])[ ,.…]*"),
        re.compile(rf"^(?:(?:{openings})(?:[ ,.;:…]+|$))+", re.IGNORECASE) if openings else None,
        re.compile(rf",?\s*\b(?:{asides})\b,?(?=\s|$)", re.IGNORECASE) if asides else None,
    )


_BY_LANGUAGE: dict[str | None, Fillers] = {
    "en": _fillers(
        r"[Uu]m+|[Uu]h+|[Uu]hm+|[Ee]r+m*|[Ee]h+m*|[Hh]mm+|[Mm]m+-hmm*",
        r"so(?! far\b| that\b| much\b| many\b| long\b| called\b)|now(?! that\b)|right(?=[ ]?[,.;])|and|but"
        r"|well|okay|ok|yeah|yes|oh|anyway|alright|all right|you know|i mean",
        r"you know|i mean",
    ),
    "de": _fillers(r"[ÄäEe]hm*|[Hh]m+", r"und|aber|ja|naja|tja|also|okay|ok"),
    "fr": _fillers(r"[Ee]uh+|[Hh]um+|[Hh]m+", r"et|mais|oui|donc|alors|bon|ben|okay|ok"),
    "es": _fillers(r"[Ee]h+m*|[Ee]mm+", r"y|pero|sí|entonces|pues|bueno|okay|ok"),
    "it": _fillers(r"[Ee]hm+|[Mm]h+", r"e|ma|sì|allora|dunque|quindi|okay|ok"),
    "pt": _fillers(r"[Hh]um+|[Ee]h+", r"e|mas|sim|então|bem|okay|ok"),
    "nl": _fillers(r"[EeUu]h+m*", r"en|maar|ja|dus|nou|okay|ok"),
    None: _fillers(r"[Uu]h+m*|[Ee]hm+|[Hh]mm+", ""),
}


def without_fillers(text: str, spoken: str | None) -> str:
    """The text less fillers, repeated words and openings; all other words stay, in their order."""
    fillers = _BY_LANGUAGE[spoken]
    text = fillers.sound.sub("", text)
    if _stutters(text.casefold().split()):
        text = _STUTTER.sub(r"\1", text)
    bare = fillers.opening.sub("", text) if fillers.opening is not None else text
    if fillers.aside is not None:
        bare = fillers.aside.sub("", bare)
    return bare if bare.count(" ") + 1 >= KEEP_WORDS else text


def _stutters(parts: list[str]) -> bool:
    bare = [part.rstrip(",") for part in parts]
    return any(map(eq, bare, bare[1:]))
