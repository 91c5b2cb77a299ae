"""Who and what gets which place in the picture of an instant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeVar

from av.video.frame import VideoFrame

from parley.compositor import layout
from parley.compositor.layout import Rect
from parley.compositor.plan import Canvas
from parley.compositor.speaking import SpeakerFinder

MOST_SCREENS = 2
"""Shared at once and shown large: those shared last."""


class Video(Protocol):
    """What moves in a tile."""

    @property
    def frame(self) -> VideoFrame | None:
        """The picture of the instant."""

    @property
    def rotation(self) -> int:
        """Degrees clockwise by which it has to be turned."""

    @property
    def version(self) -> int:
        """Grows with every picture."""


class Tile(NamedTuple):
    """One rectangle of the picture. Equal tiles look equal, but for what moves in the video."""

    rect: Rect
    peer_id: str
    name: str
    is_screen: bool
    is_muted: bool
    is_talking: bool
    video: Video | None
    """An avatar without."""


class Screen(NamedTuple):
    """Something shared."""

    peer_id: str
    name: str
    """Of who shares it."""
    video: Video


class Guest(Protocol):
    """Somebody with a tile."""

    @property
    def peer_id(self) -> str:
        """Who."""

    @property
    def name(self) -> str:
        """As it is shown."""


class Sending(Protocol):
    """What people send at the instant."""

    def has_camera(self, peer_id: str) -> bool:
        """Whether a camera is on."""

    def camera(self, peer_id: str) -> Video | None:
        """Its picture of the instant, if it is fresh enough; asked for who has a place only."""

    def is_heard(self, peer_id: str) -> bool:
        """Whether a microphone is on."""


G = TypeVar("G", bound=Guest)


def seat(
    canvas: Canvas,
    people: Sequence[G],
    screens: Sequence[Screen],
    sending: Sending,
    *,
    pinned: str | None,
    speaker: SpeakerFinder,
) -> list[Tile]:
    """The tiles of an instant, what is large first.

    Args:
        canvas: its size.
        people: everybody who is there, in the order of coming.
        screens: what is shared, in the order of beginning.
        sending: what else they send.
        pinned: who is to be large, if they are there; a shared screen takes that place.
        speaker: has a place, and is marked while talking.
    """
    screens = screens[-MOST_SCREENS:]
    star = next((guest for guest in people if guest.peer_id == pinned), None)
    if screens:
        people = sorted(people, key=lambda guest: guest is not star)
    else:
        people = [guest for guest in people if guest is not star]
    found = layout.arrange(
        layout.even(canvas.width),
        layout.even(canvas.height),
        large=len(screens) or int(star is not None),
        people=len(people),
    )
    tiles = [
        Tile(rect, screen.peer_id, _title(screen.name), True, False, False, screen.video)
        for rect, screen in zip(found.large, screens, strict=False)
    ]
    if star is not None and not screens:
        tiles.append(_person(found.large[0], star, sending, speaker))
    chosen = _chosen(people, len(found.tiles), sending, speaker)
    tiles += [_person(rect, g, sending, speaker) for rect, g in zip(found.tiles, chosen, strict=True)]
    return tiles


def _title(name: str) -> str:
    return f"{name} (screen)" if name else "Screen"


def _chosen(people: Sequence[G], room: int, sending: Sending, speaker: SpeakerFinder) -> Sequence[G]:
    """Who has a place: all, or first those with a camera; the speaker always."""
    if len(people) <= room:
        return people
    chosen = sorted(people, key=lambda guest: not sending.has_camera(guest.peer_id))[:room]
    active = next((guest for guest in people if guest.peer_id == speaker.active), None)
    if chosen and active is not None and active not in chosen:
        chosen[-1] = active
    places = {guest.peer_id for guest in chosen}
    return [guest for guest in people if guest.peer_id in places]


def _person(rect: Rect, guest: Guest, sending: Sending, speaker: SpeakerFinder) -> Tile:
    return Tile(
        rect,
        guest.peer_id,
        guest.name,
        is_screen=False,
        is_muted=not sending.is_heard(guest.peer_id),
        is_talking=guest.peer_id == speaker.talking,
        video=sending.camera(guest.peer_id),
    )
