"""What to make of which files. Instants are milliseconds since 1970, colours `#rrggbb`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from parley.base.errors import Invalid

Span = tuple[int, int]
"""From, and up to but not including."""

Colour = Annotated[str, msgspec.Meta(pattern=r"^#[0-9a-fA-F]{6}$")]
Source = Literal["microphone", "camera", "screen", "screen_audio"]
Position = Literal["left top", "right top", "left bottom", "right bottom"]
Container = Literal["mp4", "webm", "mp3", "m4a", "hls"]
VideoCodec = Literal["h264", "vp8", "vp9"]
AudioCodec = Literal["aac", "opus", "mp3"]

AUDIO_OF: dict[Container, AudioCodec] = {
    "mp4": "aac",
    "webm": "opus",
    "mp3": "mp3",
    "m4a": "aac",
    "hls": "aac",
}
"""The sound each kind of file has."""
VIDEO_OF: dict[Container, tuple[VideoCodec, ...]] = {
    "mp4": ("h264",),
    "webm": ("vp8", "vp9"),
    "mp3": (),
    "m4a": (),
    "hls": ("h264",),
}
"""The pictures each kind of file may have."""


class _Part(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A misspelled key is an error, not a default."""


class Canvas(_Part, frozen=True, kw_only=True):
    """The picture of the outputs."""

    width: Annotated[int, msgspec.Meta(ge=2, le=1920)] = 1280
    """Pixels; an odd number becomes the next smaller even one (4:2:0 chroma)."""
    height: Annotated[int, msgspec.Meta(ge=2, le=1920)] = 720
    fps: Annotated[int, msgspec.Meta(ge=1, le=60)] = 30
    background: Colour = "#141414"
    tile: Colour = "#191919"
    text: Colour = "#eeeeee"
    brand: Colour = "#b56927"
    text_on_brand: Colour = "#eeeeee"
    radius: Annotated[int, msgspec.Meta(ge=0, le=64)] = 10
    """Of the corners of a tile, in pixels of a picture 720 high."""


class Person(_Part, frozen=True, kw_only=True):
    """Somebody with a tile while they are present."""

    peer_id: str
    name: str = ""
    picture: Path | None = None
    """An image for the avatar; initials when there is none or it cannot be read."""
    present: Sequence[Span]


class Track(_Part, frozen=True, kw_only=True):
    """One file written by Janus."""

    peer_id: str
    source: Source
    path: Path
    muted: Sequence[Span] = ()
    """Not heard (or seen) in between, although packets came."""
    ended_at: int | None = None
    """When the source was closed, where known; else its last packet says so."""


class Pin(_Part, frozen=True, kw_only=True):
    """From now on this person is shown large; nobody with null."""

    at: int
    peer_id: str | None = None


class Watermark(_Part, frozen=True, kw_only=True):
    """An image over the picture."""

    path: Path
    width: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Pixels; the natural size, or what keeps its proportions."""
    height: Annotated[int, msgspec.Meta(ge=1)] | None = None
    position: Position = "left top"


class Moment(_Part, frozen=True, kw_only=True):
    """One entry of timed metadata."""

    at: int
    data: str


class Output(_Part, frozen=True, kw_only=True):
    """One file to write."""

    path: Path
    """For `hls` a tar archive with the playlist `index.m3u8` and its segments."""
    container: Container
    video: VideoCodec | None = None
    """Null for a file with sound alone."""
    channels: Literal[1, 2] = 2
    video_bitrate: Annotated[int, msgspec.Meta(ge=50_000, le=20_000_000)] = 2_500_000
    """Bits per second, at most (on average for VP8 and VP9)."""
    audio_bitrate: Annotated[int, msgspec.Meta(ge=6_000, le=512_000)] | None = None
    """Bits per second; what suits the codec by default."""
    metadata: Sequence[Moment] = ()
    """Timed metadata (ID3), `hls` alone."""


class Plan(_Part, frozen=True, kw_only=True):
    """Everything there is to know."""

    canvas: Canvas = Canvas()
    spans: Annotated[Sequence[Span], msgspec.Meta(min_length=1)]
    """What was recorded, in order; pauses lie in between and are cut out."""
    people: Sequence[Person] = ()
    tracks: Sequence[Track] = ()
    pins: Sequence[Pin] = ()
    watermark: Watermark | None = None
    outputs: Annotated[Sequence[Output], msgspec.Meta(min_length=1)]


def write(plan: Plan) -> bytes:
    """The JSON document of a plan."""
    return msgspec.json.encode(plan, enc_hook=str)


def _decode(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str) and value:
        return Path(value)
    raise ValueError(f"Expected `{kind.__name__}`, got {value!r}")


def read(document: bytes) -> Plan:
    """The plan in a JSON document.

    Raises:
        Invalid: it is no plan, or contradicts itself.
    """
    try:
        plan = msgspec.json.decode(document, type=Plan, dec_hook=_decode)
    except msgspec.DecodeError as wrong:
        raise Invalid(f"The plan cannot be read: {wrong}") from wrong
    end = 0
    for number, (start, stop) in enumerate(plan.spans):
        if start < end or stop <= start:
            raise Invalid("Spans are in order, without overlap, and not empty.", field=f"spans[{number}]")
        end = stop
    for number, output in enumerate(plan.outputs):
        if output.video is None and output.container in ("mp4", "hls"):
            raise Invalid(f"{output.container} files have a picture.", field=f"outputs[{number}].video")
        if output.video is not None and output.video not in VIDEO_OF[output.container]:
            raise Invalid(
                f"{output.container} files have no {output.video}.", field=f"outputs[{number}].video"
            )
    if len({output.path for output in plan.outputs}) < len(plan.outputs):
        raise Invalid("Two outputs have the same path.", field="outputs")
    return plan
