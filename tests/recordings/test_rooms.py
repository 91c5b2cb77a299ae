"""Rooms are recorded while somebody sends, whatever becomes of the server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from parley.base.errors import NotFound
from parley.base.ids import AppId, ParticipantId, PeerId
from parley.base.paging import PageRequest
from parley.meetings.ports import Publisher, Stream
from parley.recordings import store as rows
from parley.recordings.model import (
    FileRole,
    MomentKind,
    Recording,
    RecordingFilter,
    RecordingStatus,
    StoredFile,
)
from parley.recordings.rooms import BEAT_S, RoomCaptures
from parley.recordings.service import get_recording
from parley.recordings.sweeping import Sweeper
from parley.rooms import service
from parley.rooms.model import NewRoom
from tests.waiting import until

MICROPHONE = Stream(id="0/audio", mid="0", kind="audio", is_screen_share=False)
CAMERA = Stream(id="1/video", mid="1", kind="video", is_screen_share=False)
SCREEN = Stream(id="2/screen", mid="2", kind="video", is_screen_share=True)


class Sender:
    """The part of a `SendTransport` that is captured."""

    def __init__(self, name: str) -> None:
        self.id = name
        self.captures: list[str | None] = []

    async def capture(self, name: str | None) -> None:
        self.captures.append(name)

    def capture_file(self, mid: str) -> str | None:
        return f"{self.captures[-1]}-{mid}.mjr" if self.captures and self.captures[-1] else None


def somebody(name: str, *streams: Stream) -> Publisher:
    return Publisher(
        peer_id=PeerId(f"p_{name}"),
        participant_id=ParticipantId(f"p_{name}"),
        custom_participant_id=name,
        name=name.title(),
        picture=None,
        colours={},
        sender=Sender(name),  # type: ignore[arg-type]
        streams=streams,
    )


@dataclass(eq=False)
class Room:
    """A room whose media is here."""

    id: str
    app_id: AppId
    is_recorded: bool = True
    people: list[Publisher] = field(default_factory=list)

    def publishers(self) -> list[Publisher]:
        return self.people


class Studio:
    """Rooms and who captures them; another server begins by `new_server`."""

    def __init__(self, scope, recordings) -> None:
        self.scope = scope
        self.recordings = recordings
        self.rooms: list[Room] = []
        self.new_server()

    def new_server(self) -> None:
        self.rooms.clear()
        self.captures = RoomCaptures(self.scope.store, self.recordings, lambda: self.rooms)

    async def open(self, **members) -> Room:
        made = await service.create_room(self.scope, NewRoom(name="Room", recording_enabled=True), None)
        return self.again(made.id, **members)

    def again(self, room_id: str, **members) -> Room:
        """The room's media, on the server that there is now."""
        room = Room(room_id, self.scope.app_id, **members)
        self.rooms.append(room)
        return room

    async def shows(self, room: Room, *people: Publisher) -> None:
        """So many send now, and that has been seen."""
        room.people = list(people)
        await self.look(room)

    async def look(self, room: Room) -> None:
        self.captures.changed(room)
        await self.looked()

    async def looked(self) -> None:
        """Until everything that has changed is written down."""
        await asyncio.gather(*(each for each in asyncio.all_tasks() if each.get_name() == "capture"))

    async def beat(self) -> None:
        await self.captures.beat()
        await self.looked()

    async def active(self, room: Room) -> list[Recording]:
        return await rows.active_of_room(self.scope, room.id)

    async def one(self, room: Room) -> Recording:
        (recording,) = await self.active(room)
        return recording

    async def pieces(self, recording: Recording) -> list[str]:
        moments = await rows.moments_of(self.scope, recording.id)
        return [each.kind.value for each in moments if each.kind in (MomentKind.CAPTURE, MomentKind.HALT)]

    async def now(self, recording: Recording) -> Recording:
        return await self.recordings.get(self.scope, recording.id)


@pytest_asyncio.fixture
async def studio(app_scope, recordings) -> Studio:
    return Studio(app_scope, recordings)


