"""Drafts: keeping them, and sending them (`realtime-block.md` 18.3)."""

from __future__ import annotations

import msgspec

from parley.accounts.scope import AppScope, Change
from parley.base.errors import Conflict, NotAllowed, NotFound
from parley.base.ids import new_uuid
from parley.base.paging import Page, PageRequest
from parley.channels.realtime.log import PublicationLog
from parley.conversations.drafts import store
from parley.conversations.drafts.model import DraftMessage
from parley.conversations.messages import access
from parley.conversations.messages.model import MessageChange, NewMessage, moment
from parley.conversations.messages.service import Messages
from parley.people.model import Caller
from parley.store.listing import Sort


class Drafts:
    """Drafts of all apps."""

    def __init__(self, log: PublicationLog, messages: Messages) -> None:
        self._log = log
        self._messages = messages

    async def create(self, scope: AppScope, caller: Caller, new: NewMessage) -> DraftMessage:
        """Keep a draft; whether it could be sent is checked when it is.

        Raises:
            NotAllowed: a user speaks for another one.
        """
        if new.source_id is not None and not caller.is_user(new.source_id):
            raise NotAllowed("A user speaks only for themselves.")
        moment(new.expires_at, "expires_at")
        now = scope.now()
        made = DraftMessage(
            id=new_uuid(),
            author_id=caller.user_id or new.source_id,
            context_id=new.context_id,
            source_id=new.source_id or caller.user_id,
            body=new,
            status="pending",
            enabled=True,
            message_id=None,
            updated_by=None,
            created_at=now,
            updated_at=now,
        )
        async with scope.change() as change:
            await store.add(change, made)
        return made

    async def get(self, scope: AppScope, caller: Caller, draft_id: str) -> DraftMessage:
        """A draft of the caller's; `NotFound` otherwise."""
        return await self._own(scope, caller, draft_id)

    async def page(
        self, scope: AppScope, caller: Caller, page: PageRequest, sort: Sort, **filters: str | None
    ) -> Page[DraftMessage]:
        """A page of the caller's drafts, a server's of everybody's.

        Filters are `status`, `context_id` and `source_id`.
        """
        return await store.page(scope, page, sort, author=caller.viewer, **filters)

    async def change(
        self, scope: AppScope, caller: Caller, draft_id: str, wanted: MessageChange
    ) -> DraftMessage:
        """Change a draft of the caller's; `NotFound` otherwise."""
        given = wanted.given()
        async with scope.change() as change:
            before = await self._own(change, caller, draft_id)
            body = {name: given.pop(name) for name in ("content", "payload") if name in given}
            after = msgspec.structs.replace(
                before,
                **given,
                body=msgspec.structs.replace(before.body, **body),
                updated_by=caller.user_id,
                updated_at=scope.now(),
            )
            await store.put(change, after)
        return after

    async def delete(self, scope: AppScope, caller: Caller, draft_id: str) -> None:
        """Forget a draft of the caller's; `NotFound` otherwise."""
        async with scope.change() as change:
            await store.remove(change, (await self._own(change, caller, draft_id)).id)

    async def publish(self, scope: AppScope, caller: Caller, draft_id: str) -> DraftMessage:
        """Send a draft of the caller's: it becomes a message, and is archived.

        Raises:
            NotFound: there is none, or its conversation is not the caller's.
            Conflict: it was sent before, or its idempotency key was.
            Invalid: it says nothing.
        """
        async with scope.change() as change:
            await store.lock(change, access.id_of(draft_id))
            before = await self._own(change, caller, draft_id)
            if before.message_id is not None:
                raise Conflict("The draft was published before.")
            new = msgspec.structs.replace(before.body, source_id=before.source_id)
            sent, drafts = await self._messages.write(change, caller, new)
            after = msgspec.structs.replace(
                before,
                status="archived",
                enabled=False,
                message_id=sent.message.id,
                updated_by=caller.user_id,
                updated_at=scope.now(),
            )
            await store.put(change, after)
            await self._log.write(change.tx, drafts)
        return after

    async def _own(self, reader: AppScope | Change, caller: Caller, draft_id: str) -> DraftMessage:
        found = await store.get(reader, access.id_of(draft_id))
        if found is None or not caller.is_user(found.author_id):
            raise NotFound("There is no such draft.")
        return found
