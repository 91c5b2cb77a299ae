"""Many messages in one request, each for itself (`realtime-block.md` 18.1)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
TOGETHER = 50
"""Messages of a conversation that are stored in one change, unless one of them is refused."""


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
) -> BatchOutcome:
    """Send what can be sent; one bad item does not stop the others.

    Args:
        messages: sends them.
        scope: the app.
        caller: who sends.
        items: as they came; each should have the form of a `BatchItem`.
        check: raises what else is wrong with a message.

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
    sender = _Sender(messages, scope, caller, check)

    async def send_all(numbers: Sequence[int]) -> None:
        async with free:
            for start in range(0, len(numbers), TOGETHER):
                chunk = numbers[start : start + TOGETHER]
                sent = await sender.send([items[number] for number in chunk])
                for number, outcome in zip(chunk, sent, strict=True):
                    outcomes[number] = outcome

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


@dataclass(frozen=True, slots=True)
class _Sender:
    messages: Messages
    scope: AppScope
    caller: Caller
    check: Callable[[NewMessage], None]

    async def send(self, items: Sequence[Any]) -> list[bool | str]:
        """For each, whether it is new, or why it was not sent."""
        try:
            news = [self._read(item) for item in items]
            await self.messages.create_all(self.scope, self.caller, news)
        except (ParleyError, msgspec.ValidationError):  # one of them at least: each for itself, then
            return [await self._send_one(item) for item in items]
        except Exception:
            log.exception("batch_failed", app_id=self.scope.app_id)
            return [await self._send_one(item) for item in items]
        return [True for _ in items]

    async def _send_one(self, item: Any) -> bool | str:
        try:
            new = self._read(item)
            return (await self.messages.create(self.scope, self.caller, new)).is_new
        except msgspec.ValidationError as wrong:
            return str(wrong)
        except ParleyError as refused:
            return refused.message
        except Exception:
            log.exception("batch_item_failed", app_id=self.scope.app_id)
            return "Something went wrong on the server."

    def _read(self, item: Any) -> NewMessage:
        new = msgspec.convert(item, BatchItem).message()
        self.check(new)
        return new


def _conversation(item: Any) -> str:
    named = item.get("conversation_unique_id") if isinstance(item, dict) else None
    return named if isinstance(named, str) else ""
