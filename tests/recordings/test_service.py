"""A recording's way from the wish to the file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import parse_qsl, urlsplit

import pytest

from parley.base.errors import Conflict, NotAllowed, NotFound, StateForbids
from parley.base.ids import SessionId
from parley.base.paging import PageRequest
from parley.meetings import service as meetings
from parley.meetings.model import MeetingStatus
from parley.meetings.service import MeetingEdit
from parley.recordings import store as rows
from parley.recordings.events import RecordingStatusChanged
from parley.recordings.model import (
    SERVER,
    Caller,
    FileRole,
    MomentKind,
    Recording,
    RecordingAction,
    RecordingFilter,
    RecordingId,
    RecordingKind,
    RecordingStatus,
    Start,
    StartReason,
    Stop,
    StopReason,
    StoredFile,
)
from parley.recordings.service import FINISH_QUEUE
from parley.recordings.settings import RecordingSettings
from tests.store.databases import running
from tests.waiting import until

BY_API = StartReason(Start.API_CALL, SERVER)
SESSION = SessionId("11111111-2222-4333-8444-555555555555")


async def invoked(recordings, scope, meeting, **options) -> Recording:
    return await recordings.start(scope, meeting, RecordingSettings(), BY_API, **options)


async def begun(recordings, scope, meeting) -> Recording:
    return await recordings.began(scope, (await invoked(recordings, scope, meeting)).id, SESSION)


@pytest.fixture
def told(store):
    """Every announced status."""
    heard: list[RecordingStatus] = []

    def listen(item) -> None:
        if isinstance(item.event, RecordingStatusChanged):
            heard.append(item.event.status)

    store.outbox.listen(listen)
    return heard


async def content(text: bytes) -> AsyncIterator[bytes]:
    yield text


async def finished(recordings, scope, meeting) -> Recording:
    recording = await begun(recordings, scope, meeting)
    await recordings.act(scope, recording.id, RecordingAction.STOP, SERVER)
    key = f"recordings/{recording.id}"
    await scope.store.blobs.put(key, content(b"film"))
    file = StoredFile(FileRole.VIDEO, recording.file_name, 4, key)
    return await recordings.uploaded(scope, recording.id, [file], 2_500)


async def test_a_wish_is_noted_and_announced(recordings, app_scope, meeting, clock, told):
    recording = await invoked(recordings, app_scope, meeting)
    assert recording.status is RecordingStatus.INVOKED
    assert recording.file_name == f"{meeting.id}_{round(clock.now().timestamp() * 1000)}.mp4"
    assert told == [RecordingStatus.INVOKED]
    assert await recordings.get(app_scope, recording.id) == recording
    assert (await recordings.active(app_scope, meeting.id)).id == recording.id


async def test_a_second_one_has_to_be_allowed(recordings, app_scope, meeting):
    await invoked(recordings, app_scope, meeting)
    with pytest.raises(Conflict):
        await invoked(recordings, app_scope, meeting)
    await invoked(recordings, app_scope, meeting, allow_multiple=True)


async def test_track_recordings_do_not_count(recordings, app_scope, meeting):
    await invoked(recordings, app_scope, meeting, kind=RecordingKind.TRACKS)
    await invoked(recordings, app_scope, meeting)
    await invoked(recordings, app_scope, meeting, kind=RecordingKind.TRACKS)


async def test_an_inactive_meeting_is_not_recorded(recordings, app_scope, meeting):
    inactive = await meetings.edit_meeting(app_scope, meeting.id, MeetingEdit(status=MeetingStatus.INACTIVE))
    with pytest.raises(StateForbids):
        await invoked(recordings, app_scope, inactive)


async def test_pauses_are_not_counted(recordings, app_scope, meeting, clock, told):
    recording = await begun(recordings, app_scope, meeting)
    clock.advance(10)
    paused = await recordings.act(app_scope, recording.id, RecordingAction.PAUSE, SERVER)
    clock.advance(100)
    assert paused.recorded_until(clock.now()) == 10_000
    await recordings.act(app_scope, recording.id, RecordingAction.RESUME, SERVER)
    clock.advance(5)
    stopped = await recordings.act(app_scope, recording.id, RecordingAction.STOP, SERVER)
    assert stopped.recorded_ms == 15_000
    assert stopped.stopped_at == clock.now()
    assert told == [
        RecordingStatus.INVOKED,
        RecordingStatus.RECORDING,
        RecordingStatus.PAUSED,
        RecordingStatus.RECORDING,
        RecordingStatus.UPLOADING,
    ]
    kinds = [moment.kind for moment in await rows.moments_of(app_scope, recording.id)]
    assert kinds == [MomentKind.CAPTURE, MomentKind.HALT, MomentKind.CAPTURE, MomentKind.HALT]


async def test_what_captured_nothing_is_an_error(recordings, app_scope, meeting):
    recording = await invoked(recordings, app_scope, meeting)
    stopped = await recordings.act(app_scope, recording.id, RecordingAction.STOP, Caller("Ann", "p1"))
    assert stopped.status is RecordingStatus.ERRORED
    assert stopped.error == "Nothing was captured."
    assert stopped.stop_reason == StopReason(Stop.API_CALL, Caller("Ann", "p1"))


@pytest.mark.parametrize("action", list(RecordingAction))
async def test_what_is_over_cannot_be_acted_on(recordings, app_scope, meeting, action):
    recording = await begun(recordings, app_scope, meeting)
    await recordings.act(app_scope, recording.id, RecordingAction.STOP, SERVER)
    with pytest.raises(StateForbids):
        await recordings.act(app_scope, recording.id, action, SERVER)


async def test_only_what_is_paused_goes_on(recordings, app_scope, meeting):
    recording = await begun(recordings, app_scope, meeting)
    with pytest.raises(StateForbids):
        await recordings.act(app_scope, recording.id, RecordingAction.RESUME, SERVER)


async def test_track_recordings_are_only_stopped(recordings, app_scope, meeting):
    recording = await invoked(recordings, app_scope, meeting, kind=RecordingKind.TRACKS)
    await recordings.began(app_scope, recording.id, SESSION)
    with pytest.raises(StateForbids):
        await recordings.act(app_scope, recording.id, RecordingAction.PAUSE, SERVER)


async def test_a_paused_one_does_not_begin(recordings, app_scope, meeting):
    recording = await begun(recordings, app_scope, meeting)
    await recordings.act(app_scope, recording.id, RecordingAction.PAUSE, SERVER)
    again = await recordings.began(app_scope, recording.id, SESSION)
    assert again.status is RecordingStatus.PAUSED


async def test_the_stop_asks_for_the_files_once(recordings, app_scope, meeting, store):
    recording = await begun(recordings, app_scope, meeting)
    for _ in range(2):
        await recordings.stop(app_scope, recording.id, StopReason(Stop.ALL_PEERS_LEFT))
    ran: list[str] = []

    async def finish(job) -> None:
        ran.append(job.body["recording_id"])

    store.jobs.handle(FINISH_QUEUE, finish)
    async with running(store):
        await until(lambda: "" if ran else "no job has run")
    assert ran == [recording.id]


async def test_a_finished_one_can_be_downloaded_for_a_while(recordings, app_scope, meeting, clock):
    done = await finished(recordings, app_scope, meeting)
    assert (done.status, done.size_bytes, done.recorded_ms) == (RecordingStatus.UPLOADED, 4, 2_500)
    assert recordings.download_url(done, FileRole.AUDIO) is None
    link = urlsplit(recordings.download_url(done, FileRole.VIDEO))
    query = dict(parse_qsl(link.query))
    file, blob = await recordings.open(done.id, "video", query)
    assert b"".join([chunk async for chunk in blob.chunks]) == b"film"
    with pytest.raises(NotAllowed):
        await recordings.open(done.id, "audio", query)
    clock.advance(8 * 24 * 3600)
    with pytest.raises(NotAllowed):
        await recordings.open(done.id, file.role.value, query)


async def test_expired_files_are_removed_and_the_row_stays(recordings, app_scope, meeting, clock):
    done = await finished(recordings, app_scope, meeting)
    clock.advance(8 * 24 * 3600)
    [(app_id, found)] = await rows.expired(app_scope.store.database, clock.now(), 10)
    assert (app_id, found) == (app_scope.app_id, done.id)
    await recordings.expire(app_scope, done.id)
    with pytest.raises(NotFound):
        await app_scope.store.blobs.get(done.files[0].blob_key)
    assert (await recordings.get(app_scope, done.id)).files == ()
    assert await rows.expired(app_scope.store.database, clock.now(), 10) == []


async def test_a_failure_says_why_and_is_final(recordings, app_scope, meeting):
    recording = await begun(recordings, app_scope, meeting)
    failed = await recordings.failed(app_scope, recording.id, "The disk is full.")
    assert (failed.status, failed.error) == (RecordingStatus.ERRORED, "The disk is full.")
    assert failed.stop_reason == StopReason(Stop.INTERNAL_ERROR)
    later = await recordings.uploaded(app_scope, recording.id, [], 1)
    assert later.status is RecordingStatus.ERRORED


async def test_another_app_sees_nothing_of_it(recordings, app_scope, other_app_scope, meeting):
    recording = await begun(recordings, app_scope, meeting)
    with pytest.raises(NotFound):
        await recordings.get(other_app_scope, recording.id)
    with pytest.raises(NotFound):
        await recordings.act(other_app_scope, recording.id, RecordingAction.STOP, SERVER)
    page = await recordings.find(other_app_scope, RecordingFilter(), PageRequest())
    assert (page.total, list(page.rows)) == (0, [])


async def test_lists_are_filtered(recordings, app_scope, meeting, clock):
    done = await finished(recordings, app_scope, meeting)
    clock.advance(60)
    waiting = await invoked(recordings, app_scope, meeting)

    async def found(**wanted) -> list[RecordingId]:
        page = await recordings.find(app_scope, RecordingFilter(**wanted), PageRequest())
        assert page.total == len(page.rows)
        return [each.id for each in page.rows]

    assert await found() == [waiting.id, done.id]
    assert await found(meeting_id=meeting.id) == [waiting.id, done.id]
    assert await found(search="PLANNING") == [waiting.id, done.id]
    assert await found(search=meeting.id) == [waiting.id, done.id]
    assert await found(search="nothing like it") == []
    assert await found(statuses=[RecordingStatus.UPLOADED]) == [done.id]
    assert await found(invoked_from=clock.now()) == [waiting.id]
    assert await found(is_expired=False) == [waiting.id, done.id]
    clock.advance(8 * 24 * 3600)
    assert await found(is_expired=True) == [done.id]
    assert await found(is_expired=False) == [waiting.id]
