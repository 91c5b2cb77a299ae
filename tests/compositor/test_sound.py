"""What is to be heard when, and that it belongs to the picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from parley.compositor.plan import Canvas, Output, Track
from tests.compositor import recorded
from tests.compositor.composed import (
    at,
    camera_of,
    compose,
    grid,
    loudness,
    microphone_of,
    middle,
    person,
    pictures,
    plan,
    sound,
)
from tests.compositor.conftest import TONES
from tests.compositor.recorded import BLACK, START_MS, WHITE, Sent

Write = Callable[[str], Path]
HEARD, SILENT = 0.1, 0.01
"""Amplitudes; a tone of the tests has 0.2."""


def m4a(folder: Path) -> list[Output]:
    return [Output(path=folder / "out.m4a", container="m4a")]


def heard(folder: Path, seconds: float, tracks: list[Track], **more: object) -> np.ndarray:
    result = compose(plan(folder, seconds, tracks=tracks, outputs=m4a(folder), **more))
    return sound(result.outputs[0].path)


def test_everybody_is_heard_at_once(tmp_path: Path, microphone: Write) -> None:
    samples = heard(tmp_path, 2, [microphone_of(name, microphone(name)) for name in TONES])
    for frequency in TONES.values():
        assert loudness(samples, frequency, 0.5, 1.5) == pytest.approx(0.2, rel=0.15)
    assert loudness(samples, 2500, 0.5, 1.5) < SILENT
    assert abs(len(samples) / 48_000 - 2) < 0.1


def test_sound_begins_where_it_began(tmp_path: Path) -> None:
    late = recorded.microphone(1, 400, start_ms=START_MS + 1_500)
    samples = heard(
        tmp_path, 3, [microphone_of("ana", recorded.write_track(tmp_path / "a.mjr", "opus", late))]
    )
    level = np.abs(samples[:, 0])
    begin, end = np.nonzero(level > 0.05)[0][[0, -1]] / 48_000
    assert begin == pytest.approx(1.52, abs=0.02)  # 20 ms on the way, which nobody can know
    assert end == pytest.approx(2.52, abs=0.02)


def test_gap_without_packets_is_silence_of_the_same_length(
    tmp_path: Path, microphones: dict[str, list[Sent]]
) -> None:
    sent = [one for one in microphones["ana"] if not 1_000 <= one.captured_ms - START_MS < 2_000]
    samples = heard(
        tmp_path, 3, [microphone_of("ana", recorded.write_track(tmp_path / "a.mjr", "opus", sent))]
    )
    assert loudness(samples, 400, 0.2, 0.9) > HEARD
    assert loudness(samples, 400, 1.1, 1.9) < SILENT
    assert loudness(samples, 400, 2.1, 2.8) > HEARD


def test_muted_is_not_heard(tmp_path: Path, microphone: Write) -> None:
    track = microphone_of("ana", microphone("ana"), muted=[(at(1), at(2))])
    samples = heard(tmp_path, 3, [track])
    assert loudness(samples, 400, 0.2, 0.9) > HEARD
    assert loudness(samples, 400, 1.05, 1.95) < SILENT
    assert loudness(samples, 400, 2.1, 2.8) > HEARD


def test_loud_voices_together_are_clipped_not_wrapped(tmp_path: Path) -> None:
    sent = recorded.microphone(1, lambda at_s: 0.9 * np.sin(2 * np.pi * 300 * at_s))
    tracks = [
        microphone_of(name, recorded.write_track(tmp_path / f"{name}.mjr", "opus", sent))
        for name in ("a", "b")
    ]
    samples = heard(tmp_path, 0.9, tracks)
    steps = np.abs(np.diff(samples[12_000:36_000, 0]))
    assert steps.max() < 0.5
    assert np.abs(samples).max() > 0.9


def test_pause_is_cut_out(tmp_path: Path, microphones: dict[str, list[Sent]]) -> None:
    """Ana speaks during the pause as well; Ben only afterwards."""
    later = recorded.microphone(1, 700, start_ms=START_MS + 2_000)
    tracks = [
        microphone_of("ana", recorded.write_track(tmp_path / "a.mjr", "opus", microphones["ana"])),
        microphone_of(
            "ben",
            recorded.write_track(tmp_path / "b.mjr", "opus", later),
        ),
    ]
    samples = heard(tmp_path, 3, tracks, spans=[(at(0), at(1)), (at(2), at(3))])
    assert abs(len(samples) / 48_000 - 2) < 0.1
    assert loudness(samples, 700, 0, 0.95) < SILENT
    assert loudness(samples, 700, 1.1, 1.9) > HEARD
    assert loudness(samples, 400, 0.1, 1.9) > HEARD


def test_clock_that_is_too_fast_does_not_run_away(tmp_path: Path) -> None:
    """A sender whose seconds are 1 % too short: after 6 s, sound is still where it belongs."""

    def beep(at_s: np.ndarray) -> np.ndarray:
        return np.where((at_s % 2) > 1.5, recorded.tone(1_000, at_s), 0)

    sent = recorded.microphone(6, beep, clock=48_000 * 1.01)
    path = recorded.write_track(tmp_path / "a.mjr", "opus", sent, delay_ms=lambda _: 0)
    samples = heard(tmp_path, 6, [microphone_of("ana", path)])
    begins = [np.nonzero(np.abs(samples[s * 48_000 :, 0]) > 0.1)[0][0] / 48_000 + s for s in (1, 3, 5)]
    assert begins == pytest.approx([1.5, 3.5, 5.5], abs=0.08)


def test_picture_and_sound_of_a_moment_are_together(tmp_path: Path) -> None:
    """A flash and a beep each second, with jitter, in tracks that began before the recording."""

    def flash(at_s: float) -> np.ndarray:
        return recorded.plain(WHITE if at_s % 1 < 0.2 else BLACK, (160, 120))

    def beep(at_s: np.ndarray) -> np.ndarray:
        return np.where(at_s % 1 < 0.2, recorded.tone(1_000, at_s), 0)

    jitter = np.random.default_rng(3).exponential(25, 2_000)
    started = START_MS - 1_300
    video = recorded.camera(5, flash, fps=30, start_ms=started)
    audio = recorded.microphone(5, beep, start_ms=started)
    tracks = [
        camera_of(
            "ana",
            recorded.write_track(tmp_path / "v.mjr", "vp8", video, delay_ms=lambda n: 30 + jitter[n]),
        ),
        microphone_of(
            "ana",
            recorded.write_track(
                tmp_path / "a.mjr", "opus", audio, delay_ms=lambda n: 20 + jitter[1_000 + n]
            ),
        ),
    ]
    wanted = plan(
        tmp_path,
        3.6,
        people=[person("ana", -5)],
        tracks=tracks,
        canvas=Canvas(width=320, height=180, fps=30),
    )
    path = compose(wanted).outputs[0].path
    bright = pictures(path)[(slice(None), *middle(grid(1)[0]))].mean(axis=(1, 2, 3)) > 120
    loud = np.abs(sound(path)[:, 0]) > 0.05
    flashes = np.nonzero(~bright[:-1] & bright[1:])[0] + 1
    assert len(flashes) == 3
    for seen_s in flashes / 30:
        around = loud[round((seen_s - 0.3) * 48_000) : round((seen_s + 0.3) * 48_000)]
        heard_s = seen_s - 0.3 + np.nonzero(around)[0][0] / 48_000
        assert abs(heard_s - seen_s) <= 0.08
