"""Make the outputs of a plan."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from parley.compositor.audio import RATE, AudioSource, Samples
from parley.compositor.hls import Entry, HlsWriter
from parley.compositor.index import index
from parley.compositor.mjr import UnreadableTrack
from parley.compositor.painter import Painter
from parley.compositor.plan import Plan, Track
from parley.compositor.speaking import SpeakerFinder, level_db
from parley.compositor.stage import Playable, Stage
from parley.compositor.timeline import Timeline
from parley.compositor.writer import FileWriter, Writer, Written


class Skipped(NamedTuple):
    """A track that is not in the outputs."""

    path: str
    reason: str


class Result(NamedTuple):
    """What was made."""

    outputs: Sequence[Written]
    skipped: Sequence[Skipped]


def compose(plan: Plan, on_progress: Callable[[float], None]) -> Result:
    """Write every output of the plan.

    Args:
        plan: what to make.
        on_progress: told how much is done, 0 to 1, after every picture.

    Raises:
        OSError: an output cannot be written (the disk is full, ...); its temporary file is gone then.
    """
    timeline = Timeline(plan.spans)
    tracks, skipped = _playable(plan.tracks)
    writers: list[Writer] = []
    try:
        for output in plan.outputs:
            if output.container == "hls":
                moments = ((timeline.media_ms(moment.at), moment.data) for moment in output.metadata)
                entries = [Entry(at_ms, data) for at_ms, data in moments if at_ms is not None]
                writers.append(HlsWriter(output, plan.canvas, entries))
            else:
                writers.append(FileWriter(output, plan.canvas))
        _play(plan, timeline, tracks, writers, on_progress)
        made: list[Written] = []
        while writers:
            made.append(writers[0].finish())
            writers.pop(0)
        return Result(made, skipped)
    except BaseException:
        for writer in writers:
            writer.abort()
        raise


def _playable(tracks: Sequence[Track]) -> tuple[list[Playable], list[Skipped]]:
    found: list[Playable] = []
    skipped: list[Skipped] = []
    for track in tracks:
        try:
            indexed = index(track.path)
        except UnreadableTrack as reason:
            skipped.append(Skipped(str(track.path), str(reason)))
            continue
        wanted = "opus" if track.source in ("microphone", "screen_audio") else "vp8"
        if indexed.codec == wanted:
            found.append(Playable(track, indexed))
        else:
            skipped.append(Skipped(str(track.path), f"a {track.source} track is not in {indexed.codec}"))
    return found, skipped


class Mixer:
    """All sound together, and each person's level."""

    def __init__(self, tracks: Sequence[Playable]) -> None:
        self._sources = [
            (one.track.peer_id, one.track.source == "microphone", AudioSource(one.content, one.track.muted))
            for one in tracks
            if one.track.source in ("microphone", "screen_audio")
        ]

    def read(self, from_ms: float, count: int) -> tuple[Samples, dict[str, float]]:
        """So many samples from that instant of the wall clock on, and the levels of those who can be
        heard."""
        total: np.ndarray[tuple[int, int], np.dtype[np.int32]] = np.zeros((count, 2), np.int32)
        levels: dict[str, float] = {}
        for peer_id, is_microphone, source in self._sources:
            sound = source.read(from_ms, count)
            if sound is not None:
                total += sound
                if is_microphone:
                    levels[peer_id] = level_db(sound)
        self._sources = [one for one in self._sources if not one[2].is_over]
        return np.clip(total, -32768, 32767).astype(np.int16), levels

    def close(self) -> None:
        """Close the files."""
        for _, _, source in self._sources:
            source.close()


def _play(
    plan: Plan,
    timeline: Timeline,
    tracks: Sequence[Playable],
    writers: Sequence[Writer],
    on_progress: Callable[[float], None],
) -> None:
    """From the first picture to the last."""
    fps = plan.canvas.fps
    pictures = math.ceil(timeline.duration_ms * fps / 1000)
    samples = timeline.duration_ms * RATE // 1000
    painter = (
        Painter(plan.canvas, plan.people, plan.watermark)
        if any(output.video for output in plan.outputs)
        else None
    )
    stage, mixer, speaker = Stage(plan, tracks), Mixer(tracks), SpeakerFinder()
    try:
        for number in range(pictures):
            first, last = number * RATE // fps, min((number + 1) * RATE // fps, samples)
            for from_ms, count in timeline.pieces(first, last, RATE):
                sound, levels = mixer.read(from_ms, count)
                speaker.hear(levels, count * 1000 / RATE)
                for writer in writers:
                    writer.audio(sound)
            if painter is not None:
                now_ms = timeline.wall_ms(number * 1000 / fps)
                picture = painter.paint(stage.tiles(now_ms, speaker))
                for writer in writers:
                    writer.video(picture, number)
            on_progress((number + 1) / pictures)
    finally:
        stage.close()
        mixer.close()
