"""Shorthands of the conversations' tests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from parley.base.ids import new_uuid
from tests.wire.block.serving import Block

Say = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def say(block: Block) -> Say:
    """Send a message: `await say("ada", context, "Hello")`; its attributes."""

    async def send(who: str | None, context: str | None, content: str, **more: Any) -> dict[str, Any]:
        message = {"context_id": context, "content": content, **more}
        answer = await block.ask(who, "POST", "/messages", {"message": message}, status=201)
        return answer["data"]["attributes"]

    return send


Talk = Callable[..., Awaitable[str]]


@pytest.fixture
def talk(block: Block) -> Talk:
    """Make a conversation: `await talk("ada", "ben", "cem")`; its id. The first one makes it."""

    async def make(*people: str, roles: dict[str, str] | None = None, **more: Any) -> str:
        participants = [
            {"user_unique_id": block.person(name).id, "role": (roles or {}).get(name)} for name in people
        ]
        body = {"participants": participants, **more}
        answer = await block.ask(people[0], "POST", "/conversations", body, status=201)
        return answer["data"]["id"]

    return make


@pytest.fixture
def context() -> str:
    """An id that nobody has used."""
    return new_uuid()
