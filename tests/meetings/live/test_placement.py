"""Which server runs a meeting: one loses it, another takes it, and people only reconnect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from parley.accounts.scope import Scope
from parley.accounts.service import app_scope
from parley.base.clock import ManualClock
from parley.base.ids import PeerId, new_uuid
from parley.bus import MemoryBus
from parley.meetings.events import ParticipantLeft
from parley.meetings.live.meeting import LiveMeeting
from parley.meetings.live.placement import LEASE
from parley.meetings.model import Meeting
from parley.meetings.participants import get_participant_with_preset
from parley.store.blobs import Blobs
from parley.store.core import Store
from parley.store.secrets import Vault
from parley.stream.closing import Close
from parley.wire.realtimekit.client.events import Room
from tests.store.databases import connected
from tests.waiting import DEADLINE_S
from tests.wire.realtimekit.client.house import House, house_on, new_app
from tests.wire.realtimekit.client.test_shared import get, put
from tests.wire.realtimekit.serving import Silent


class Pair(NamedTuple):
    """Two servers on one database and one bus."""

    one: House
    two: House
    bus: MemoryBus

    async def held_by(self, meeting: Meeting, house: House | None) -> None:
        """Wait until that server holds the meeting's lease, or nobody does."""
        wanted = house.placement.node_id if house else None
        async with asyncio.timeout(DEADLINE_S):
            while await self.bus.holder_of(f"meeting:{meeting.id}") != wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.005)


@pytest_asyncio.fixture
async def pair(
    store: Store,
    scope: Scope,
    database_url: str,
    clock: ManualClock,
    blobs: Blobs,
    vault: Vault,
    logged: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Pair]:
    monkeypatch.setattr("parley.meetings.live.placement.RENEW_EVERY_S", 0.02)
    monkeypatch.setattr("parley.meetings.live.media.RETURN_TIMEOUT_S", 0.01)  # nobody has media here
    bus = MemoryBus(clock)
    app = await new_app(scope)
    async with connected(database_url) as database:
        second = Store.over(database, clock, blobs, vault)
        apps = app, await app_scope(second, app.app_id, "system")
        async with house_on(store, apps[0], bus=bus) as one, house_on(second, apps[1], bus=bus) as two:
            yield Pair(one, two, bus)
    await bus.close()


async def test_a_lost_lease_sends_everybody_to_the_new_home(pair: Pair, clock: ManualClock) -> None:
    meeting = await pair.one.meeting()
    peer, waits_for_nothing = await pair.one.guest(meeting), await pair.one.guest(meeting)
    await put(peer, "board", x=b"1")
    before = await peer.ask(Room.GET_ROOM)

    clock.advance(LEASE.total_seconds() + 1)  # as after a long sleep, or when Redis forgot
    assert await peer.gone() == await waits_for_nothing.gone() == Close.RESTART
    assert pair.one.live(meeting) is None

    back = await pair.two.come(peer.token, peer_id=peer.id)
    assert pair.two.live(meeting) is not None
    assert (await back.ask(Room.GET_ROOM)).room.room_uuid == before.room.room_uuid
    assert await get(back, "board") == {"x": b"1"}
    through_the_old_one = await pair.one.come(waits_for_nothing.token, peer_id=waits_for_nothing.id)
    assert pair.one.live(meeting) is None
    roster = await through_the_old_one.ask(Room.GET_PEERS)
    assert {each.peer_id for each in roster.peers} == {peer.id, waits_for_nothing.id}
    assert pair.one.events(ParticipantLeft) == pair.two.events(ParticipantLeft) == []


async def test_a_lost_lease_that_nobody_took_is_taken_again(pair: Pair, clock: ManualClock) -> None:
    meeting = await pair.one.meeting()
    peer = await pair.one.guest(meeting)
    await put(peer, "board", x=b"1")
    clock.advance(LEASE.total_seconds() + 1)
    assert await peer.gone() == Close.RESTART
    await pair.held_by(meeting, None)

    back = await pair.one.come(peer.token, peer_id=peer.id)

    await pair.held_by(meeting, pair.one)
    assert await get(back, "board") == {"x": b"1"}
    assert pair.one.events(ParticipantLeft) == []


async def freed(pair: Pair, meeting: Meeting) -> LiveMeeting:
    """The meeting as a handshake found it on the first server, which has freed it since then."""
    live = await pair.one.registry.open(pair.one.app, meeting.id)
    await pair.held_by(meeting, pair.one)
    pair.one.registry.drop_if_deserted(live)
    await pair.held_by(meeting, None)
    return live


async def connect(house: House, live: LiveMeeting, meeting: Meeting) -> Silent:
    """What ends a handshake."""
    person, _ = await house.invite(meeting)
    participant, preset, _ = await get_participant_with_preset(house.app, person.id)
    link = Silent()
    house.registry.hold(live).connections.connect(participant, preset, PeerId(new_uuid()), link, new_uuid())
    return link


async def test_a_meeting_freed_during_a_handshake_is_held_again(pair: Pair) -> None:
    meeting = await pair.one.meeting()
    live = await freed(pair, meeting)

    link = await connect(pair.one, live, meeting)

    await pair.held_by(meeting, pair.one)
    assert pair.one.live(meeting) is live
    assert link.closed is None
    _, token = await pair.one.invite(meeting)
    guest = await pair.two.come(token)  # relayed: the other server knows where it is
    assert pair.two.live(meeting) is None
    assert guest.is_open


async def test_a_meeting_that_moved_during_a_handshake_is_not_run_twice(pair: Pair) -> None:
    """Its old home ran it without a lease, next to its new home."""
    meeting = await pair.one.meeting()
    live = await freed(pair, meeting)
    _, token = await pair.one.invite(meeting)
    there = await pair.two.come(token)
    assert pair.two.live(meeting) is not None

    link = await connect(pair.one, live, meeting)

    async with asyncio.timeout(DEADLINE_S):
        while link.closed is None:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert link.closed == Close.RESTART
    assert pair.one.live(meeting) is None
    await there.settle()


async def test_a_meeting_lost_during_a_handshake_is_opened_anew(pair: Pair, clock: ManualClock) -> None:
    """Its old object knew the session and nobody in it."""
    meeting = await pair.one.meeting()
    peer = await pair.one.guest(meeting)
    live = pair.one.live(meeting)
    assert live is not None
    clock.advance(LEASE.total_seconds() + 1)
    assert await peer.gone() == Close.RESTART

    link = await connect(pair.one, live, meeting)

    assert link.closed == Close.RESTART
    assert pair.one.live(meeting) is None
    await pair.one.come(peer.token, peer_id=peer.id)
    assert pair.one.live(meeting) is not live
