"""Who is seen where, and what is heard, of a meeting that goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from parley.compositor import layout
from parley.compositor.audio import RATE, Samples
from parley.compositor.plan import Canvas
from parley.compositor.rtp import Packet
from parley.compositor.speaking import SpeakerFinder, level_db
from parley.compositor.stage import Tile
from parley.livestreams.encoder.orders import Face, Feed, Scene
from parley.livestreams.encoder.sources import LiveAudio, LiveVideo

_MOST_SCREENS = 2


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
        self._width, self._height = layout.even(canvas.width), layout.even(canvas.height)
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
        """What is to be seen at that instant; arranged as in a recording (`compositor.stage`)."""
        for player in self._players.values():
            if isinstance(player.media, LiveVideo):
                player.media.advance(now_ms)
        faces = list(self._scene.faces)
        screens = [
            (face, video)
            for face in faces
            for video in self._videos(face.peer_id, "screen")
            if video.is_shown
        ][-_MOST_SCREENS:]
        pinned = next((face for face in faces if face.peer_id == self._scene.pinned), None)
        if screens:
            faces.sort(key=lambda face: face is not pinned)
        elif pinned is not None:
            faces.remove(pinned)
        found = layout.arrange(
            self._width,
            self._height,
            large=len(screens) or int(pinned is not None),
            people=len(faces),
        )
        tiles = [
            Tile(rect, face.peer_id, _title(face), True, False, False, video)
            for rect, (face, video) in zip(found.large, screens, strict=False)
        ]
        if not screens and pinned is not None:
            tiles.append(self._tile(found.large[0], pinned, now_ms))
        chosen = self._chosen(faces, len(found.tiles))
        return tiles + [self._tile(r, face, now_ms) for r, face in zip(found.tiles, chosen, strict=True)]

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

    def _camera(self, peer_id: str) -> LiveVideo | None:
        return next((video for video in reversed(self._videos(peer_id, "camera")) if video.is_shown), None)

    def _chosen(self, faces: Sequence[Face], room: int) -> Sequence[Face]:
        """Who has a place: all, or first those with a camera; the speaker always."""
        if len(faces) <= room:
            return faces
        chosen = sorted(faces, key=lambda face: self._camera(face.peer_id) is None)[:room]
        speaker = next((face for face in faces if face.peer_id == self._speaker.active), None)
        if chosen and speaker is not None and speaker not in chosen:
            chosen[-1] = speaker
        return [face for face in faces if face in chosen]

    def _tile(self, rect: layout.Rect, face: Face, now_ms: float) -> Tile:
        microphones = [
            player.media
            for player in self._players.values()
            if player.peer_id == face.peer_id and player.source == "microphone"
        ]
        is_heard = any(isinstance(each, LiveAudio) and each.is_on(now_ms) for each in microphones)
        is_talking = face.peer_id == self._speaker.talking
        return Tile(
            rect, face.peer_id, face.name, False, not is_heard, is_talking, self._camera(face.peer_id)
        )


def _title(face: Face) -> str:
    return f"{face.name} (screen)" if face.name else "Screen"


def _new_player(peer_id: str, feed: Feed, layer: int) -> _Player:
    media: LiveAudio | LiveVideo = LiveAudio()
    if feed.source in ("camera", "screen"):
        media = LiveVideo(holds=feed.source == "screen", is_first=layer == 0)
    return _Player(peer_id, feed.source, media, feed.ssrc)
