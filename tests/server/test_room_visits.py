"""Visitors of a room's page: who is let in, as whom, and for how long."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from parley.accounts.scope import AppScope, Scope
from parley.base.clock import ManualClock
from parley.base.errors import NotFound, TooMany
from parley.bus import MemoryBus
from parley.channels.realtime.presence import Presence
from parley.channels.realtime.tokens import ConnectionTokens, OneRoom
from parley.meetings.tokens import ParticipantTokens
from parley.people.model import Caller, PersonChange
from parley.people.service import People
from parley.rooms import service
from parley.rooms.live import LiveRooms
from parley.rooms.model import NewRoom, Role, Room, RoomSettings
from parley.rooms.tokens import LIFETIME_S, RoomTokens
from parley.server.demo import Demo
from parley.server.room_visits import LIFETIME, LIMIT, RoomVisits
from parley.store.core import Store
from parley.web.rooms import LinkExpired, LinkRefused, NotInvited, RoomEnded

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest_asyncio.fixture
async def tokens(store: Store) -> RoomTokens:
    """Of that store."""
    tokens = RoomTokens(store)
    await tokens.open()
    return tokens


@pytest_asyncio.fixture
async def connections(store: Store) -> ConnectionTokens:
    """Of that store."""
    return await ConnectionTokens.of_store(store)


@pytest_asyncio.fixture
async def demo(scope: Scope, store: Store) -> Demo:
    """Of that store."""
    return Demo(scope, await ParticipantTokens.of_store(store))


@pytest_asyncio.fixture
async def visits(
    store: Store, tokens: RoomTokens, connections: ConnectionTokens, demo: Demo, clock: ManualClock
) -> AsyncIterator[RoomVisits]:
    """Those of one server."""
    bus = MemoryBus(clock)
    live = LiveRooms(clock, Presence(clock, None, "node", lambda change: None), tokens, "node")
    yield RoomVisits(store, live, connections, bus, demo)
    await bus.close()


@pytest_asyncio.fixture
async def room(app_scope: AppScope) -> Room:
    """Of an app that is not the demo's."""
    return await service.create_room(app_scope, NewRoom(name="Stand-up"), None)


async def test_a_token_for_anybody_makes_a_guest_for_this_room_alone(
    visits: RoomVisits, tokens: RoomTokens, connections: ConnectionTokens, room: Room, app_scope: AppScope
) -> None:
    token = tokens.issue(room.id, None, Role.HOST)
    seen = await visits.visit(room.id, token, None, None)
    assert (seen.room_name, seen.people, seen.user_name) == ("Stand-up", 0, None)
    assert seen.connection_token is None
    claims = [
        connections.verify((await visits.visit(room.id, token, None, name)).connection_token or "")
        for name in ("Ada", "Bob")
    ]
    assert [one.info["name"] for one in claims] == ["Ada", "Bob"]
    assert all(one.sub.startswith("guest-") for one in claims)
    assert claims[0].sub != claims[1].sub
    for one in claims:
        assert (one.app, one.ch, one.room) == (app_scope.app_id, [], OneRoom(room.id, "host"))


@pytest.mark.parametrize(("enabled", "topology"), [(True, "sfu"), (True, "mesh"), (False, "sfu")])
async def test_visitors_are_told_that_the_server_records(
    visits: RoomVisits, tokens: RoomTokens, app_scope: AppScope, enabled: bool, topology: str
) -> None:
    new = NewRoom(name="Stand-up", recording_enabled=enabled, settings=RoomSettings(topology=topology))
    room = await service.create_room(app_scope, new, None)
    seen = await visits.visit(room.id, tokens.issue(room.id, None, Role.HOST), None, None)
    assert seen.is_recorded == (enabled and topology == "sfu")


