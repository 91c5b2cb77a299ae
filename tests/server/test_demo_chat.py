"""The demo chat: who is let in, and what their tokens open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from parley.accounts import app_settings, keys
from parley.accounts.app_settings import AppSettings
from parley.accounts.scope import Scope
from parley.accounts.user_tokens import UserTokens
from parley.base.clock import ManualClock
from parley.base.errors import TooMany
from parley.bus import MemoryBus
from parley.channels.realtime.grants import Grants, Op
from parley.channels.realtime.settings import SECTION, ChannelSettings
from parley.channels.realtime.tokens import ConnectionTokens
from parley.meetings.tokens import ParticipantTokens
from parley.outgoing.http import OutgoingHttp, OutgoingPolicy
from parley.server.demo import Demo
from parley.server.demo_chat import LIMIT, USER_TOKEN_LIFETIME, DemoChat
from parley.store.core import Store

SPACE, OTHER_SPACE = "k3f9x2a7q1", "zzzzzzzzzz"


@pytest_asyncio.fixture
async def bus(clock: ManualClock) -> AsyncIterator[MemoryBus]:
    """On the test's clock."""
    bus = MemoryBus(clock)
    yield bus
    await bus.close()


@pytest_asyncio.fixture
async def demo(scope: Scope, store: Store) -> Demo:
    """Of that store."""
    return Demo(scope, await ParticipantTokens.of_store(store))


@pytest_asyncio.fixture
async def tokens(store: Store) -> ConnectionTokens:
    """Of that store."""
    return await ConnectionTokens.of_store(store)


@pytest.fixture
def chat(demo: Demo, tokens: ConnectionTokens, bus: MemoryBus) -> DemoChat:
    """The demo chat of one server."""
    return DemoChat(demo, tokens, bus)


async def test_a_visitor_is_a_user_of_the_demos_app(
    chat: DemoChat, demo: Demo, store: Store, tokens: ConnectionTokens, clock: ManualClock
) -> None:
    visitor = await chat.admit("Ada", SPACE, None)
    holder = await keys.authenticate_key(store, visitor.api_key)
    assert holder.app.id == (await demo.app()).app_id
    assert not holder.is_secret
    http = OutgoingHttp(OutgoingPolicy())
    user = await UserTokens(AppSettings(clock), http, clock).verify(holder.scope, visitor.user_token)
    await http.close()
    claims = tokens.verify(visitor.connection_token)
    assert user.id == visitor.user_id == claims.sub
    assert user.name == "Ada" == claims.info["name"]
    assert user.scopes == frozenset()


async def test_the_token_opens_the_channels_of_one_space(chat: DemoChat, tokens: ConnectionTokens) -> None:
    grants = Grants(tokens.verify((await chat.admit("Ada", SPACE, None)).connection_token).ch)
    assert grants.allow(f"chat:{SPACE}:general", Op.PUBLISH)
    assert not grants.allow(f"chat:{OTHER_SPACE}:general", Op.SUBSCRIBE)
    assert tokens.verify((await chat.admit("Ada", None, None)).connection_token).ch == []


async def test_visitors_cannot_ask_for_more_channels_themselves(chat: DemoChat, demo: Demo) -> None:
    await chat.admit("Ada", SPACE, None)
    settings = await app_settings.read(await demo.app(), SECTION, ChannelSettings)
    assert settings.client_grants == settings.default_grants == []


async def test_whoever_shows_an_earlier_token_stays_the_same_user(chat: DemoChat, clock: ManualClock) -> None:
    first = await chat.admit("Ada", SPACE, None)
    clock.advance(USER_TOKEN_LIFETIME.total_seconds() + 1)
    assert (await chat.admit("Ada L.", SPACE, first.user_token)).user_id == first.user_id


@pytest.mark.parametrize("forged", ["", "nonsense", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJndWVzdC0xIn0."])
async def test_a_token_that_is_not_ours_counts_as_none(chat: DemoChat, forged: str) -> None:
    ada = await chat.admit("Ada", SPACE, None)
    visitors = [await chat.admit("Eve", SPACE, forged), await chat.admit("Eve", SPACE, ada.connection_token)]
    assert len({ada.user_id, *(visitor.user_id for visitor in visitors)}) == 3


async def test_all_visitors_and_servers_share_one_key(
    demo: Demo, tokens: ConnectionTokens, bus: MemoryBus
) -> None:
    chat = DemoChat(demo, tokens, bus)
    found = await asyncio.gather(*(chat.admit("Ada", SPACE, None) for _ in range(4)))
    found.append(await DemoChat(demo, tokens, bus).admit("Bob", SPACE, None))
    assert len({visitor.api_key for visitor in found}) == 1
    assert len(await keys.signing_keys(await demo.app())) == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_beyond_the_limit_of_a_minute_nobody_is_let_in(chat: DemoChat, clock: ManualClock) -> None:
    for _ in range(LIMIT):
        await chat.admit("Ada", SPACE, None)
    with pytest.raises(TooMany):
        await chat.admit("Ada", SPACE, None)
    clock.advance(61)
    await chat.admit("Ada", SPACE, None)
