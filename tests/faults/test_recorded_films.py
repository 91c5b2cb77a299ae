"""The judgement of `bench.recording_kills` can fail: what is missing in a film is found."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
import pytest

from bench.recorded_films import longest_hole_s, lost_s, read

RATE, FPS = 48_000, 15
HZ = (500, 600)


@pytest.fixture(scope="module")
def film() -> bytes:
    """Three seconds: 500 Hz in the first two but for half a second, 600 Hz never; pictures move for one."""
    into = io.BytesIO()
    with av.open(into, "w", format="mp4") as file:
        picture = file.add_stream("libx264", rate=FPS, options={"preset": "ultrafast"})
        picture.width, picture.height, picture.pix_fmt = 320, 180, "yuv420p"
        sound = file.add_stream("aac", rate=RATE)
        for number in range(3 * FPS):
            pixels = np.full((180, 320, 3), 60, np.uint8)
            left = 8 * min(number, FPS)
            pixels[:, left : left + 16] = 220
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            file.mux(picture.encode(frame))
        times = np.arange(3 * RATE) / RATE
        on = (times < 2) & ~((times > 0.5) & (times < 1))
        samples = (8_000 * np.sin(2 * np.pi * HZ[0] * times) * on).astype(np.int16)
        for start in range(0, len(samples) - 1023, 1024):
            piece = av.AudioFrame.from_ndarray(
                samples[None, start : start + 1024], format="s16", layout="mono"
            )
            piece.sample_rate, piece.pts, piece.time_base = RATE, start, Fraction(1, RATE)
            file.mux(sound.encode(piece))
        file.mux(sound.encode(None))
        file.mux(picture.encode(None))
    return into.getvalue()


def test_silence_stillness_and_absent_voices_are_found(film):
    found = read(film, HZ)
    assert found.length_s == pytest.approx(3, abs=0.1)
    assert lost_s(found.heard[0], 0, 2) == pytest.approx(0, abs=0.1)
    assert lost_s(found.heard[0], 0, 3) == pytest.approx(1, abs=0.1)
    assert longest_hole_s(found.heard[0], 0, 3) == pytest.approx(0.55, abs=0.1)
    assert lost_s(found.heard[1], 0, 3) == 3
    assert lost_s(found.moved, 0, 3) == pytest.approx(2, abs=0.1)


def test_only_what_was_there_can_be_lost(film):
    found = read(film, HZ)
    assert lost_s(found.heard[1], 2.5, 3) == pytest.approx(0.5)
    assert longest_hole_s(found.heard[1], 0, 3) == 0


def test_a_film_that_is_cut_off_cannot_be_played(film):
    with pytest.raises(av.FFmpegError):
        read(film[: len(film) // 2], HZ)
