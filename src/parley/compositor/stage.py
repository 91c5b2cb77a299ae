"""Who and what is to be seen at an instant."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from av.video.frame import VideoFrame

from parley.compositor import layout
from parley.compositor.index import TrackIndex
from parley.compositor.layout import Rect
from parley.compositor.plan import Person, Plan, Track
from parley.compositor.video import VideoSource

_HEARD_MS = 1_000.0
"""A microphone counts as switched on for so long after its last packet."""
_MOST_SCREENS = 2
"""Shared at once and shown large."""


class Playable(NamedTuple):
    """A track of the plan that has something in it."""

    track: Track
    content: TrackIndex

    @property
    def until_ms(self) -> float:
        """When it ended."""
        return self.content.last_ms if self.track.ended_at is None else float(self.track.ended_at)

    def is_over(self, now_ms: float) -> bool:
        """Whether nothing of it is to come."""
        return now_ms > self.until_ms + _HEARD_MS

    def covers(self, now_ms: float) -> bool:
        """Whether it is on at that instant."""
        is_on = self.content.first_ms <= now_ms and not self.is_over(now_ms)
        return is_on and not any(start <= now_ms < stop for start, stop in self.track.muted)


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


class Stage:
    """Follows people and tracks; asked forwards in time only."""

    def __init__(self, plan: Plan, tracks: Sequence[Playable]) -> None:
        self._canvas = plan.canvas
        self._people = [person for person in plan.people if person.present]
        self._people.sort(key=lambda person: person.present[0][0])
        self._names = {person.peer_id: person.name for person in self._people}
        self._pins = sorted(plan.pins, key=lambda pin: pin.at)
        self._microphones: dict[str, list[Playable]] = {}
        self._cameras: dict[str, list[tuple[Playable, VideoSource]]] = {}
        self._screens: list[tuple[Playable, VideoSource]] = []
        for one in sorted(tracks, key=lambda one: one.content.first_ms):
            peer_id = one.track.peer_id
            match one.track.source:
                case "microphone":
                    self._microphones.setdefault(peer_id, []).append(one)
                case "camera":
                    self._cameras.setdefault(peer_id, []).append((one, VideoSource(one.content)))
                case "screen":
                    self._screens.append((one, VideoSource(one.content, holds_until_ms=one.until_ms)))
                case _:
                    pass

    def tiles(self, now_ms: float, *, active: str | None, talking: str | None) -> list[Tile]:
        """What is to be seen; the videos in it stand at that instant.

        Args:
            now_ms: the instant, wall clock.
            active: who spoke last, and therefore has a place.
            talking: who is marked as talking.
        """
        present = [p for p in self._people if any(start <= now_ms < stop for start, stop in p.present)]
        screens = self._shared(now_ms)
        pinned = self._pinned(now_ms, present)
        if screens:
            people = sorted(present, key=lambda person: person is not pinned)
        else:
            people = [person for person in present if person is not pinned]
        canvas = self._canvas
        large = len(screens) or int(pinned is not None)
        found = layout.arrange(
            layout.even(canvas.width), layout.even(canvas.height), large=large, people=len(people)
        )
        tiles = [
            Tile(rect, track.track.peer_id, self._title(track.track.peer_id), True, False, False, video)
            for rect, (track, video) in zip(found.large, screens, strict=False)
        ]
        chosen = self._chosen(people, len(found.tiles), active, now_ms)
        if not screens and pinned is not None:
            tiles.append(self._person(found.large[0], pinned, now_ms, talking))
        tiles += [self._person(r, p, now_ms, talking) for r, p in zip(found.tiles, chosen, strict=True)]
        return tiles

    def close(self) -> None:
        """Close the files."""
        for cameras in self._cameras.values():
            for _, video in cameras:
                video.close()
        for _, video in self._screens:
            video.close()

    def _shared(self, now_ms: float) -> list[tuple[Playable, VideoSource]]:
        """The screens shared last."""
        shown = []
        for playable, video in self._screens:
            if playable.covers(now_ms):
                video.advance(now_ms)
                if video.is_shown:
                    shown.append((playable, video))
        return shown[-_MOST_SCREENS:]

    def _title(self, peer_id: str) -> str:
        name = self._names.get(peer_id, "")
        return f"{name} (screen)" if name else "Screen"

    def _pinned(self, now_ms: float, present: Sequence[Person]) -> Person | None:
        place = bisect.bisect_right(self._pins, now_ms, key=lambda pin: pin.at)
        peer_id = self._pins[place - 1].peer_id if place else None
        return next((person for person in present if person.peer_id == peer_id), None)

    def _chosen(
        self, people: Sequence[Person], room: int, active: str | None, now_ms: float
    ) -> Sequence[Person]:
        """Who has a place: all, or first those with a camera; the speaker always."""
        if len(people) <= room:
            return people
        by_camera = sorted(people, key=lambda person: self._camera(person.peer_id, now_ms) is None)
        chosen = by_camera[:room]
        speaker = next((person for person in people if person.peer_id == active), None)
        if speaker is not None and speaker not in chosen:
            chosen[-1] = speaker
        places = {person.peer_id: place for place, person in enumerate(people)}
        return sorted(chosen, key=lambda person: places[person.peer_id])

    def _camera(self, peer_id: str, now_ms: float) -> VideoSource | None:
        """Of the cameras that are on, the one switched on last."""
        cameras = self._cameras.get(peer_id, [])
        for place in reversed(range(len(cameras))):
            playable, video = cameras[place]
            if playable.covers(now_ms):
                return video
            if playable.is_over(now_ms):
                video.close()
                del cameras[place]
        return None

    def _person(self, rect: Rect, person: Person, now_ms: float, talking: str | None) -> Tile:
        video = self._camera(person.peer_id, now_ms)
        if video is not None:
            video.advance(now_ms)
        is_heard = any(one.covers(now_ms) for one in self._microphones.get(person.peer_id, ()))
        return Tile(
            rect,
            person.peer_id,
            person.name,
            False,
            not is_heard,
            person.peer_id == talking,
            video if video is not None and video.is_shown else None,
        )
