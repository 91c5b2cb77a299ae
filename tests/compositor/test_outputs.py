"""Each kind of file."""

from __future__ import annotations

import itertools
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from parley.compositor import hls
from parley.compositor.plan import Moment, Output
from tests.compositor import recorded
from tests.compositor.composed import (
    at,
    camera_of,
    colour,
    compose,
    grid,
    is_like,
    loudness,
    microphone_of,
    person,
    pictures,
    plan,
    sound,
)
from tests.compositor.recorded import RED

Write = Callable[[str], Path]


@pytest.mark.parametrize(
    ("output", "formats", "video", "audio"),
    [
        ({"container": "mp4", "video": "h264"}, "mp4", "h264", "aac"),
        ({"container": "mp4", "video": "h264", "channels": 1}, "mp4", "h264", "aac"),
        ({"container": "webm", "video": "vp8"}, "webm", "vp8", "opus"),
        ({"container": "webm", "video": "vp9"}, "webm", "vp9", "opus"),
        ({"container": "webm", "channels": 1}, "webm", None, "opus"),
        ({"container": "mp3"}, "mp3", None, "mp3float"),
        ({"container": "mp3", "channels": 1, "audio_bitrate": 64_000}, "mp3", None, "mp3float"),
        ({"container": "m4a"}, "m4a", None, "aac"),
    ],
)
def test_file_has_its_codecs_and_channels(
    tmp_path: Path,
    camera: Write,
    microphone: Write,
    output: dict[str, object],
    formats: str,
    video: str | None,
    audio: str,
) -> None:
    path = tmp_path / "out.file"
    wanted = Output(path=path, **output)  # type: ignore[arg-type]
    tracks = [camera_of("ana", camera("ana")), microphone_of("ana", microphone("ana"))]
    (made,) = compose(plan(tmp_path, 2, people=[person("ana")], tracks=tracks, outputs=[wanted])).outputs
    with av.open(str(path)) as container:
        assert formats in container.format.name
        assert [stream.codec_context.name for stream in container.streams.video] == [video] * (
            video is not None
        )
        (stream,) = container.streams.audio
        assert stream.codec_context.name == audio
        assert (stream.rate, len(stream.layout.channels)) == (48_000, wanted.channels)
    assert abs(made.duration_ms - 2_000) <= 100
    assert made.size_bytes == path.stat().st_size
    assert loudness(sound(path), 400, 0.5, 1.5) > 0.1
    if video:
        shown = pictures(path)
        assert len(shown) == 30
        assert is_like(colour(shown[20], grid(1)[0]), RED)
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".file", ".mjr", ".mjr"]


def test_sound_of_mp4_has_384_kbit_per_second(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 3 * 48_000)
    sent = recorded.microphone(3, lambda at_s: noise[round(at_s[0] * 48_000) :][: len(at_s)])
    track = microphone_of("ana", recorded.write_track(tmp_path / "a.mjr", "opus", sent))
    compose(plan(tmp_path, 2.5, tracks=[track]))
    with av.open(str(tmp_path / "out.mp4")) as container:
        size = sum(packet.size for packet in container.demux(audio=0))
    assert 8 * size / 2.5 == pytest.approx(384_000, rel=0.3)  # on average, after a while


def test_several_files_are_made_at_once(tmp_path: Path, microphone: Write) -> None:
    outputs = [
        Output(path=tmp_path / "out.mp4", container="mp4", video="h264"),
        Output(path=tmp_path / "out.mp3", container="mp3"),
    ]
    tracks = [microphone_of("ana", microphone("ana"))]
    made = compose(plan(tmp_path, 1, people=[person("ana")], tracks=tracks, outputs=outputs))
    assert [one.path for one in made.outputs] == [one.path for one in outputs]
    assert all(loudness(sound(one.path), 400, 0.3, 0.8) > 0.1 for one in outputs)


def test_tracks_that_cannot_be_played_are_left_out(tmp_path: Path, microphone: Write) -> None:
    (tmp_path / "empty.mjr").touch()
    (tmp_path / "header.mjr").write_bytes(microphone("ben").read_bytes()[:40])
    tracks = [
        microphone_of("ana", microphone("ana")),
        microphone_of("ben", tmp_path / "empty.mjr"),
        camera_of("ben", tmp_path / "absent.mjr"),
        microphone_of("ben", tmp_path / "header.mjr"),
        camera_of("ana", microphone("chen")),
    ]
    made = compose(plan(tmp_path, 1, people=[person("ana")], tracks=tracks))
    assert [Path(one.path).name for one in made.skipped] == [
        "empty.mjr",
        "absent.mjr",
        "header.mjr",
        "chen-audio.mjr",
    ]
    assert all(one.reason for one in made.skipped)
    samples = sound(tmp_path / "out.mp4")
    assert loudness(samples, 400, 0.3, 0.8) > 0.1
    assert loudness(samples, 1_100, 0.3, 0.8) < 0.01


