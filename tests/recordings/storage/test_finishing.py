"""A recording is finished when its files are in the customer's storage."""

from __future__ import annotations

import asyncio
import io
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import av
import msgspec
import pytest

from parley.accounts.scope import AppScope
from parley.base.errors import StateForbids
from parley.base.ids import PeerId, SessionId, new_uuid
from parley.base.times import to_ms
from parley.meetings.configs import RecordingConfig, stored_form
from parley.outgoing.http import OutgoingHttp, OutgoingPolicy
from parley.recordings import finishing
from parley.recordings import store as rows
from parley.recordings.finishing import Finisher
from parley.recordings.model import (
    SERVER,
    Recording,
    RecordingStatus,
    Start,
    StartReason,
    Stop,
    StopReason,
    Track,
    TrackId,
    TrackSource,
)
from parley.recordings.settings import Watermark, resolve
from parley.recordings.storage.delivery import Delivery
from parley.recordings.storage.target import Rules
from parley.store.jobs import Job, RetryAt
from tests.compositor.recorded import MjrWriter, microphone
from tests.recordings.storage.conftest import ANYWHERE, ONCE
from tests.storages import S3Server
from tests.store.databases import running
from tests.waiting import until

SECONDS = 2


@pytest.fixture
def database_url(sqlite_template, tmp_path):
    """Nothing here depends on the kind of database."""
    return sqlite_template.clone(tmp_path)


class Studio:
    """A recording of somebody's microphone, and what finishes it."""

    def __init__(self, recordings, app_scope: AppScope, meeting, clock, folder: Path, url: str) -> None:
        self.recordings, self.scope, self.meeting, self.clock = recordings, app_scope, meeting, clock
        self.folder, self.url = folder, url
        self.policy = OutgoingPolicy()
        self.work = folder / "work"

    def config(self, bucket: str, *, uses_bucket: bool = False) -> dict[str, Any]:
        """The sound alone, for that bucket."""
        storage = {
            "type": "aws",
            "access_key": "key",
            "secret": "secret",
            "bucket": bucket,
            "region": "eu-west-1",
            "path": "calls",
        }
        asked = msgspec.convert(
            {
                "storage_config": storage,
                "video_config": {"export_file": False},
                "realtimekit_bucket_config": {"enabled": uses_bucket},
            },
            RecordingConfig,
        )
        return stored_form(self.scope.store.vault, asked)

    async def recorded(self, bucket: str, *, uses_bucket: bool = False, mark: str | None = None) -> Recording:
        """Stopped, and to be finished; `mark` is the address of a watermark."""
        settings = resolve(self.config(bucket, uses_bucket=uses_bucket), {})
        video = msgspec.structs.replace(settings.video_config, watermark=Watermark(url=mark))
        settings = msgspec.structs.replace(settings, video_config=video)
        why = StartReason(Start.API_CALL, SERVER)
        recording = await self.recordings.start(self.scope, self.meeting, settings, why)
        await self.recordings.began(self.scope, recording.id, SessionId(new_uuid()))
        now = self.scope.now()
        track = Track(
            id=TrackId(new_uuid()),
            app_id=self.scope.app_id,
            recording_id=recording.id,
            peer_id=PeerId(new_uuid()),
            participant_id="u1",
            custom_participant_id="ann",
            display_name="Ann",
            picture=None,
            source=TrackSource.MICROPHONE,
            file_name="ann-audio-0.mjr",
            started_at=now,
        )
        start_ms = now.timestamp() * 1000
        with MjrWriter(self.folder / track.file_name, "a", "opus", start_ms) as file:
            for sent in microphone(SECONDS, 440.0, start_ms=start_ms):
                file.write(sent.captured_ms, sent.packet)
        async with self.scope.change() as change:
            await rows.insert_track(change, track)
        self.clock.advance(SECONDS)
        async with self.scope.change() as change:
            await rows.stop_open_tracks(change, recording.id, change.now())
        return await self.recordings.stop(self.scope, recording.id, StopReason(Stop.API_CALL, SERVER))

    async def finish(
        self, recording: Recording, attempts: int = 0, since: datetime | None = None
    ) -> Recording:
        """Run the job once."""
        http = OutgoingHttp(self.policy)
        vault = self.scope.store.vault
        finisher = Finisher(
            self.scope.store,
            self.recordings,
            captures=self.folder,
            work=self.work,
            http=http,
            deliver=Delivery(vault, Rules(ANYWHERE, {"aws": self.url}, patience=ONCE)),
        )
        body = {"recording_id": recording.id, "since": to_ms(since or recording.updated_at)}
        try:
            await finisher.finish(
                Job(1, "recordings.finish", recording.id, self.scope.app_id, body, attempts)
            )
        finally:
            await http.close()
        return await self.recordings.get(self.scope, recording.id)


