"""Messages whose time is over: lists leave them out by themselves, what was counted is corrected here."""

from __future__ import annotations

from functools import partial
from typing import Any

from parley.accounts.scope import AppScope, Change
from parley.accounts.service import app_scope
from parley.conversations.messages import store
from parley.conversations.messages.model import Message
from parley.conversations.reading import store as marks
from parley.conversations.summaries import store as summaries
from parley.conversations.threads import store as threads
from parley.store.core import Store
from parley.store.jobs import Job

QUEUE = "message-expiry"
AT_ONCE = 4


def handle_expiry(base: Store) -> None:
    """Correct counts as messages expire; call it before the store is started."""
    base.jobs.handle(QUEUE, partial(_run, base), at_once=AT_ONCE)


async def schedule(change: Change, message: Message) -> None:
    """Have the counts corrected when a message expires."""
    if message.expires_at is not None and message.conversation_id:
        await change.enqueue(QUEUE, message.id, {"message_id": message.id}, at=message.expires_at)


async def _run(base: Store, job: Job) -> None:
    await expire(await app_scope(base, job.app_id, "system"), _id_in(job.body))


def _id_in(body: Any) -> str:
    message_id: str = body["message_id"]
    return message_id


async def expire(scope: AppScope, message_id: str) -> None:
    """A message's time is over: nobody has to read it any more, and summaries are made without it."""
    async with scope.change() as change:
        message = await store.get(change, message_id)
        if message is None or message.expires_at is None or message.expires_at > scope.now():
            return
        await store.lock(change, message)
        message = await store.get(change, message_id)
        assert message is not None
        if message.deleted_at is None:  # otherwise it is not counted
            await marks.shift_unread(change, message, -1)
            await threads.revise(change, message.conversation_id)
            await summaries.must_rebuild(change, message.conversation_id, message.number)
        await marks.forget_unread(change, message.id)
