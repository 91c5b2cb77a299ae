"""Tasks as data."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

TaskPriority = Literal["normal", "high", "urgent"]
TaskStatus = Literal["pending", "completed", "dismissed"]
Step = Literal["complete", "dismiss", "reopen"]
DESCRIPTION_LIMIT = 2_000
"""Characters; a longer action item is cut."""


class Task(msgspec.Struct, frozen=True):
    """A task in a conversation."""

    id: str
    context_unique_id: str
    """The conversation."""
    user_unique_id: str | None
    """Whose; None = everybody's in the conversation: the server filed it for nobody in particular."""
    description: str
    text_key: str
    """The same for descriptions that say the same; see `key_of`."""
    priority: TaskPriority
    status: TaskStatus
    conversation_summary_id: str | None
    completed_at: datetime | None
    dismissed_at: datetime | None
    created_at: datetime
    updated_at: datetime


class TaskChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to change of a task; absent = unchanged."""

    description: str | msgspec.UnsetType = msgspec.UNSET
    priority: TaskPriority | msgspec.UnsetType = msgspec.UNSET

    @property
    def is_empty(self) -> bool:
        """Whether it changes nothing."""
        return self.description is msgspec.UNSET and self.priority is msgspec.UNSET


class TaskFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which tasks; None = whatever."""

    status: str | None = None
    context_unique_id: str | None = None
    """The id or the free text of a conversation."""
    reference: str | None = None
    source: str | None = None
    source_type: str | None = None
    source_id: str | None = None
