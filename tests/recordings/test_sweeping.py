"""What ends without anybody's wish."""

from __future__ import annotations

import os

import pytest

from parley.recordings.model import (
    SERVER,
    RecordingAction,
    RecordingStatus,
    Start,
    StartReason,
    Stop,
    StopReason,
)
from parley.recordings.settings import RecordingSettings
from parley.recordings.sweeping import Sweeper
from tests.recordings.test_service import SESSION

BY_API = StartReason(Start.API_CALL, SERVER)


@pytest.fixture
def sweeper(store, recordings, tmp_path):
    return Sweeper(store, recordings, tmp_path, tmp_path / "work")


async def test_nobody_comes_for_a_minute(recordings, sweeper, app_scope, meeting, clock):
    recording = await recordings.start(app_scope, meeting, RecordingSettings(), BY_API)
    clock.advance(59)
    await sweeper.sweep()
    assert (await recordings.get(app_scope, recording.id)).status is RecordingStatus.INVOKED
    clock.advance(2)
    await sweeper.sweep()
    ended = await recordings.get(app_scope, recording.id)
    assert ended.status is RecordingStatus.ERRORED
    assert ended.stop_reason == StopReason(Stop.ALL_PEERS_LEFT)


async def test_the_longest_time_is_over(recordings, sweeper, app_scope, meeting, clock):
    wanted = RecordingSettings(max_seconds=60)
    recording = await recordings.start(app_scope, meeting, wanted, BY_API)
    await recordings.began(app_scope, recording.id, SESSION)
    clock.advance(40)
    await recordings.act(app_scope, recording.id, RecordingAction.PAUSE, SERVER)
    clock.advance(15)
    await recordings.act(app_scope, recording.id, RecordingAction.RESUME, SERVER)
    clock.advance(4)
    await sweeper.sweep()
    assert (await recordings.get(app_scope, recording.id)).status is RecordingStatus.RECORDING
    clock.advance(17)
    await sweeper.sweep()
    ended = await recordings.get(app_scope, recording.id)
    assert ended.status is RecordingStatus.UPLOADING
    assert ended.stop_reason == StopReason(Stop.API_CALL, SERVER)


async def test_captures_that_nobody_could_finish_are_removed_some_day(sweeper, tmp_path, clock):
    old, fresh = tmp_path / "old-audio-0.mjr", tmp_path / "fresh-audio-0.mjr"
    made, making = tmp_path / "work" / "made", tmp_path / "work" / "making"
    for path, days in ((old, 10), (fresh, 8), (made, 10), (making, 8)):
        if path.suffix:
            path.write_bytes(b"MJR00002")
        else:
            path.mkdir(parents=True)
            (path / "film.mp4").write_bytes(b"film")
        written = clock.now().timestamp() - days * 86_400
        os.utime(path, (written, written))
    await sweeper.sweep()
    assert not old.exists()
    assert not made.exists()
    assert fresh.exists()
    assert (making / "film.mp4").exists()
