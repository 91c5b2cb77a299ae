"""What the media engine receives is asked about and kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from parley.accounts.scope import AppScope
from parley.base.ids import MeetingId, ParticipantId, PeerId, SessionId, new_uuid
from parley.media.ports import Arriving, ArrivingStream, MediaError, PathEnd
from parley.meetings import service as meetings
from parley.meetings.live import store as live_store
from parley.meetings.model import Session, SessionSettings
from parley.meetings.ports import Publisher
from parley.meetings.ports import Stream as Published
from parley.meetings.service import MeetingInput
from parley.quality import store
from parley.quality.model import Stream
from parley.quality.watching import Uplinks, half


class Sender:
    """A transport of which the engine tells something, or fails to."""

    def __init__(self, *told: ArrivingStream, fails: bool = False) -> None:
        self.told, self.fails = told, fails
        self.path = (PathEnd("10.1.2.3", 20000, "host", "udp"), PathEnd("192.0.2.77", 4711, "srflx", "udp"))

    async def statistics(self) -> Arriving:
        if self.fails:
            raise MediaError("The media engine tells no statistics right now.")
        return Arriving(self.told, self.path)


class Running:
    """A running meeting (`meetings.ports.RunningMeeting`), as far as it is asked."""

    def __init__(self, scope: AppScope, meeting_id: MeetingId, session: Session) -> None:
        self.scope, self.id = scope, meeting_id
        self.session: Session | None = session
        self.inside: list[Publisher] = []

    def publishers(self) -> list[Publisher]:
        return self.inside

    def enter(self, sender: Any, *streams: str) -> PeerId:
        peer = PeerId(new_uuid())
        published = [Published(mid, mid, "audio", False) for mid in streams]
        person = ParticipantId(new_uuid())
        self.inside.append(Publisher(peer, person, "c", "Ann", None, {}, sender, published))
        return peer

    async def kept(self, peer: PeerId) -> list[Any]:
        assert self.session is not None
        rows = await store.samples(self.scope, self.session.id, peer)
        return store.decoded(rows).get(Stream.UPLINK, [])


@pytest_asyncio.fixture
async def running(app_scope: AppScope) -> AsyncIterator[Running]:
    meeting = await meetings.create_meeting(app_scope, MeetingInput(title="Weekly"))
    now = app_scope.now()
    session = Session(
        id=SessionId(new_uuid()),
        app_id=app_scope.app_id,
        meeting_id=meeting.id,
        title="Weekly",
        settings=SessionSettings(60, False, False, False, False, False),
        started_at=now,
        created_at=now,
        updated_at=now,
    )
    async with app_scope.change() as change:
        await live_store.insert_session(change, session)
    yield Running(app_scope, meeting.id, session)


def arriving(lost: int) -> ArrivingStream:
    return ArrivingStream("0", "audio", packets=100, bytes=8000, lost=lost, jitter_s=0.01)


async def test_what_arrives_of_everybody_is_kept(running: Running):
    ann, bob = (running.enter(Sender(arriving(lost)), "0") for lost in (5, 0))
    uplinks = Uplinks()
    uplinks.changed(running)
    await uplinks.measure()
    (sample,) = await running.kept(ann)
    assert (sample["packets_received"], sample["packets_lost"], sample["jitter"]) == (100, 5, 0.01)
    assert (sample["mid"], sample["timestamp"]) == ("0", "2026-01-01T00:00:00.000Z")
    assert [each["packets_lost"] for each in await running.kept(bob)] == [0]


async def test_one_that_cannot_be_asked_does_not_keep_the_others_from_being_asked(running: Running):
    gone = running.enter(Sender(fails=True), "0")
    silent = running.enter(Sender(arriving(1)))  # publishes nothing
    viewer = running.enter(None)
    ann = running.enter(Sender(arriving(1)), "0")
    uplinks = Uplinks()
    uplinks.changed(running)
    await uplinks.measure()
    assert [len(await running.kept(each)) for each in (gone, silent, viewer, ann)] == [0, 0, 0, 1]


async def test_a_meeting_that_ended_is_not_asked_any_more(running: Running):
    ann = running.enter(Sender(arriving(0)), "0")
    uplinks = Uplinks()
    uplinks.changed(running)
    session, running.session = running.session, None
    await uplinks.measure()
    running.session = session
    await uplinks.measure()  # forgotten until it tells of itself again
    assert await running.kept(ann) == []
    uplinks.changed(running)
    await uplinks.measure()
    assert len(await running.kept(ann)) == 1


async def test_the_way_that_media_takes_is_noted_once(running: Running):
    ann = running.enter(Sender(arriving(0)), "0")
    uplinks = Uplinks()
    uplinks.changed(running)
    await uplinks.measure()
    await uplinks.measure()
    assert running.session is not None
    known = await store.metadata(running.scope, running.session.id, ann)
    (pair,) = known.candidate_pairs["producing_transport"]
    assert (pair["local_candidate_address"], pair["local_candidate_type"]) == ("192.0.0.0", "srflx")
    assert (pair["remote_candidate_address"], pair["remote_candidate_port"]) == ("10.1.2.3", 20000)


@pytest.mark.parametrize(
    ("address", "kept"),
    [("192.0.2.77", "192.0.0.0"), ("2001:db8:1:2:3::4", "2001:db8:1::"), ("x.local", ""), ("", "")],
)
def test_addresses_are_kept_in_part(address: str, kept: str):
    assert half(address) == kept
