"""Who and what is to be seen at an instant."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import NamedTuple

from parley.compositor.index import TrackIndex
from parley.compositor.plan import Plan, Track
from parley.compositor.seating import Screen, Tile, seat
from parley.compositor.speaking import SpeakerFinder
from parley.compositor.video import VideoSource

_HEARD_MS = 1_000.0
"""A microphone counts as switched on for so long after its last packet."""


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

    def tiles(self, now_ms: float, speaker: SpeakerFinder) -> list[Tile]:
        """What is to be seen; the videos in it stand at that instant of the wall clock."""
        present = [p for p in self._people if any(start <= now_ms < stop for start, stop in p.present)]
        return seat(
            self._canvas,
            present,
            self._shared(now_ms),
            _Sent(self, now_ms),
            pinned=self._pinned(now_ms),
            speaker=speaker,
        )

    def close(self) -> None:
        """Close the files."""
        for cameras in self._cameras.values():
            for _, video in cameras:
                video.close()
        for _, video in self._screens:
            video.close()

    def _shared(self, now_ms: float) -> list[Screen]:
        shown = []
        for playable, video in self._screens:
            if playable.covers(now_ms):
                video.advance(now_ms)
                if video.is_shown:
                    peer_id = playable.track.peer_id
                    shown.append(Screen(peer_id, self._names.get(peer_id, ""), video))
        return shown

    def _pinned(self, now_ms: float) -> str | None:
        place = bisect.bisect_right(self._pins, now_ms, key=lambda pin: pin.at)
        return self._pins[place - 1].peer_id if place else None

    def is_heard(self, peer_id: str, now_ms: float) -> bool:
        """Whether a microphone is on."""
        return any(one.covers(now_ms) for one in self._microphones.get(peer_id, ()))

    def camera(self, peer_id: str, now_ms: float) -> VideoSource | None:
        """Of the cameras that are on, the one switched on last; not brought to the instant yet."""
        cameras = self._cameras.get(peer_id, [])
        for place in reversed(range(len(cameras))):
            playable, video = cameras[place]
            if playable.covers(now_ms):
                return video
            if playable.is_over(now_ms):
                video.close()
                del cameras[place]
        return None


class _Sent(NamedTuple):
    """What people send at an instant (`seating.Sending`)."""

    stage: Stage
    now_ms: float

    def has_camera(self, peer_id: str) -> bool:
        return self.stage.camera(peer_id, self.now_ms) is not None

    def camera(self, peer_id: str) -> VideoSource | None:
        video = self.stage.camera(peer_id, self.now_ms)
        if video is not None:
            video.advance(self.now_ms)
        return video if video is not None and video.is_shown else None

    def is_heard(self, peer_id: str) -> bool:
        return self.stage.is_heard(peer_id, self.now_ms)
