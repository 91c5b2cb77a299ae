"""What participants publish, checked by decoding it."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from parley.headless.errors import CannotJoin
from parley.headless.picture import encode_picture, plain
from parley.headless.sources import EncodedLoop, encode_tone, file_source, tone_hz
from tests.headless.tones import RATE, mono, strength


def is_key(packet: bytes) -> bool:
    return not packet[0] & 1  # RFC 7741 section 4.3: inverse key frame flag


def test_tone_has_its_frequency_across_the_seam_of_the_loop():
    packets = encode_tone(tone_hz(3))
    decoder = av.CodecContext.create("libopus", "r")

    frames = [frame for packet in packets * 2 for frame in decoder.decode(av.Packet(packet))]

    seam = mono(frames)[45 * 960 : 55 * 960]
    assert strength(seam, tone_hz(3)) > 0.97
    assert strength(seam, tone_hz(4)) < 0.02


def test_tones_of_participants_differ():
    assert len({tone_hz(index) for index in range(40)}) == 40


def test_picture_has_key_frames_where_promised_and_decodes_to_its_size():
    packets = encode_picture("Zoë", 1, frames=8, frames_per_s=4, key_every=4)
    decoder = av.CodecContext.create("vp8", "r")

    frames = [frame for packet in packets for frame in decoder.decode(av.Packet(packet))]

    assert [is_key(packet) for packet in packets] == [True, False, False, False] * 2
    assert {(frame.width, frame.height) for frame in frames} == {(320, 180)}


def test_pictures_of_different_names_differ():
    one, other = (
        encode_picture(name, 0, frames=1, frames_per_s=1, key_every=1)[0] for name in ("ANN", "BOB")
    )

    assert one != other


def test_name_is_written_in_the_letters_there_are():
    assert plain("Zoë 3 & 李") == "ZOE 3 ? ?"


async def test_key_frame_comes_when_asked_for_but_not_right_after_another():
    clip = [b"K", *[b"d"] * 399, b"k", *[b"d"] * 399]
    track = EncodedLoop("video", clip, packets_per_s=1000, key_every=400)
    for _ in range(10):
        await track.recv()

    track.request_key_frame()
    received = [bytes(await track.recv()) for _ in range(300)]

    assert received.index(b"k") == 240  # a quarter of a second after the one at the beginning
    track.stop()


async def test_times_grow_over_the_end_of_the_loop():
    track = EncodedLoop("audio", [b"a", b"b"], packets_per_s=500)

    times = [(await track.recv()).pts for _ in range(5)]

    assert times == [0, 1, 2, 3, 4]
    track.stop()


async def test_file_is_resampled_and_repeated_with_growing_times(sound_file: Path):
    source = file_source(sound_file)
    assert source.video is None
    assert source.audio is not None
    track = source.audio()

    frames = [await track.recv() for _ in range(8)]  # 160 ms

    assert all(isinstance(frame, av.AudioFrame) and frame.sample_rate == RATE for frame in frames)
    times = [float(frame.pts * frame.time_base) for frame in frames]
    assert times == sorted(set(times))
    assert strength(mono(frames[:4]), 1000) > 0.95
    track.stop()


def test_unreadable_file_is_named(tmp_path: Path):
    (tmp_path / "text.mp4").write_text("not a film")

    with pytest.raises(CannotJoin, match=r"text\.mp4"):
        file_source(tmp_path / "text.mp4")
