"""Demo meetings: what each kind offers, and how many are made in a minute."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from parley.accounts import service as accounts
from parley.accounts.scope import Scope
from parley.base.clock import ManualClock
from parley.base.errors import Invalid, TooMany
from parley.base.paging import Order, PageRequest
from parley.bus import MemoryBus
from parley.meetings import service
from parley.meetings.model import Meeting
from parley.meetings.tokens import ParticipantTokens
from parley.server.demo import APP_NAME, KINDS, LIMIT, LIMIT_WINDOW, Demo
from parley.store.core import Store


@pytest_asyncio.fixture
async def bus(clock: ManualClock) -> AsyncIterator[MemoryBus]:
    """On the test's clock."""
    bus = MemoryBus(clock)
    yield bus
    await bus.close()


@pytest_asyncio.fixture
async def tokens(store: Store) -> ParticipantTokens:
    """Of that store."""
    return await ParticipantTokens.of_store(store)


async def made_meetings(scope: Scope) -> int:
    """How many demo meetings there are, in however many apps."""
    found = await accounts.list_apps(scope, APP_NAME, Order.ASC, PageRequest(1, 100))
    assert len(found.rows) <= 1
    wanted, page = service.MeetingFilter(), PageRequest(1, 100)
    pages = [await service.list_meetings(scope.app(app.id), wanted, page, Meeting) for app in found.rows]
    return sum(each.total for each in pages)


@pytest.mark.parametrize("kind", KINDS)
async def test_each_role_has_a_token_of_its_own(scope: Scope, tokens: ParticipantTokens, kind: str) -> None:
    made = await Demo(scope, tokens).create("Hello", kind)
    assert [(link.role, link.preset) for link in made.links] == KINDS[kind]
    claims = [tokens.verify(link.token) for link in made.links]
    assert {each.meeting_id for each in claims} == {made.id}
    assert len({each.participant_id for each in claims}) == len(KINDS[kind])


async def test_demos_asked_for_at_the_same_time_share_an_app(scope: Scope, tokens: ParticipantTokens) -> None:
    """The first ones each made an app of their own."""
    demo = Demo(scope, tokens)
    await asyncio.gather(*(demo.create("Hello", "webinar") for _ in range(5)))
    assert await made_meetings(scope) == 5


async def test_an_unknown_kind_makes_nothing(scope: Scope, tokens: ParticipantTokens, bus: MemoryBus) -> None:
    with pytest.raises(Invalid, match="no demo of kind party"):
        await Demo(scope, tokens, bus).create("Hello", "party")
    assert await made_meetings(scope) == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_beyond_the_limit_of_a_minute_nothing_is_made(
    scope: Scope, tokens: ParticipantTokens, bus: MemoryBus, clock: ManualClock
) -> None:
    demo, another_server = Demo(scope, tokens, bus), Demo(scope, tokens, bus)
    for number in range(LIMIT):
        await (demo if number % 2 else another_server).create("Hello", "webinar")
    for full in (demo, another_server):
        with pytest.raises(TooMany) as refused:
            await full.create("One too many", "webinar")
        assert refused.value.retry_after_s == LIMIT_WINDOW.total_seconds()
    assert await made_meetings(scope) == LIMIT

    clock.advance(LIMIT_WINDOW.total_seconds() + 1)
    await demo.create("A minute later", "webinar")
    assert await made_meetings(scope) == LIMIT + 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_command_line_has_no_limit(scope: Scope, tokens: ParticipantTokens) -> None:
    demo = Demo(scope, tokens)
    for _ in range(LIMIT + 1):
        await demo.create("Hello", "webinar")
    assert await made_meetings(scope) == LIMIT + 1
