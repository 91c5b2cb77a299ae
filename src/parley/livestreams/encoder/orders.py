"""What the server and an encoder tell each other: JSON lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from parley.compositor.plan import Canvas, Source


class Begin(msgspec.Struct, frozen=True, tag="begin"):
    """First line to an encoder."""

    folder: Path
    """For the playlist and its segments; what lies there from before goes on."""
    canvas: Canvas
    bitrate: int
    """Bits per second of the picture, at most."""
    copy_to: str | None = None
    """URL of the server's that gets the same as FLV, for an RTMP server outside."""


class Feed(msgspec.Struct, frozen=True):
    """A stream that arrives."""

    ssrc: int
    """And the next two, for larger layers of the same picture (`media.ports.SendTransport.forward`)."""
    source: Source
    orientation: int | None = None
    """Number of the header extension with the video's orientation (3GPP TS 26.114, 7.4.5), if any."""


class Face(msgspec.Struct, frozen=True):
    """Somebody who is there."""

    peer_id: str
    name: str
    feeds: Sequence[Feed]
    picture: Path | None = None
    """An image for the avatar, as it was fetched: of any size, or none at all."""


class Scene(msgspec.Struct, frozen=True, tag="scene"):
    """Who is there now, in the order of coming, and what they send."""

    faces: Sequence[Face]
    pinned: str | None = None


Order = Begin | Scene


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The encoder takes packets on this UDP port of 127.0.0.1."""

    port: int


class Playable(msgspec.Struct, frozen=True, tag="playable"):
    """There is something to play."""


class KeyFrame(msgspec.Struct, frozen=True, tag="key_frame"):
    """A stream cannot be decoded without one."""

    ssrc: int


class Fatal(msgspec.Struct, frozen=True, tag="fatal"):
    """Why the encoder ends."""

    message: str


News = Ready | Playable | KeyFrame | Fatal

read_order = msgspec.json.Decoder(Order, dec_hook=lambda kind, value: kind(value)).decode
read_news = msgspec.json.Decoder(News).decode


def line(message: Order | News) -> bytes:
    """A message with the end of its line."""
    return msgspec.json.encode(message, enc_hook=str) + b"\n"
