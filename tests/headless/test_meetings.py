"""Headless participants in meetings of a real server with a real media engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import av
import pytest
import pytest_asyncio

from parley.headless.client import HeadlessClient
from parley.headless.errors import CannotJoin
from parley.headless.media import Total
from parley.headless.news import ChatReceived, Ended, Ending, News, PersonLeft, Waiting
from parley.headless.receiving import RemoteTrack
from parley.headless.sources import NOTHING, MediaSource, file_source, tone_hz, tone_source
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import Room
from tests.headless.conftest import Server
from tests.headless.tones import mono, strength
from tests.waiting import until

pytestmark = pytest.mark.media

Open = Callable[..., "Participant"]


class Participant:
    """A client, its news and the frames it decoded."""

    def __init__(
        self, server: Server, token: str, name: str, media: MediaSource | None, decode: bool
    ) -> None:
        self.news: list[News] = []
        self.frames: dict[str, list[Any]] = {"audio": [], "video": []}
        self.client = HeadlessClient(
            token,
            server.url,
            name=name,
            media=media,
            on_news=self.news.append,
            on_frame=self._frame if decode else None,
        )

    def _frame(self, track: RemoteTrack, frame: Any) -> None:
        self.frames[track.publication.kind].append(frame)

    def heard(self, name: str, kind: str) -> Total:
        """What came from somebody until now."""
        for total in self.client.totals():
            person = self.client.people.get(total.peer_id)
            if person is not None and person.name == name and total.kind == kind:
                return total
        return Total("", kind)

    async def receives(self, name: str, *kinds: str, frames: int = 5) -> None:
        """Wait until more frames of these kinds have come."""
        before = {kind: self.heard(name, kind).frames for kind in kinds}
        await until(
            lambda: ", ".join(
                f"{name}'s {kind} does not arrive"
                for kind in kinds
                if self.heard(name, kind).frames < before[kind] + frames
            )
        )


@pytest_asyncio.fixture
async def open_participant(server: Server) -> AsyncIterator[Open]:
    """Makes participants, which leave after the test."""
    opened: list[Participant] = []

    def open_one(
        token: str, name: str, media: MediaSource | None = NOTHING, *, decode: bool = False
    ) -> Participant:
        opened.append(Participant(server, token, name, media, decode))
        return opened[-1]

    yield open_one
    await asyncio.gather(*(participant.client.leave() for participant in opened))


@pytest_asyncio.fixture
async def join(open_participant: Open) -> Callable[..., Awaitable[Participant]]:
    """Makes participants that are in the meeting."""

    async def join(*arguments: Any, **options: Any) -> Participant:
        participant = open_participant(*arguments, **options)
        await participant.client.join()
        return participant

    return join


async def test_two_participants_hear_and_see_each_other(join, meeting):
    alice = await join(meeting("Host"), "Alice", await tone_source("Alice", 0), decode=True)
    bob = await join(meeting("Participant"), "Bob", await tone_source("Bob", 5), decode=True)

    for listener in (alice, bob):
        await until(
            lambda who=listener: (
                "" if len(who.frames["audio"]) > 40 and len(who.frames["video"]) > 5 else "few frames"
            )
        )
    for listener, theirs, own in ((alice, 5, 0), (bob, 0, 5)):
        sound = mono(listener.frames["audio"][-20:])
        assert strength(sound, tone_hz(theirs)) > 0.9
        assert strength(sound, tone_hz(own)) < 0.05
        assert isinstance(listener.frames["video"][-1], av.VideoFrame)
        assert {track.size for track in listener.client.tracks.values()} == {None, (320, 180)}


async def test_file_is_played_to_the_others(join, meeting, sound_file):
    await join(meeting("Host"), "Player", file_source(sound_file))
    listener = await join(meeting("Participant"), "Listener", decode=True)

    await until(lambda: "" if len(listener.frames["audio"]) > 40 else "nothing is heard")

    assert strength(mono(listener.frames["audio"][-20:]), 1000) > 0.9


async def test_chat_reaches_everybody_the_sender_included(join, meeting):
    alice = await join(meeting("Host"), "Alice", None)
    bob = await join(meeting("Participant"), "Bob", None)

    await bob.client.send_chat("good morning")

    expected = ChatReceived(bob.client.peer_id, "Bob", "good morning")
    await until(lambda: "" if expected in alice.news and expected in bob.news else "not received")


async def test_one_token_may_be_used_by_several_peers(join, meeting):
    token = meeting("Participant")
    first, second = await join(token, "One", None), await join(token, "Two", None)

    await until(lambda: "" if first.client.people and second.client.people else "they do not see each other")
    assert [person.name for person in first.client.people.values()] == ["Two"]


async def test_streams_of_a_newcomer_arrive_on_recycled_sections(join, meeting):
    """The server reuses the sections of somebody who left; aiortc's own peer connection stays silent then."""
    viewer = await join(meeting("Host"), "Viewer")
    for name in ("First", "Second", "Third"):
        speaker = await join(meeting("Participant"), name, await tone_source(name, 1))
        await viewer.receives(name, "audio", "video")
        assert sorted(track.mid for track in viewer.client.tracks.values()) == ["2", "3"]
        await speaker.client.leave()
        await until(lambda: "streams are still there" if viewer.client.tracks else "")

    assert [news.name for news in viewer.news if isinstance(news, PersonLeft)] == ["First", "Second", "Third"]
    assert all(total.frames for total in viewer.client.totals())
    assert len(viewer.client.totals()) == 6


