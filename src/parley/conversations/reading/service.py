"""Who has read what (`realtime-block.md` 16.5): opening a conversation, single messages, receipts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from parley.accounts.scope import AppScope, Change
from parley.base.errors import NotFound
from parley.base.paging import Page, PageRequest
from parley.channels.realtime.log import PublicationLog
from parley.channels.realtime.model import Draft
from parley.conversations import announce, views
from parley.conversations.messages import access, store
from parley.conversations.messages.model import Message
from parley.conversations.reading import store as marks
from parley.conversations.threads import store as threads_store
from parley.conversations.threads.model import Conversation, Receipt, Seen
from parley.conversations.threads.service import Threads
from parley.people.model import Caller
from parley.store.listing import NEWEST_FIRST

RECEIPT = "read_receipt"


class Opened(NamedTuple):
    """A conversation as somebody finds it when they open it."""

    conversation: Conversation
    messages: Page[Message]
    """Newest first."""
    unread_count: int
    """Before it was opened."""
    participants: Sequence[str]


class Reading:
    """Read marks of all apps."""

    def __init__(self, log: PublicationLog, threads: Threads) -> None:
        self._log = log
        self._threads = threads

    async def open(
        self, scope: AppScope, caller: Caller, context: str, page: PageRequest, *, role: str | None = None
    ) -> Opened:
        """Read a conversation; everything in it counts as read by the caller from now on.

        Raises:
            NotFound: there is none, or the caller is not in it.
        """
        seen = await self._threads.seen(scope, caller, context)
        one = seen.conversation
        participants = (await threads_store.members(scope, [one.id])).get(one.id, [])
        if caller.user_id in participants:
            async with scope.change() as change:
                # What comes now waits for the member's lock: it is neither shown nor read.
                await self._read_all(change, caller.user_id, seen, role)
                messages = await store.page(change, page, scope.now(), NEWEST_FIRST, conversation=one.id)
        else:
            messages = await store.page(scope, page, scope.now(), NEWEST_FIRST, conversation=one.id)
        return Opened(one, messages, seen.unread_count, participants)

    async def read_all(self, scope: AppScope, user_id: str, context: str, *, role: str | None = None) -> None:
        """A member has read everything; `NotFound` for others."""
        seen = await self._threads.seen(scope, Caller(user_id, is_server=False), context)
        async with scope.change() as change:
            await self._read_all(change, user_id, seen, role)

    async def read(
        self, scope: AppScope, user_id: str, context: str, message_id: str, *, role: str | None = None
    ) -> Receipt:
        """A member has read a message; the conversation hears of it the first time.

        Raises:
            NotFound: no such message in that conversation, or not a member.
        """
        async with scope.change() as change:
            seen, message = await self._find(change, user_id, context, message_id)
            receipt = await self._receipt(change, seen, message.id, user_id, role)
            if await marks.mark_read(change, receipt):
                await self._log.write(change.tx, [_announcement(scope, receipt)])
        return receipt

    async def unread(self, scope: AppScope, user_id: str, context: str, message_id: str) -> Message:
        """A member wants to read a message again: it counts as unread, and the receipt is gone.

        Raises:
            NotFound: no such message in that conversation, or not a member.
        """
        async with scope.change() as change:
            seen, message = await self._find(change, user_id, context, message_id)
            await marks.mark_unread(change, seen.conversation.id, message.id, user_id)
        return message

    async def _find(
        self, change: Change, user_id: str, context: str, message_id: str
    ) -> tuple[Seen, Message]:
        caller = Caller(user_id, is_server=False)
        seen = await self._threads.seen(change, caller, context)
        message = await access.seen(change, caller, message_id, change.now())
        if message.conversation_id != seen.conversation.id:
            raise NotFound("There is no such message in this conversation.")
        await marks.lock_member(change, seen.conversation.id, user_id)
        return seen, message

    async def _read_all(self, change: Change, user_id: str, seen: Seen, role: str | None) -> None:
        conversation_id = seen.conversation.id
        if not await marks.lock_member(change, conversation_id, user_id):
            return
        ids = await marks.unread(change, conversation_id, user_id)
        receipts = []
        if ids:
            newest = await self._receipt(change, seen, ids[-1], user_id, role)
            receipts = [
                Receipt(one, conversation_id, user_id, newest.user_name, newest.role_name, newest.read_at)
                for one in ids
            ]
        await marks.mark_all_read(change, conversation_id, user_id, receipts)
        if receipts:  # one event for all of them, named after the newest
            assert isinstance(change.scope, AppScope)
            announcement = _announcement(change.scope, receipts[-1], count=len(receipts))
            await self._log.write(change.tx, [announcement])

    async def _receipt(
        self, change: Change, seen: Seen, message_id: str, user_id: str, role: str | None
    ) -> Receipt:
        name, own_role = await threads_store.name_and_role(change, user_id)
        return Receipt(
            message_id, seen.conversation.id, user_id, name, seen.role or role or own_role, change.now()
        )


def _announcement(scope: AppScope, receipt: Receipt, *, count: int = 1) -> Draft:
    data = views.receipt(receipt) | {"object_type": RECEIPT, "read_count": count}
    return announce.on_conversation(scope.app_id, receipt.conversation_id, RECEIPT, data, receipt.user_id)