def test_file_that_a_crash_cut_off_is_played_until_there(tmp_path: Path, microphone: Write) -> None:
    path = microphone("ana")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3 + 5])
    compose(plan(tmp_path, 3, tracks=[microphone_of("ana", path)]))
    samples = sound(tmp_path / "out.mp4")
    assert abs(len(samples) / 48_000 - 3) < 0.1
    assert loudness(samples, 400, 0.2, 1.7) > 0.1
    assert loudness(samples, 400, 2.3, 2.9) < 0.01


def test_damaged_tracks_are_played_as_far_as_they_can_be(
    tmp_path: Path, camera: Write, microphone: Write
) -> None:
    chance = random.Random(5)
    for _ in range(8):
        for path in (camera("ana"), microphone("ana")):
            content = bytearray(path.read_bytes())
            for _ in range(chance.choice((1, 20, 400))):
                content[chance.randrange(150, len(content))] = chance.randrange(256)
            path.write_bytes(content)
        tracks = [
            camera_of("ana", tmp_path / "ana-video.mjr"),
            microphone_of("ana", tmp_path / "ana-audio.mjr"),
        ]
        (made,) = compose(plan(tmp_path, 2.5, people=[person("ana")], tracks=tracks)).outputs
        assert abs(made.duration_ms - 2_500) <= 100


def test_recording_in_which_nothing_was_sent_is_as_long_as_it_was(tmp_path: Path) -> None:
    (made,) = compose(plan(tmp_path, 2, people=[person("ana")])).outputs
    assert abs(made.duration_ms - 2_000) <= 100
    assert np.abs(sound(made.path)).max() == 0


def test_interactive_recording_is_a_playlist_with_timed_metadata(tmp_path: Path, microphone: Write) -> None:
    entries = [
        Moment(at=at(0.5), data='{"question":1}'),
        Moment(at=at(1.5), data="paused"),
        Moment(at=at(11), data="é"),
    ]
    output = Output(path=tmp_path / "out.tar", container="hls", video="h264", metadata=entries)
    made = compose(
        plan(
            tmp_path,
            12,
            spans=[(at(0), at(1)), (at(2), at(13.5))],
            people=[person("ana")],
            tracks=[microphone_of("ana", microphone("ana"))],
            outputs=[output],
        )
    )
    assert abs(made.outputs[0].duration_ms - 12_500) <= 100
    folder = tmp_path / "unpacked"
    with tarfile.open(tmp_path / "out.tar") as archive:
        safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # from Python 3.11.4 on
        archive.extractall(folder, **safely)
    lines = (folder / hls.PLAYLIST).read_text().splitlines()
    assert lines[-1] == "#EXT-X-ENDLIST"
    segments = [line for line in lines if not line.startswith("#")]
    assert sorted(path.name for path in folder.iterdir()) == sorted([hls.PLAYLIST, *segments])
    lengths = [float(line[8:].rstrip(",")) for line in lines if line.startswith("#EXTINF:")]
    assert lengths == pytest.approx([10, 2.5], abs=0.1)
    with av.open(str(folder / hls.PLAYLIST)) as container:
        video, data = container.streams.video[0], container.streams.data[0]
        start_s = (video.start_time or 0) * (video.time_base or 0)
        packets = [packet for packet in container.demux(data) if packet.pts is not None]
        found = [((one.pts or 0) * one.time_base - start_s, bytes(one)) for one in packets]
    assert [data for _, data in found] == [hls.tag('{"question":1}'), hls.tag("é")]
    assert [float(at_s) for at_s, _ in found] == pytest.approx([0.5, 10.0], abs=0.1)


def test_id3_tag_says_its_length() -> None:
    tag = hls.tag("x" * 300)
    size = 0
    for byte in tag[6:10]:
        size = size << 7 | byte
    assert (tag[:5], size) == (b"ID3\x04\x00", len(tag) - 10)
    assert tag[10:14] == b"TXXX"


def test_pictures_are_evenly_spaced(tmp_path: Path) -> None:
    compose(plan(tmp_path, 1, people=[person("ana")]))
    with av.open(str(tmp_path / "out.mp4")) as container:
        times = [frame.time for frame in container.decode(video=0)]
    steps = [b - a for a, b in itertools.pairwise(times)]
    assert steps == pytest.approx([1 / 15] * 14, abs=0.001)
