"""From a running meeting to what an encoder shows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from parley.compositor.plan import Canvas, Source
from parley.livestreams.model import StreamSettings
from parley.meetings.ports import Publisher, Stream

_HEX = re.compile(r"#[0-9a-fA-F]{6}")
_COLOURS = ("background", "tile", "text", "brand", "text_on_brand")
_SOURCES: dict[tuple[str, bool], Source] = {
    ("audio", False): "microphone",
    ("audio", True): "screen_audio",
    ("video", False): "camera",
    ("video", True): "screen",
}


def source_of(stream: Stream) -> Source:
    """What a stream shows or lets hear."""
    return _SOURCES[stream.kind, stream.is_screen_share]


def canvas_of(settings: StreamSettings, people: Sequence[Publisher]) -> Canvas:
    """The colours are those of the preset of whoever is there first."""
    colours = dict(people[0].colours) if people else {}
    known: dict[str, Any] = {
        name: value for name, value in colours.items() if name in _COLOURS and _HEX.fullmatch(str(value))
    }
    return Canvas(width=max(2, settings.width), height=max(2, settings.height), **known)
