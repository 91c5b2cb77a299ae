"""What other areas want to know of messages."""

from __future__ import annotations

from collections.abc import Iterable

from parley.accounts.scope import AppScope
from parley.conversations.messages import store
from parley.conversations.messages.model import Message


async def last_messages(scope: AppScope, conversation_ids: Iterable[str]) -> dict[str, Message]:
    """The newest message of each conversation that has one."""
    return await store.last_of(scope, conversation_ids, scope.now())