async def test_a_token_for_a_user_makes_that_user_under_the_apps_name(
    visits: RoomVisits, tokens: RoomTokens, connections: ConnectionTokens, room: Room, app_scope: AppScope
) -> None:
    token = tokens.issue(room.id, "bob", Role.PARTICIPANT, participant_id="p_1")
    assert (await visits.visit(room.id, token, None, None)).user_name is None
    await People().register(app_scope, Caller(None, True), "bob", PersonChange(name="Bob Stone"))
    found = await visits.visit(room.id, token, None, "The boss")
    assert found.user_name == "Bob Stone"
    claims = connections.verify(found.connection_token or "")
    assert (claims.sub, claims.info) == ("bob", {"name": "Bob Stone"})
    assert claims.room == OneRoom(room.id, "participant", "p_1")


async def test_whoever_came_in_stays_who_they_are_after_the_link_has_expired_but_not_for_ever(
    visits: RoomVisits, tokens: RoomTokens, connections: ConnectionTokens, room: Room, clock: ManualClock
) -> None:
    token = tokens.issue(room.id, None, Role.HOST)
    first = (await visits.visit(room.id, token, None, "Ada")).connection_token
    clock.advance(LIFETIME_S + 1)
    again = (await visits.visit(room.id, token, first, "Ada L.")).connection_token
    before, after = connections.verify(first or ""), connections.verify(again or "")
    assert (after.sub, after.room, after.exp) == (before.sub, before.room, before.exp)
    assert after.info["name"] == "Ada L."
    clock.advance(LIFETIME.total_seconds())
    with pytest.raises(LinkExpired):
        await visits.visit(room.id, token, again, "Ada")


async def test_what_another_room_or_the_api_gave_lets_nobody_in(
    visits: RoomVisits, tokens: RoomTokens, connections: ConnectionTokens, room: Room, app_scope: AppScope
) -> None:
    other = await service.create_room(app_scope, NewRoom(name="Other"), None)
    there = await visits.visit(other.id, tokens.issue(other.id, None, Role.HOST), None, "Ada")
    usual, _ = connections.issue(app_scope.app_id, "live", "ada", [], ttl=timedelta(hours=1))
    for earlier in (there.connection_token, usual, "nonsense"):
        with pytest.raises(NotInvited):
            await visits.visit(room.id, None, earlier, "Ada")
    for token in ("", "nonsense", usual, tokens.issue(other.id, None, Role.HOST)):
        with pytest.raises(LinkRefused):
            await visits.visit(room.id, token, None, "Ada")


async def test_only_open_rooms_of_the_demo_take_whoever_knows_their_address(
    visits: RoomVisits, demo: Demo, room: Room
) -> None:
    scope = await demo.app()
    opened = await service.create_room(scope, NewRoom(name="Demo"), None)
    closed = await service.create_room(scope, NewRoom(name="Demo", access="token"), None)
    assert (await visits.visit(opened.id, None, None, "Ada")).connection_token
    for one in (closed, room):
        with pytest.raises(NotInvited):
            await visits.visit(one.id, None, None, "Ada")


async def test_a_room_that_is_over_or_never_was_says_so(
    visits: RoomVisits, tokens: RoomTokens, room: Room, app_scope: AppScope
) -> None:
    token = tokens.issue(room.id, None, Role.HOST)
    await service.end_room(app_scope, room.id)
    with pytest.raises(RoomEnded):
        await visits.visit(room.id, token, None, "Ada")
    for wrong in ("room_nowhere", "../admin", "room_\u0000"):
        with pytest.raises(NotFound):
            await visits.visit(wrong, token, None, "Ada")


async def test_beyond_the_limit_of_a_minute_nobody_comes(
    visits: RoomVisits, tokens: RoomTokens, room: Room, clock: ManualClock
) -> None:
    token = tokens.issue(room.id, None, Role.HOST)
    for _ in range(LIMIT):
        with pytest.raises(LinkRefused):
            await visits.visit(room.id, "nonsense", None, None)
    for _ in range(LIMIT):
        await visits.visit(room.id, token, None, None)
    with pytest.raises(TooMany):
        await visits.visit(room.id, token, None, None)
    clock.advance(61)
    await visits.visit(room.id, token, None, None)
