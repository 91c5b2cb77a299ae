"""What conversations need of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from parley.accounts.scope import AppScope, Change
from parley.conversations.settings import AiSettings
from parley.insight.ports import TextEngine


class Sources(Protocol):
    """Keeps a row for each source that messages and notifications name (`realtime-block.md` 18.17)."""

    async def seen(self, change: Change, source_type: str, external_id: str, name: str | None) -> str:
        """The id of a source; it is made when it is new."""
        ...


class TaskList(Protocol):
    """Keeps what people have to do."""

    async def found(
        self, scope: AppScope, conversation_id: str, user_id: str, items: Sequence[str], summary_id: str
    ) -> None:
        """A summary names these action items; known ones are not added again (16.1 rule 8)."""
        ...

    async def urgent(self, scope: AppScope, user_id: str, conversation_ids: Sequence[str]) -> frozenset[str]:
        """The conversations in which the user has an open task of priority urgent."""
        ...


class Engines(Protocol):
    """Knows the text engines."""

    def engine(self, settings: AiSettings) -> TextEngine:
        """The engine that an app wants; the same object for the same settings.

        Raises:
            EngineRefused: there is none with these settings.
        """
        ...
