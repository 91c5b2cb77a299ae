"""Summaries when several servers and callers are about."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from parley.accounts.app_settings import AppSettings
from parley.accounts.scope import AppScope
from parley.base.clock import ManualClock
from parley.base.errors import TooMany, Unavailable
from parley.base.paging import PageRequest
from parley.bus import MemoryBus
from parley.channels.realtime.log import PublicationLog
from parley.conversations.messages.model import MessageChange, NewMessage
from parley.conversations.messages.service import Messages
from parley.conversations.messages.store import Counted
from parley.conversations.settings import AiSettings
from parley.conversations.summaries import service
from parley.conversations.summaries.engines import Writers
from parley.conversations.summaries.service import Summaries
from parley.conversations.threads.model import NewConversation
from parley.conversations.threads.service import Threads
from parley.insight.ports import Capabilities, Completion, Prompt, SummaryMaterial, TextEngine
from parley.people.model import Caller
from parley.people.service import People
from parley.store.listing import NEWEST_FIRST
from tests.waiting import until

ADA = Caller("ada", is_server=False)


class SlowEngine:
    """Answers when it is let."""

    name = "slow"
    capabilities = Capabilities(structured_output=True, is_model=True)

    def __init__(self) -> None:
        self.prompts: list[Prompt] = []
        self.free = asyncio.Event()

    def engine(self, settings: AiSettings) -> TextEngine:
        return self

    @property
    def asked(self) -> int:
        return len(self.prompts)

    async def register(self, user_id: str) -> None:
        pass

    async def complete(self, prompt: Prompt) -> Completion:
        self.prompts.append(prompt)
        await self.free.wait()
        answer = {"categories": [], "action_items": [], "key_decisions": [], "sentiment": "neutral"}
        return Completion(json.dumps({**answer, "overall_summary": f"Summary {self.asked}"}), 1)


@dataclass
class Servers:
    """Two servers on one database, and a conversation with a message."""

    engine: SlowEngine
    one: Summaries
    other: Summaries
    messages: Messages
    conversation: str

    async def was_asked(self, times: int = 1) -> None:
        await until(lambda: "" if self.engine.asked == times else f"asked {self.engine.asked} times")


@pytest_asyncio.fixture
async def servers(app_scope: AppScope) -> AsyncIterator[Servers]:
    log = PublicationLog(app_scope.store, lambda publications: None)
    bus, settings, engine = MemoryBus(), AppSettings(app_scope.store.clock), SlowEngine()
    threads = Threads(log)
    messages = Messages(log, threads)

    def server() -> Summaries:
        return Summaries(threads, Writers(engine, People(), settings), settings, bus)

    made = await threads.create(app_scope, ADA, NewConversation())
    await messages.create(app_scope, ADA, NewMessage(context_id=made.id, content="Hello"))
    both = Servers(engine, server(), server(), messages, made.id)
    yield both
    await both.one.stop()
    await both.other.stop()
    await log.stop()
    await bus.close()


async def test_two_servers_make_one_summary(servers: Servers, app_scope: AppScope):
    first = asyncio.create_task(servers.one.summary(app_scope, ADA, servers.conversation))
    await servers.was_asked()
    second = asyncio.create_task(servers.other.summary(app_scope, ADA, servers.conversation))
    servers.engine.free.set()
    made, heard = await first, await second
    assert made.summary is not None
    assert made.summary == heard.summary
    assert servers.engine.asked == 1


async def test_whoever_waits_too_long_is_told_that_it_is_pending(
    servers: Servers, app_scope: AppScope, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(service, "WAIT_S", 0.05)
    for server in (servers.one, servers.other):
        found = await server.summary(app_scope, ADA, servers.conversation)
        assert (found.status, found.summary) == ("pending", None)
    servers.engine.free.set()
    await until_made(servers, app_scope)
    assert servers.engine.asked == 1


async def until_made(servers: Servers, scope: AppScope) -> None:
    for _ in range(200):
        if (await servers.one.summary(scope, ADA, servers.conversation)).status == "completed":
            return
    raise AssertionError("the summary was never made")


async def test_a_caller_who_leaves_does_not_stop_the_others(servers: Servers, app_scope: AppScope):
    leaving = asyncio.create_task(servers.one.summary(app_scope, ADA, servers.conversation))
    await servers.was_asked()
    staying = asyncio.create_task(servers.one.summary(app_scope, ADA, servers.conversation))
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    servers.engine.free.set()
    assert (await staying).status == "completed"
    assert servers.engine.asked == 1


async def test_what_is_said_meanwhile_makes_the_summary_stale_at_once(servers: Servers, app_scope: AppScope):
    asked = asyncio.create_task(servers.one.summary(app_scope, ADA, servers.conversation))
    await servers.was_asked()
    await servers.messages.create(
        app_scope, ADA, NewMessage(context_id=servers.conversation, content="Wait!")
    )
    servers.engine.free.set()
    await asked
    after = await servers.one.summary(app_scope, ADA, servers.conversation)
    assert (after.status, after.is_cached) == ("stale", True)


async def test_what_is_changed_meanwhile_is_read_again(
    servers: Servers, app_scope: AppScope, clock: ManualClock
):
    asked = asyncio.create_task(servers.one.summary(app_scope, ADA, servers.conversation))
    await servers.was_asked()
    (said,) = (await servers.messages.page(app_scope, ADA, PageRequest(1, 5), NEWEST_FIRST)).rows
    clock.advance(1)
    await servers.messages.change(app_scope, ADA, said.id, MessageChange(content="Goodbye"))
    servers.engine.free.set()
    await asked
    clock.advance(61)
    after = await servers.one.summary(app_scope, ADA, servers.conversation)
    assert (after.status, after.is_cached) == ("completed", False)
    material = servers.engine.prompts[-1].material
    assert isinstance(material, SummaryMaterial)
    assert ([one.text for one in material.messages], material.previous) == (["Goodbye"], None)


async def test_an_empty_summary_that_comes_late_is_not_kept(
    servers: Servers, app_scope: AppScope, monkeypatch: pytest.MonkeyPatch
):
    servers.engine.free.set()
    counted = service.messages.counted

    async def too_early(*args: Any) -> Counted:
        monkeypatch.setattr(service.messages, "counted", counted)
        new = NewMessage(context_id=servers.conversation, content="Here I am")
        await servers.messages.create(app_scope, ADA, new)
        await servers.other.summary(app_scope, ADA, servers.conversation)
        return Counted(0, 0, None, None)

    monkeypatch.setattr(service.messages, "counted", too_early)
    await servers.one.summary(app_scope, ADA, servers.conversation)
    kept = await servers.one.summary(app_scope, ADA, servers.conversation)
    assert kept.summary is not None
    assert (kept.summary.content.summary.overall_summary, kept.is_cached) == ("Summary 1", True)


async def test_a_server_that_stops_tells_those_who_wait(servers: Servers, app_scope: AppScope):
    asked = asyncio.create_task(servers.one.summary(app_scope, ADA, servers.conversation))
    await servers.was_asked()
    await servers.one.stop()
    with pytest.raises(Unavailable):
        await asked
    with pytest.raises(TooMany):  # the other server does not wait for it; the call counts
        await servers.other.summary(app_scope, ADA, servers.conversation)
