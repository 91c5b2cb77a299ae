"""What the media engine receives is asked about and kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from parley.accounts.scope import AppScope
from parley.base.ids import MeetingId, ParticipantId, PeerId, SessionId, new_uuid
from parley.media.ports import MediaError, PathEnd, SectionStatistics, Source, TransportStatistics
from parley.meetings import service as meetings
from parley.meetings.live import store as live_store
from parley.meetings.model import Session, SessionSettings
from parley.meetings.ports import Publisher
from parley.meetings.ports import Stream as Published
from parley.meetings.service import MeetingInput
from parley.quality import store
from parley.quality.model import Stream
from parley.quality.watching import EngineStatistics, half


class Transport:
    """One of which the engine tells something, or fails to."""

    def __init__(self, *told: SectionStatistics, fails: bool = False) -> None:
        self.id = new_uuid()
        self.told, self.fails = told, fails
        self.path = (PathEnd("10.1.2.3", 20000, "host", "udp"), PathEnd("192.0.2.77", 4711, "srflx", "udp"))

    async def statistics(self) -> TransportStatistics:
        if self.fails:
            raise MediaError("The media engine tells no statistics right now.")
        return TransportStatistics(self.told, self.path)


class Running:
    """A running meeting (`meetings.ports.RunningMeeting`), as far as it is asked."""

    def __init__(self, scope: AppScope, meeting_id: MeetingId, session: Session) -> None:
        self.scope, self.id = scope, meeting_id
        self.session: Session | None = session
        self.inside: list[Publisher] = []

    def publishers(self) -> list[Publisher]:
        return self.inside

    def enter(self, sender: Any, *streams: str, receiver: Any = None) -> PeerId:
        peer = PeerId(new_uuid())
        published = [Published(f"of {mid}", mid, "audio", mid == "screen") for mid in streams]
        person = ParticipantId(new_uuid())
        publisher = Publisher(peer, person, "c", "Ann", None, {}, sender, published, receiver=receiver)
        self.inside.append(publisher)
        return peer

    async def kept(self, peer: PeerId, stream: Stream = Stream.UPLINK) -> list[Any]:
        assert self.session is not None
        rows = await store.samples(self.scope, self.session.id, peer)
        return store.decoded(rows).get(stream, [])


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


def arriving(lost: int) -> SectionStatistics:
    return SectionStatistics("0", "audio", packets=100, bytes=8000, lost=lost, jitter_s=0.01)


async def test_what_arrives_of_everybody_is_kept(running: Running):
    ann, bob = (running.enter(Transport(arriving(lost)), "0") for lost in (5, 0))
    statistics = EngineStatistics()
    statistics.changed(running)
    await statistics.measure()
    (sample,) = await running.kept(ann)
    assert (sample["packets_received"], sample["packets_lost"], sample["jitter"]) == (100, 5, 0.01)
    assert (sample["mid"], sample["timestamp"]) == ("0", "2026-01-01T00:00:00.000Z")
    assert [each["packets_lost"] for each in await running.kept(bob)] == [0]


def sent(mid: str, source: Source, packets: int, lost: int) -> SectionStatistics:
    return SectionStatistics(mid, "audio", packets, 80 * packets, lost, 0.02, rtt_s=0.06, source=source)


async def test_what_everybody_gets_is_kept_by_kind_while_sections_come_and_go(running: Running):
    sender = Transport(arriving(0))
    running.enter(sender, "0", "1", "screen")
    first, second, screen = (Source(sender.id, mid) for mid in ("0", "1", "screen"))
    receiver = Transport(sent("2", first, 100, 10), sent("3", second, 50, 0), sent("4", screen, 7, 1))
    bob = running.enter(None, receiver=receiver)
    statistics = EngineStatistics()
    statistics.changed(running)
    await statistics.measure()
    receiver.told = (sent("2", first, 150, 10), sent("3", Source("gone", "9"), 60, 5))
    await statistics.measure()
    receiver.told = (sent("2", first, 160, 10), sent("3", second, 10, 1))  # which began anew
    await statistics.measure()
    kept = await running.kept(bob, Stream.DOWNLINK)
    assert [(each["packets_received"], each["packets_lost"], each.get("screen", False)) for each in kept] == [
        (140, 10, False),
        (6, 1, True),
        (190, 10, False),
        (209, 11, False),
    ]
    assert {(each["kind"], each["rtt"], each["jitter"]) for each in kept} == {("audio", 0.06, 0.02)}


async def test_what_is_sent_has_the_round_trip_of_what_is_received(running: Running):
    sender = Transport(arriving(0))
    ann = running.enter(sender, "0", receiver=Transport(sent("2", Source(sender.id, "0"), 10, 0)))
    statistics = EngineStatistics()
    statistics.changed(running)
    await statistics.measure()
    (sample,) = await running.kept(ann)
    assert (sample["rtt"], sample["producer_id"]) == (0.06, "of 0")


async def test_one_that_cannot_be_asked_does_not_keep_the_others_from_being_asked(running: Running):
    gone = running.enter(Transport(fails=True), "0")
    silent = running.enter(Transport(arriving(1)))  # publishes nothing
    viewer = running.enter(None)
    ann = running.enter(Transport(arriving(1)), "0")
    statistics = EngineStatistics()
    statistics.changed(running)
    await statistics.measure()
    assert [len(await running.kept(each)) for each in (gone, silent, viewer, ann)] == [0, 0, 0, 1]


async def test_a_meeting_that_ended_is_not_asked_any_more(running: Running):
    ann = running.enter(Transport(arriving(0)), "0")
    statistics = EngineStatistics()
    statistics.changed(running)
    session, running.session = running.session, None
    await statistics.measure()
    running.session = session
    await statistics.measure()  # forgotten until it tells of itself again
    assert await running.kept(ann) == []
    statistics.changed(running)
    await statistics.measure()
    assert len(await running.kept(ann)) == 1


async def test_the_way_that_media_takes_is_noted_once(running: Running):
    ann = running.enter(Transport(arriving(0)), "0")
    statistics = EngineStatistics()
    statistics.changed(running)
    await statistics.measure()
    await statistics.measure()
    assert running.session is not None
    known = await store.metadata(running.scope, running.session.id, ann)
    (pair,) = known.candidate_pairs["producing_transport"]
    assert (pair["local_candidate_address"], pair["local_candidate_type"]) == ("192.0.0.0", "srflx")
    assert (pair["remote_candidate_address"], pair["remote_candidate_port"]) == ("10.1.2.3", 20000)
    assert "consuming_transport" not in known.candidate_pairs


@pytest.mark.parametrize(
    ("address", "kept"),
    [("192.0.2.77", "192.0.0.0"), ("2001:db8:1:2:3::4", "2001:db8:1::"), ("x.local", ""), ("", "")],
)
def test_addresses_are_kept_in_part(address: str, kept: str):
    assert half(address) == kept