async def test_a_film_begins_with_the_first_who_sends(studio):
    room = await studio.open()
    await studio.look(room)
    assert await studio.active(room) == []
    ann = somebody("ann", MICROPHONE, CAMERA)
    await studio.shows(room, ann)
    recording = await studio.one(room)
    assert (recording.status, recording.meeting_id) == (RecordingStatus.RECORDING, None)
    tracks = await rows.tracks_of(studio.scope, recording.id)
    name = ann.sender.captures[-1]
    assert {track.file_name for track in tracks} == {f"{name}-0.mjr", f"{name}-1.mjr"}
    assert {track.source.value for track in tracks} == {"microphone", "camera"}


async def test_who_comes_later_shares_a_screen_or_is_muted_is_in_the_same_film(studio):
    room = await studio.open()
    await studio.shows(room, somebody("ann", MICROPHONE))
    await studio.shows(room, *room.people, somebody("bob", MICROPHONE, SCREEN))
    recording = await studio.one(room)
    assert len(await rows.tracks_of(studio.scope, recording.id)) == 3
    assert await rows.present_in(studio.scope, recording.id) == {"p_ann", "p_bob"}
    bob = room.people[1]
    room.people[1] = Publisher(**{**{name: getattr(bob, name) for name in bob.__slots__}, "streams": []})
    await studio.look(room)
    tracks = await rows.tracks_of(studio.scope, recording.id)
    assert [track.stopped_at is None for track in tracks].count(True) == 1
    assert await studio.pieces(recording) == ["capture"]


async def test_a_room_that_is_not_to_be_recorded_is_not(studio):
    room = await studio.open(is_recorded=False)
    ann = somebody("ann", MICROPHONE)
    await studio.shows(room, ann)
    assert (await studio.active(room), ann.sender.captures) == ([], [])


async def test_the_time_in_which_nobody_sends_is_not_in_the_film(studio, clock):
    room = await studio.open()
    await studio.shows(room, ann := somebody("ann", MICROPHONE))
    clock.advance(10)
    await studio.shows(room)
    assert ann.sender.captures[-1] is None
    clock.advance(50)
    await studio.beat()
    await studio.shows(room, somebody("ann", MICROPHONE))
    clock.advance(5)
    recording = await studio.one(room)
    assert await studio.pieces(recording) == ["capture", "halt", "capture"]
    assert recording.recorded_until(clock.now()) == 15_000


async def test_a_film_is_finished_a_minute_after_the_last_who_sent(studio, clock):
    room = await studio.open()
    await studio.shows(room, somebody("ann", MICROPHONE))
    recording = await studio.one(room)
    clock.advance(10)
    await studio.shows(room)
    clock.advance(61)
    await studio.beat()
    ended = await studio.now(recording)
    assert (ended.status, ended.recorded_ms) == (RecordingStatus.UPLOADING, 10_000)
    await studio.shows(room, somebody("bob", MICROPHONE))
    assert (await studio.one(room)).id != recording.id


async def test_whoever_goes_on_keeps_the_film_running(studio, clock):
    room = await studio.open()
    await studio.shows(room, somebody("ann", MICROPHONE))
    recording = await studio.one(room)
    for _ in range(30):
        clock.advance(BEAT_S)
        await studio.beat()
    assert (await studio.one(room)).id == recording.id
    assert await studio.pieces(recording) == ["capture"]


async def test_a_film_ends_with_its_room(studio):
    room = await studio.open()
    await studio.shows(room, somebody("ann", MICROPHONE))
    recording = await studio.one(room)
    room.is_recorded = False  # as its media says when it has ended
    studio.captures.ended(room.app_id, room.id)
    await studio.beat()
    assert (await studio.now(recording)).status is RecordingStatus.UPLOADING
    assert await studio.active(room) == []


async def test_a_film_that_waits_for_people_ends_with_its_room(studio):
    room = await studio.open()
    await studio.shows(room, somebody("ann", MICROPHONE))
    recording = await studio.one(room)
    await studio.shows(room)
    studio.rooms.clear()  # its media is closed
    await studio.captures.start()
    studio.captures.ended(room.app_id, room.id)
    status = RecordingStatus.RECORDING

    def reason() -> str:
        return "" if status is RecordingStatus.UPLOADING else f"it is {status}"

    async def watch() -> None:
        nonlocal status
        while status is not RecordingStatus.UPLOADING:
            status = (await studio.now(recording)).status
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    await until(reason)
    await watching
    await studio.captures.stop()


