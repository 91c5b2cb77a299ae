"""Who is seen where, and what is heard, of a meeting that goes on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from parley.compositor.audio import RATE, Samples
from parley.compositor.plan import Canvas
from parley.compositor.rtp import Packet
from parley.compositor.seating import Screen, Tile, seat
from parley.compositor.speaking import SpeakerFinder, level_db
from parley.livestreams.encoder.orders import Feed, Scene
from parley.livestreams.encoder.sources import LiveAudio, LiveVideo

_LAYERS = 3
_AS_FRESH_MS = 500.0
"""A larger layer is taken unless its picture is older than that of a smaller one by this."""


class _Player(NamedTuple):
    peer_id: str
    source: str
    media: LiveAudio | LiveVideo
    ssrc: int
    """Of the stream, whose layers have the next numbers."""


class LiveStage:
    """Follows the scenes it is told."""

    def __init__(self, canvas: Canvas) -> None:
        self._canvas = canvas
        self._scene = Scene(())
        self._players: dict[int, _Player] = {}
        """By SSRC."""
        self._speaker = SpeakerFinder()

    def set(self, scene: Scene) -> None:
        """This is how it is from now on; streams that stay go on without a gap."""
        players: dict[int, _Player] = {}
        for face in scene.faces:
            for feed in face.feeds:
                for layer in range(_LAYERS if feed.source in ("camera", "screen") else 1):
                    known = self._players.get(feed.ssrc + layer)
                    players[feed.ssrc + layer] = known or _new_player(face.peer_id, feed, layer)
        self._scene, self._players = scene, players

    def push(self, arrived_ms: float, packet: Packet) -> None:
        """A packet from the media engine; of streams that are gone nothing is kept."""
        player = self._players.get(packet.ssrc)
        if player is not None:
            player.media.jitter.push(arrived_ms, packet)

    def without_key_frame(self, now_ms: float) -> list[int]:
        """Streams that cannot be shown before they send one."""
        stuck = {
            player.ssrc
            for player in self._players.values()
            if isinstance(player.media, LiveVideo) and player.media.needs_key_frame(now_ms)
        }
        return sorted(stuck)

    def sound(self, from_ms: float, count: int) -> Samples:
        """Everybody together, for so many samples from that instant on."""
        total: np.ndarray[tuple[int, int], np.dtype[np.int32]] = np.zeros((count, 2), np.int32)
        levels: dict[str, float] = {}
        for player in self._players.values():
            if isinstance(player.media, LiveAudio):
                sound = player.media.read(from_ms, count)
                if sound is not None:
                    total += sound
                    if player.source == "microphone":
                        levels[player.peer_id] = level_db(sound)
        self._speaker.hear(levels, count * 1000 / RATE)
        return np.clip(total, -32768, 32767).astype(np.int16)

    def tiles(self, now_ms: float) -> list[Tile]:
        """What is to be seen at that instant; arranged as in a recording."""
        for player in self._players.values():
            if isinstance(player.media, LiveVideo):
                player.media.advance(now_ms)
        screens = [
            Screen(face.peer_id, face.name, video)
            for face in self._scene.faces
            for video in self._videos(face.peer_id, "screen")
            if video.is_shown
        ]
        sent = _Sent(self, now_ms)
        return seat(
            self._canvas, self._scene.faces, screens, sent, pinned=self._scene.pinned, speaker=self._speaker
        )

    def _videos(self, peer_id: str, source: str) -> list[LiveVideo]:
        """Of each stream the best layer."""
        best: dict[int, LiveVideo] = {}
        for player in self._players.values():  # smaller layers come first
            video = player.media
            if player.peer_id == peer_id and player.source == source and isinstance(video, LiveVideo):
                other = best.get(player.ssrc)
                if other is None or (video.is_shown and video.frame_ms > other.frame_ms - _AS_FRESH_MS):
                    best[player.ssrc] = video
        return list(best.values())

    def camera(self, peer_id: str) -> LiveVideo | None:
        """The picture of whoever it is, of the camera switched on last."""
        return next((video for video in reversed(self._videos(peer_id, "camera")) if video.is_shown), None)

    def is_heard(self, peer_id: str, now_ms: float) -> bool:
        """Whether a microphone is on."""
        return any(
            player.media.is_on(now_ms)
            for player in self._players.values()
            if player.peer_id == peer_id
            and player.source == "microphone"
            and isinstance(player.media, LiveAudio)
        )


class _Sent(NamedTuple):
    """What people send at an instant (`seating.Sending`)."""

    stage: LiveStage
    now_ms: float

    def has_camera(self, peer_id: str) -> bool:
        return self.camera(peer_id) is not None

    def camera(self, peer_id: str) -> LiveVideo | None:
        return self.stage.camera(peer_id)

    def is_heard(self, peer_id: str) -> bool:
        return self.stage.is_heard(peer_id, self.now_ms)


def _new_player(peer_id: str, feed: Feed, layer: int) -> _Player:
    media: LiveAudio | LiveVideo = LiveAudio()
    if feed.source in ("camera", "screen"):
        media = LiveVideo(holds=feed.source == "screen", is_first=layer == 0, orientation=feed.orientation)
    return _Player(peer_id, feed.source, media, feed.ssrc)