async def test_streams_go_on_while_others_come_and_go(join, meeting):
    steady = await join(meeting("Host"), "Steady", await tone_source("Steady", 0))
    viewer = await join(meeting("Participant"), "Viewer")
    passing = await join(meeting("Participant"), "Passing", await tone_source("Passing", 1))
    await viewer.receives("Passing", "audio")

    await passing.client.leave()
    await until(lambda: "" if len(viewer.client.tracks) == 2 else "still there")

    await viewer.receives("Steady", "audio", "video")
    assert steady.client.ended.done() is False


async def test_muted_microphone_is_silent_until_it_is_unmuted(join, meeting):
    alice = await join(meeting("Host"), "Alice", await tone_source("Alice", 0))
    bob = await join(meeting("Participant"), "Bob")
    await bob.receives("Alice", "audio")

    await alice.client.pause("audio")

    def paused() -> bool:
        (person,) = bob.client.people.values()
        return any(p.is_paused for p in person.publications.values() if p.kind == "audio")

    await until(lambda: "" if paused() else "not told")
    await alice.client.pause("audio", paused=False)
    await until(lambda: "still told as muted" if paused() else "")
    await bob.receives("Alice", "audio")


async def test_guest_waits_until_a_host_opens_the_door(join, open_participant, meeting):
    host = await join(meeting("Host"), "Host", None)
    guest = open_participant(meeting("Guest"), "Guest", await tone_source("Guest", 2))
    joining = asyncio.create_task(guest.client.join())
    await until(lambda: "" if Waiting() in guest.news else "does not wait")
    assert not host.client.people

    await accept(host, guest)
    await joining

    await until(lambda: "" if host.client.people else "not seen by the host")


async def accept(host: Participant, guest: Participant) -> None:
    """What a host's "Admit" button sends."""
    assert host.client.socket is not None
    assert guest.client.invitation is not None
    request = pb.RoomAcceptWaitingRoomRequests(user_ids=[guest.client.invitation.participant_id])
    await host.client.socket.tell(Room.ACCEPT_WAITING, request)


async def test_guest_who_is_not_admitted_gives_up(open_participant, meeting):
    guest = open_participant(meeting("Guest"), "Guest", None)

    with pytest.raises(CannotJoin, match="no host decided"):
        await guest.client.join(admission_timeout=0.2)


async def test_removed_participant_learns_why(join, meeting):
    host = await join(meeting("Host"), "Host", None)
    other = await join(meeting("Participant"), "Other", await tone_source("Other", 3))

    await host.client.socket.tell(
        Room.KICK, pb.RoomRemoveParticipantsRequest(peer_ids=[other.client.peer_id])
    )

    ended: Ended = await asyncio.wait_for(other.client.ended, 40)
    assert ended.ending is Ending.KICKED
    await other.client.leave()
    await until(lambda: "still seen" if host.client.people else "")


async def test_forged_token_is_refused_in_words(open_participant, meeting):
    token = meeting("Host")
    forged = open_participant(token[:-6] + "AAAAAA", "Mallory", None)

    with pytest.raises(CannotJoin, match="does not accept this token"):
        await forged.client.join()
