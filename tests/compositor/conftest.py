"""Tracks that many tests need; encoded once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.compositor import recorded
from tests.compositor.recorded import BLUE, GREEN, RED, YELLOW, Sent

COLOURS = {"ana": RED, "ben": GREEN, "chen": BLUE, "dora": YELLOW}
TONES = {"ana": 400.0, "ben": 700.0, "chen": 1100.0, "dora": 1700.0}
SECONDS = 3.0


@pytest.fixture(scope="session")
def cameras() -> dict[str, list[Sent]]:
    """Three seconds of one colour each."""
    return {name: recorded.camera(SECONDS, colour) for name, colour in COLOURS.items()}


@pytest.fixture(scope="session")
def microphones() -> dict[str, list[Sent]]:
    """Three seconds of one tone each."""
    return {name: recorded.microphone(SECONDS, frequency) for name, frequency in TONES.items()}


@pytest.fixture
def camera(tmp_path: Path, cameras: dict[str, list[Sent]]) -> Callable[[str], Path]:
    """Writes somebody's camera track."""
    return lambda name: recorded.write_track(tmp_path / f"{name}-video.mjr", "vp8", cameras[name])


@pytest.fixture
def microphone(tmp_path: Path, microphones: dict[str, list[Sent]]) -> Callable[[str], Path]:
    """Writes somebody's microphone track."""
    return lambda name: recorded.write_track(tmp_path / f"{name}-audio.mjr", "opus", microphones[name])