@pytest.fixture
def studio(recordings, app_scope, meeting, clock, tmp_path, s3: S3Server) -> Studio:
    """With captures in a folder of the test's own."""
    return Studio(recordings, app_scope, meeting, clock, tmp_path, s3.url)


async def test_the_file_is_in_the_customers_storage_alone_where_the_bucket_is_off(studio, s3):
    bucket = s3.make("finished")
    done = await studio.finish(await studio.recorded(bucket))
    assert done.status is RecordingStatus.UPLOADED
    assert [file.blob_key for file in done.files] == [None]
    content = s3.read(bucket, f"calls/{done.files[0].name}")
    assert len(content) == done.files[0].size_bytes
    with av.open(io.BytesIO(content)) as played:
        assert played.duration is not None
        assert abs(played.duration / av.time_base - SECONDS) < 0.2
    assert list(studio.folder.glob("*.mjr")) == []


async def test_a_watermark_that_cannot_be_had_is_told_and_does_not_cost_the_recording(studio, s3):
    studio.policy = OutgoingPolicy(allow_private=False)
    recording = await studio.recorded(s3.make("unmarked"), mark="http://127.0.0.1:9/logo.png")
    done = await studio.finish(recording)
    assert done.status is RecordingStatus.UPLOADED
    assert done.error is not None
    assert done.error.startswith("The watermark could not be had: ")


async def test_a_bucket_that_is_not_there_is_told_and_nothing_is_lost(studio):
    done = await studio.finish(await studio.recorded("nothere"))
    assert done.status is RecordingStatus.ERRORED
    assert done.error == "There is no bucket “nothere” at Amazon S3."
    assert len(list(studio.folder.glob("*.mjr"))) == 1


async def test_a_storage_that_is_away_is_waited_for_without_composing_again(studio, s3):
    recording = await studio.recorded(s3.make("awaited"))
    url, studio.url = studio.url, "http://127.0.0.1:1"
    with pytest.raises(RetryAt, match="cannot be reached") as later:
        await studio.finish(recording)
    assert later.value.at - studio.scope.now() == timedelta(seconds=60)
    waiting = await studio.recordings.get(studio.scope, recording.id)
    assert waiting.status is RecordingStatus.UPLOADING
    (made,) = (path for path in (studio.work / recording.id).iterdir() if path.suffix == ".m4a")
    before = made.stat().st_mtime_ns
    with pytest.raises(RetryAt):
        await studio.finish(recording, attempts=9)
    assert made.stat().st_mtime_ns == before
    studio.url = url
    done = await studio.finish(recording, attempts=10)
    assert done.status is RecordingStatus.UPLOADED
    assert not (studio.work / recording.id).exists()


async def test_what_is_in_the_bucket_can_be_had_although_the_storage_refuses_it(studio):
    done = await studio.finish(await studio.recorded("nothere", uses_bucket=True))
    assert done.status is RecordingStatus.ERRORED
    assert done.expires_at == studio.scope.now() + studio.recordings.keep
    (file,) = done.files
    blob = await studio.scope.store.blobs.get(file.blob_key)
    assert blob.size_bytes == file.size_bytes == sum([len(chunk) async for chunk in blob.chunks])
    assert studio.recordings.download_url(done, file.role) is not None


