"""Who writes for an app, and which of its users are known there (`realtime-block.md` 16.6)."""

from __future__ import annotations

from collections import OrderedDict

from parley.accounts.app_settings import AppSettings
from parley.accounts.scope import AppScope
from parley.base.ids import AppId
from parley.conversations.ports import Engines
from parley.conversations.settings import AI, AiSettings
from parley.insight.ports import TextEngine
from parley.insight.registration import RegisteringEngine
from parley.people.service import People

_REMEMBERED = 1_000


class Writers:
    """The engines of apps; users are registered with them before their first prompt."""

    def __init__(self, engines: Engines, people: People, settings: AppSettings) -> None:
        self._engines = engines
        self._people = people
        self._settings = settings
        self._made: OrderedDict[tuple[AppId, AiSettings], RegisteringEngine] = OrderedDict()

    async def of(self, scope: AppScope, user_id: str | None) -> TextEngine:
        """The engine that the app wants.

        Args:
            scope: the app.
            user_id: on whose behalf; None = the customer's server, which nobody registers.

        Raises:
            EngineRefused: the app's settings name none that can be used.
        """
        wanted = await self._settings.get(scope, AI, AiSettings)
        if user_id is None:
            return self._engines.engine(wanted)
        key = (scope.app_id, wanted)
        found = self._made.get(key)
        if found is None:
            # One for all users of the app: it lets one registration of a user happen at a time.
            found = RegisteringEngine(self._engines.engine(wanted), _Marks(scope, self._people))
            self._made[key] = found
            if len(self._made) > _REMEMBERED:
                self._made.popitem(last=False)
        return found


class _Marks:
    """`ai_registered_at` of users."""

    def __init__(self, scope: AppScope, people: People) -> None:
        self._scope = scope
        self._people = people

    async def is_registered(self, engine: str, user_id: str) -> bool:
        return await self._people.is_ai_registered(self._scope, user_id)

    async def mark(self, engine: str, user_id: str) -> None:
        await self._people.set_ai_registered(self._scope, user_id, True)

    async def clear(self, engine: str, user_id: str) -> None:
        await self._people.set_ai_registered(self._scope, user_id, False)
