"""Users are registered with the provider once, and again when it has forgotten them (16.6)."""

from __future__ import annotations

import asyncio
from typing import Protocol
from weakref import WeakValueDictionary

from parley.insight.ports import (
    AlreadyRegistered,
    Capabilities,
    Completion,
    EngineError,
    EngineUnavailable,
    Prompt,
    TextEngine,
    UnknownUser,
)

WAIT_S = 20.0
"""For another registration of the same user in this process."""


class Registrations(Protocol):
    """Which users a provider knows; kept by whoever uses the engine (`ai_registered_at`)."""

    async def is_registered(self, engine: str, user_id: str) -> bool:
        """Whether the mark is set."""
        ...

    async def mark(self, engine: str, user_id: str) -> None:
        """Set the mark; setting it twice is fine."""
        ...

    async def clear(self, engine: str, user_id: str) -> None:
        """Take the mark away; it may be gone already."""
        ...


class RegisteringEngine:
    """An engine whose users are registered before their first prompt; callers do nothing.

    One registration of a user at a time in this process; two processes may both register, which counts as
    success for both.
    """

    def __init__(self, engine: TextEngine, registrations: Registrations) -> None:
        self._engine = engine
        self._registrations = registrations
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @property
    def name(self) -> str:
        """The engine's."""
        return self._engine.name

    @property
    def capabilities(self) -> Capabilities:
        """The engine's."""
        return self._engine.capabilities

    async def register(self, user_id: str) -> None:
        """Register a user unless that is done.

        Raises:
            EngineUnavailable: it did not work, or another registration takes too long.
        """
        if await self._registrations.is_registered(self.name, user_id):
            return
        lock = self._locks.setdefault(user_id, asyncio.Lock())
        try:
            async with asyncio.timeout(WAIT_S):
                await lock.acquire()
        except TimeoutError as late:
            raise EngineUnavailable("registering the user takes too long", reached_provider=False) from late
        try:
            if not await self._registrations.is_registered(self.name, user_id):
                await self._register(user_id)
        finally:
            lock.release()

    async def _register(self, user_id: str) -> None:
        try:
            await self._engine.register(user_id)
        except AlreadyRegistered:
            pass
        except EngineError as failed:
            raise EngineUnavailable(
                "the user could not be registered with the engine",
                reached_provider=failed.reached_provider,
                detail=failed.detail or failed.message,
            ) from failed
        await self._registrations.mark(self.name, user_id)

    async def complete(self, prompt: Prompt) -> Completion:
        """Answer a prompt, registering its user first, and once more if the provider has forgotten it.

        Raises:
            EngineError: see `TextEngine.complete`; `UnknownUser` when registering again did not help.
        """
        await self.register(prompt.user_id)
        try:
            return await self._engine.complete(prompt)
        except UnknownUser:
            await self._registrations.clear(self.name, prompt.user_id)
        await self.register(prompt.user_id)
        return await self._engine.complete(prompt)