async def test_after_a_day_without_the_storage_it_is_given_up(studio):
    recording = await studio.recorded("away")
    studio.url = "http://127.0.0.1:1"
    studio.clock.advance(86_400)
    done = await studio.finish(recording)
    assert done.status is RecordingStatus.ERRORED
    assert "cannot be reached" in (done.error or "")
    assert len(list(studio.folder.glob("*.mjr"))) == 1


async def test_what_may_pass_is_tried_for_an_hour(studio, s3):
    recording = await studio.recorded(s3.make("tried"))
    studio.work.write_bytes(b"in the way")
    studio.clock.advance(3_500)
    with pytest.raises(OSError, match="work"):
        await studio.finish(recording, attempts=9)
    studio.clock.advance(100)
    with pytest.raises(OSError, match="work"):
        await studio.finish(recording, attempts=6)
    done = await studio.finish(recording, attempts=7)
    assert done.status is RecordingStatus.ERRORED
    assert len(list(studio.folder.glob("*.mjr"))) == 1


async def test_what_could_not_be_stored_is_tried_again_with_other_settings(studio, s3):
    recording = await studio.recorded("nothere")
    with pytest.raises(StateForbids):
        await studio.recordings.retry(studio.scope, recording.id)
    await studio.finish(recording)
    studio.clock.advance(3 * 86_400)
    # Another recording of the same people must not take the captures away.
    assert await rows.still_needed(studio.scope, ["ann-audio-0.mjr"]) == {"ann-audio-0.mjr"}

    bucket = s3.make("there")
    storage = studio.config(bucket)["storage_config"]
    again = await studio.recordings.retry(studio.scope, recording.id, storage)
    assert (again.status, again.error) == (RecordingStatus.UPLOADING, None)
    url, studio.url = studio.url, "http://127.0.0.1:1"
    with pytest.raises(RetryAt):  # waited for as after a stop
        await studio.finish(recording, since=again.updated_at)
    studio.url = url
    done = await studio.finish(recording, since=again.updated_at)
    assert done.status is RecordingStatus.UPLOADED
    assert s3.read(bucket, f"calls/{done.files[0].name}")
    assert list(studio.folder.glob("*.mjr")) == []


async def test_a_run_that_was_killed_before_it_cleared_up_clears_up(studio, s3):
    recording = await studio.recorded(s3.make("cleared"))
    await studio.finish(recording)
    captured, made = studio.folder / "ann-audio-0.mjr", studio.work / recording.id / "film.mp4"
    made.parent.mkdir()
    for path in (captured, made):
        path.write_bytes(b"left")
    assert (await studio.finish(recording)).status is RecordingStatus.UPLOADED
    assert not captured.exists()
    assert not made.parent.exists()


async def test_a_slow_upload_does_not_hold_up_the_next_composition(studio, monkeypatch):
    monkeypatch.setattr(finishing, "AT_ONCE", 1)
    uploading: list[str] = []
    gate = asyncio.Event()

    async def slow(settings: Any, path: Path, name: str) -> None:
        uploading.append(name)
        await gate.wait()

    recordings = [await studio.recorded("slow") for _ in range(2)]
    http = OutgoingHttp(OutgoingPolicy())
    store = studio.scope.store
    Finisher(
        store, studio.recordings, captures=studio.folder, work=studio.work, http=http, deliver=slow
    ).register()
    async with running(store):
        await until(lambda: "" if len(uploading) == 2 else f"{len(uploading)} of 2 are uploaded")
        gate.set()
        await until(lambda: "" if not store.jobs._running else "the jobs do not end")
    await http.close()
    for recording in recordings:
        done = await studio.recordings.get(studio.scope, recording.id)
        assert done.status is RecordingStatus.UPLOADED
