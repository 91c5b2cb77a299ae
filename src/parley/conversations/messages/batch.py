"""Many messages in one request, each for itself (`realtime-block.md` 18.1)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import structlog

from parley.accounts.scope import AppScope
from parley.base.errors import Invalid, ParleyError
from parley.conversations.messages.model import BATCH_LIMIT, BatchItem, NewMessage
from parley.conversations.messages.service import Messages
from parley.people.model import Caller

log = structlog.get_logger(__name__)
AT_ONCE = 16
"""Conversations that are written at the same time; each gets its messages in the order of the batch."""


class FailedItem(msgspec.Struct, frozen=True):
    """A message that was not stored."""

    conversation_unique_id: str
    error: str


class BatchOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch; `total` is the sum of the three numbers behind it."""

    total: int
    created: int
    duplicates: int
    failed: int
    failed_items: list[FailedItem]
    """In the order of the batch."""
    emails_sent: int = 0
    emails_failed: int = 0
    emails_skipped: int = 0
    """All created ones: there is no mailer."""


async def send_batch(
    messages: Messages,
    scope: AppScope,
    caller: Caller,
    items: Sequence[Any],
    check: Callable[[NewMessage], None],
    *,
    role: str | None = None,
) -> BatchOutcome:
    """Send what can be sent; one bad item does not stop the others.

    Args:
        messages: sends them.
        scope: the app.
        caller: who sends.
        items: as they came; each should have the form of a `BatchItem`.
        check: raises what else is wrong with a message.
        role: of the caller.

    Raises:
        Invalid: more than `BATCH_LIMIT` items.
    """
    if len(items) > BATCH_LIMIT:
        raise Invalid(f"A batch has at most {BATCH_LIMIT} messages.", field="messages")
    outcomes: list[bool | str] = ["" for _ in items]
    by_conversation: dict[str, list[int]] = {}
    for number, item in enumerate(items):
        by_conversation.setdefault(_conversation(item).lower(), []).append(number)
    free = asyncio.Semaphore(AT_ONCE)

    async def send(item: Any) -> bool | str:
        """Whether it is new, or why it was not sent."""
        try:
            new = msgspec.convert(item, BatchItem).message()
            check(new)
            return (await messages.create(scope, caller, new, role=role)).is_new
        except msgspec.ValidationError as wrong:
            return str(wrong)
        except ParleyError as refused:
            return refused.message
        except Exception:
            log.exception("batch_item_failed", app_id=scope.app_id)
            return "Something went wrong on the server."

    async def send_all(numbers: Sequence[int]) -> None:
        async with free:
            for number in numbers:
                outcomes[number] = await send(items[number])

    async with asyncio.TaskGroup() as group:
        for numbers in by_conversation.values():
            group.create_task(send_all(numbers))
    failed = [
        FailedItem(_conversation(items[number]), outcome)
        for number, outcome in enumerate(outcomes)
        if isinstance(outcome, str)
    ]
    created = sum(outcome is True for outcome in outcomes)
    return BatchOutcome(
        total=len(items),
        created=created,
        duplicates=len(items) - created - len(failed),
        failed=len(failed),
        failed_items=failed,
        emails_skipped=created,
    )


def _conversation(item: Any) -> str:
    named = item.get("conversation_unique_id") if isinstance(item, dict) else None
    return named if isinstance(named, str) else ""
