"""Users are registered once, and again when the provider has forgotten them."""

from __future__ import annotations

import asyncio

import pytest

from parley.insight.ports import (
    AlreadyRegistered,
    Capabilities,
    Completion,
    EngineRefused,
    EngineUnavailable,
    Prompt,
    UnknownUser,
)
from parley.insight.registration import RegisteringEngine
from tests.insight.talks import summary_prompt


class Marks:
    """Marks in memory."""

    def __init__(self) -> None:
        self.users: set[str] = set()

    async def is_registered(self, engine: str, user_id: str) -> bool:
        await asyncio.sleep(0)
        return user_id in self.users

    async def mark(self, engine: str, user_id: str) -> None:
        self.users.add(user_id)

    async def clear(self, engine: str, user_id: str) -> None:
        self.users.discard(user_id)


class Accounts:
    """A provider that knows its users, and refuses to register one twice."""

    name = "accounts"
    capabilities = Capabilities(structured_output=True, is_model=True)

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.calls: list[str] = []
        self.failure: Exception | None = None
        self.forgets_at_once = False

    async def register(self, user_id: str) -> None:
        self.calls.append("register")
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        if user_id in self.known:
            raise AlreadyRegistered("known", reached_provider=True)
        if not self.forgets_at_once:
            self.known.add(user_id)

    async def complete(self, prompt: Prompt) -> Completion:
        self.calls.append("complete")
        await asyncio.sleep(0)
        if prompt.user_id not in self.known:
            raise UnknownUser("who?", reached_provider=True)
        return Completion("text", 7)


@pytest.fixture
def accounts() -> Accounts:
    return Accounts()


@pytest.fixture
def marks() -> Marks:
    return Marks()


@pytest.fixture
def engine(accounts: Accounts, marks: Marks) -> RegisteringEngine:
    return RegisteringEngine(accounts, marks)


async def test_the_first_prompt_registers_and_later_ones_do_not(
    engine: RegisteringEngine, accounts: Accounts
) -> None:
    for _ in range(3):
        assert (await engine.complete(summary_prompt())).text == "text"
    assert accounts.calls == ["register", "complete", "complete", "complete"]


async def test_a_provider_that_forgot_the_user_is_told_again(
    engine: RegisteringEngine, accounts: Accounts, marks: Marks
) -> None:
    marks.users.add("user-1")
    assert (await engine.complete(summary_prompt())).tokens_used == 7
    assert accounts.calls == ["complete", "register", "complete"]
    assert marks.users == {"user-1"}


async def test_a_user_known_already_counts_as_registered(
    engine: RegisteringEngine, accounts: Accounts, marks: Marks
) -> None:
    accounts.known.add("user-1")
    await engine.complete(summary_prompt())
    assert marks.users == {"user-1"}


async def test_registering_again_is_tried_once_only(engine: RegisteringEngine, accounts: Accounts) -> None:
    accounts.forgets_at_once = True
    with pytest.raises(UnknownUser):
        await engine.complete(summary_prompt())
    assert accounts.calls == ["register", "complete", "register", "complete"]


async def test_a_failed_registration_leaves_no_mark_and_asks_nothing(
    engine: RegisteringEngine, accounts: Accounts, marks: Marks
) -> None:
    accounts.failure = EngineRefused("wrong key", reached_provider=True)
    with pytest.raises(EngineUnavailable) as caught:
        await engine.complete(summary_prompt())
    assert (marks.users, accounts.calls) == (set(), ["register"])
    assert caught.value.detail == "wrong key"
    accounts.failure = None
    await engine.complete(summary_prompt())
    assert marks.users == {"user-1"}


async def test_prompts_at_once_register_their_user_once(
    engine: RegisteringEngine, accounts: Accounts
) -> None:
    await asyncio.gather(*(engine.complete(summary_prompt()) for _ in range(20)))
    assert accounts.calls.count("register") == 1


async def test_users_do_not_wait_for_each_other(engine: RegisteringEngine, accounts: Accounts) -> None:
    await asyncio.gather(*(engine.complete(summary_prompt(user_id=f"u{n}")) for n in range(5)))
    assert accounts.calls.index("complete") > 4


async def test_it_is_the_engine_to_everybody_else(engine: RegisteringEngine, accounts: Accounts) -> None:
    assert (engine.name, engine.capabilities) == (accounts.name, accounts.capabilities)
