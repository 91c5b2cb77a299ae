"""From what was noted of a recording to what the compositor shall make of it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from parley.base.times import to_ms
from parley.compositor import plan as c
from parley.recordings.model import FileRole, Moment, MomentKind, Recording, Track, TrackSource
from parley.recordings.naming import track_name, with_ending
from parley.recordings.settings import RecordingSettings

_HEX = re.compile(r"#[0-9a-fA-F]{6}")
_BITS_PER_PIXEL = 2_500_000 / (1280 * 720)


class Wanted(NamedTuple):
    """A file to be made, and what it is for."""

    role: FileRole
    name: str
    output: c.Output
    layer: str | None = None


class Noted(NamedTuple):
    """Everything that was written down of a recording."""

    recording: Recording
    settings: RecordingSettings
    tracks: Sequence[Track]
    moments: Sequence[Moment]


def spans(noted: Noted) -> list[c.Span]:
    """What was recorded, without pauses, up to the longest time that is allowed."""
    found: list[c.Span] = []
    since: int | None = None
    for moment in noted.moments:
        if moment.kind is MomentKind.CAPTURE and since is None:
            since = to_ms(moment.at)
        elif moment.kind is MomentKind.HALT and since is not None:
            found.append((since, to_ms(moment.at)))
            since = None
    stopped = noted.recording.stopped_at
    if since is not None and stopped is not None:
        found.append((since, to_ms(stopped)))
    kept: list[c.Span] = []
    left = noted.settings.max_seconds * 1000
    for start, end in found:
        start = max(start, kept[-1][1] if kept else 0)
        end = min(end, start + left)
        if end > start:
            kept.append((start, end))
            left -= end - start
    return kept


def composite(noted: Noted, captures: Path, folder: Path, pictures: Mapping[str, Path]) -> c.Plan:
    """One picture with everybody, and what else is wanted of it.

    Args:
        noted: what happened.
        captures: where the engine wrote.
        folder: where the results go, under the names of `wanted`.
        pictures: avatars that could be had, by URL, and the watermark's.
    """
    settings = noted.settings
    watermark = settings.video_config.watermark
    picture = None if watermark is None or watermark.url is None else pictures.get(watermark.url)
    return c.Plan(
        canvas=_canvas(noted),
        spans=spans(noted),
        people=_people(noted, pictures),
        tracks=_tracks(noted.tracks, captures),
        pins=[
            c.Pin(at=to_ms(moment.at), peer_id=moment.payload.get("peer_id"))
            for moment in noted.moments
            if moment.kind is MomentKind.PIN
        ],
        watermark=(
            None
            if watermark is None or picture is None
            else c.Watermark(
                path=picture,
                width=watermark.size.width,
                height=watermark.size.height,
                position=watermark.position,
            )
        ),
        outputs=[each.output for each in wanted(noted, folder)],
    )


def wanted(noted: Noted, folder: Path) -> list[Wanted]:
    """The files of a composite recording."""
    settings, name = noted.settings, noted.recording.file_name
    video, audio = settings.video_config, settings.audio_config
    channels: Literal[1, 2] = 1 if audio.channel == "mono" else 2
    rate = int(min(20_000_000, max(200_000, _BITS_PER_PIXEL * video.width * video.height)))
    made: list[Wanted] = []
    if settings.is_interactive:
        metadata = [
            c.Moment(at=to_ms(moment.at), data=moment.payload["data"])
            for moment in noted.moments
            if moment.kind is MomentKind.METADATA
        ]
        hls = c.Output(
            path=folder / name,
            container="hls",
            video="h264",
            channels=channels,
            video_bitrate=rate,
            metadata=metadata,
        )
        made.append(Wanted(FileRole.VIDEO, name, hls))
    elif video.export_file:
        file = c.Output(
            path=folder / name,
            container="mp4" if video.codec == "H264" else "webm",
            video=_CODECS[video.codec],
            channels=channels,
            video_bitrate=rate,
            audio_bitrate=384_000 if video.codec == "H264" and channels == 2 else None,
        )
        made.append(Wanted(FileRole.VIDEO, name, file))
    if audio.export_file:
        ending = settings.audio_ending
        sound = with_ending(name, ending)
        if made and sound == name:  # VP8 and VP9: both are WebM
            sound = with_ending(name, f"audio.{ending}")
        kind = _CONTAINERS[ending]
        made.append(
            Wanted(FileRole.AUDIO, sound, c.Output(path=folder / sound, container=kind, channels=channels))
        )
    return made


def tracks(noted: Noted, captures: Path, folder: Path) -> list[tuple[Wanted, c.Plan]]:
    """One sound file for each peer of a track recording, each as long as the recording."""
    of_peer: dict[str, list[Track]] = defaultdict(list)
    for track in noted.tracks:
        if track.source is TrackSource.MICROPHONE:
            of_peer[track.peer_id].append(track)
    made = []
    for layer, prefix in (noted.settings.layers or {"default": None}).items():
        for peer_id, parts in of_peer.items():
            name = track_name(prefix, parts[0].participant_id, peer_id, parts[0].started_at)
            output = c.Output(path=folder / name, container="webm", channels=2)
            plan = c.Plan(spans=spans(noted), tracks=_tracks(parts, captures), outputs=[output])
            made.append((Wanted(FileRole.TRACK, name, output, layer), plan))
    return made


_CODECS: dict[str, c.VideoCodec] = {"H264": "h264", "VP8": "vp8", "VP9": "vp9"}
_CONTAINERS: dict[str, c.Container] = {"m4a": "m4a", "mp3": "mp3", "webm": "webm"}


def _canvas(noted: Noted) -> c.Canvas:
    """The colours are those of the preset of whoever came first."""
    first: dict[str, Any] = next(
        (m.payload.get("colours") or {} for m in noted.moments if m.kind is MomentKind.JOIN), {}
    )
    colours = {
        name: value for name, value in first.items() if name in _COLOURS and _HEX.fullmatch(str(value))
    }
    video = noted.settings.video_config
    return c.Canvas(width=max(2, video.width), height=max(2, video.height), **colours)


_COLOURS = ("background", "tile", "text", "brand", "text_on_brand")


def _people(noted: Noted, pictures: Mapping[str, Path]) -> list[c.Person]:
    end = to_ms(noted.recording.stopped_at or noted.recording.updated_at)
    labels: dict[str, dict[str, Any]] = {}
    since: dict[str, int] = {}
    present: dict[str, list[c.Span]] = defaultdict(list)
    for moment in noted.moments:
        peer_id = moment.payload.get("peer_id")
        if moment.kind is MomentKind.JOIN and peer_id:
            labels[peer_id] = moment.payload
            since.setdefault(peer_id, to_ms(moment.at))
        elif moment.kind is MomentKind.LEAVE and peer_id in since:
            present[peer_id].append((since.pop(peer_id), to_ms(moment.at)))
    for peer_id, start in since.items():
        present[peer_id].append((start, end))
    return [
        c.Person(
            peer_id=peer_id,
            name=label.get("name") or "",
            picture=pictures.get(label.get("picture") or ""),
            present=[span for span in present[peer_id] if span[1] > span[0]],
        )
        for peer_id, label in labels.items()
    ]


def _tracks(rows: Sequence[Track], captures: Path) -> list[c.Track]:
    """A file may hold a stream with silences in which it was muted, or one stream after another."""
    windows: dict[tuple[str, str, TrackSource], list[tuple[int, int | None]]] = defaultdict(list)
    for row in rows:
        stopped = None if row.stopped_at is None else to_ms(row.stopped_at)
        windows[row.file_name, row.peer_id, row.source].append((to_ms(row.started_at), stopped))
    made = []
    for (file_name, peer_id, source), open_for in windows.items():
        muted: list[c.Span] = []
        silent_from = 0
        for start, stop in sorted(open_for, key=lambda window: window[0]):
            if start > silent_from:
                muted.append((silent_from, start))
            silent_from = max(silent_from, _FOREVER if stop is None else stop)
        made.append(
            c.Track(
                peer_id=peer_id,
                source=source.value,
                path=captures / file_name,
                muted=muted,
                ended_at=None if silent_from >= _FOREVER else silent_from,
            )
        )
    return made


_FOREVER = 1 << 60