async def test_nobody_wants_it_recorded_any_more(studio):
    room = await studio.open()
    await studio.shows(room, ann := somebody("ann", MICROPHONE))
    recording = await studio.one(room)
    room.is_recorded = False
    await studio.look(room)
    assert (await studio.now(recording)).status is RecordingStatus.UPLOADING
    assert ann.sender.captures[-1] is None
    room.is_recorded = True
    await studio.look(room)
    assert (await studio.one(room)).id != recording.id


async def test_another_server_goes_on_with_the_film_of_one_that_died(studio, clock):
    room = await studio.open()
    await studio.shows(room, somebody("ann", MICROPHONE))
    clock.advance(BEAT_S)
    await studio.beat()
    clock.advance(2)
    studio.new_server()
    clock.advance(30)
    again = studio.again(room.id)
    await studio.shows(again, somebody("ann", MICROPHONE))
    recording = await studio.one(again)
    assert await studio.pieces(recording) == ["capture", "halt", "capture"]
    assert recording.recorded_ms == 2 * BEAT_S * 1000  # everything that may have been captured
    (before, after) = await rows.tracks_of(studio.scope, recording.id)
    assert (before.stopped_at is None, after.stopped_at) == (False, None)


async def test_what_a_dead_server_left_is_finished_when_nobody_comes(studio, clock):
    room = await studio.open()
    await studio.shows(room, somebody("ann", MICROPHONE))
    recording = await studio.one(room)
    clock.advance(BEAT_S)
    await studio.beat()
    studio.new_server()
    clock.advance(59)
    await studio.beat()
    assert (await studio.now(recording)).status is RecordingStatus.RECORDING
    clock.advance(2)
    await studio.beat()
    ended = await studio.now(recording)
    assert (ended.status, ended.recorded_ms) == (RecordingStatus.UPLOADING, 2 * BEAT_S * 1000)


async def test_a_long_film_is_followed_by_another(studio, clock):
    room = await studio.open()
    await studio.shows(room, somebody("ann", MICROPHONE))
    recording = await studio.one(room)
    clock.advance(86_400)
    await rows_touched(studio, recording)
    await studio.look(room)
    assert (await studio.now(recording)).status is RecordingStatus.UPLOADING
    assert (await studio.one(room)).id != recording.id


async def rows_touched(studio: Studio, recording: Recording) -> None:
    async with studio.scope.change() as change:
        await rows.touch(change, recording.id, studio.scope.now())


async def test_the_film_is_handed_over_and_does_not_expire(studio, clock):
    taken: list[tuple[str, str, int]] = []

    async def take(change, room_id, recording, key) -> None:
        taken.append((room_id, key, recording.recorded_ms))

    studio.recordings.room_film = take
    room = await studio.open()
    await studio.shows(room, somebody("ann", MICROPHONE))
    recording = await studio.one(room)
    studio.captures.ended(room.app_id, room.id)
    room.is_recorded = False
    await studio.beat()
    file = StoredFile(FileRole.VIDEO, recording.file_name, 4, "key")
    done = await studio.recordings.uploaded(studio.scope, recording.id, [file], 2_500)
    await studio.recordings.uploaded(studio.scope, recording.id, [file], 2_500)  # a job may run twice
    assert (done.status, done.expires_at) == (RecordingStatus.UPLOADED, None)
    assert taken == [(room.id, "key", 2_500)]


async def test_recordings_of_rooms_are_not_those_of_meetings(studio, tmp_path, clock):
    room = await studio.open()
    await studio.shows(room, somebody("ann", MICROPHONE))
    recording = await studio.one(room)
    with pytest.raises(NotFound):
        await get_recording(studio.scope, recording.id)
    found = await studio.recordings.find(studio.scope, RecordingFilter(), PageRequest(1, 10))
    assert found.total == 0
    clock.advance(120)
    await Sweeper(studio.scope.store, studio.recordings, tmp_path, tmp_path).sweep()
    assert (await studio.now(recording)).is_active
