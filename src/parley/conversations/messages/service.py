"""Messages: sending, changing, reading lists of them (`realtime-block.md` 18.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from parley.accounts.scope import AppScope, Change
from parley.base.errors import Conflict, Invalid, NotAllowed, TooLarge
from parley.base.ids import new_uuid
from parley.base.paging import Page, PageRequest
from parley.channels.realtime.log import PublicationLog
from parley.channels.realtime.model import DATA_LIMIT_BYTES, Draft
from parley.conversations import announce, views
from parley.conversations.actions import store as actions_store
from parley.conversations.actions.service import new_action
from parley.conversations.messages import access, expiry, store
from parley.conversations.messages.model import Action, Message, MessageChange, NewMessage, moment
from parley.conversations.ports import Sources
from parley.conversations.reading import store as marks
from parley.conversations.summaries import store as summaries
from parley.conversations.threads.model import Conversation, NewConversation, Participant
from parley.conversations.threads.service import Threads
from parley.people.model import Caller
from parley.store.errors import AlreadyExists
from parley.store.listing import Sort


class Sent(NamedTuple):
    """What became of a new message."""

    message: Message
    actions: Sequence[Action]
    is_new: bool
    """False: the sender had sent it before under the same idempotency key, and nothing was stored."""


class SentBefore(Conflict):
    """The sender has used the idempotency key in this conversation; undoes the change."""

    def __init__(self, sent: Message) -> None:
        super().__init__("A message of this idempotency key was sent before.")
        self.sent = sent


class Messages:
    """Messages of all apps."""

    def __init__(self, log: PublicationLog, threads: Threads, sources: Sources | None = None) -> None:
        """Prepare.

        Args:
            log: where messages are published.
            threads: the conversations.
            sources: is told of every source that messages name; None = nobody wants to know.
        """
        self._log = log
        self._threads = threads
        self._sources = sources

    async def create(self, scope: AppScope, caller: Caller, new: NewMessage) -> Sent:
        """Send a message; published in the same change.

        Args:
            scope: the app.
            caller: who sends it, or the server that sends it for `source_id`.
            new: the message.

        Raises:
            Invalid: it says nothing, or expires at no real time.
            NotAllowed: a user speaks for another one.
            NotFound: the conversation was deleted, or the caller is not in it.
            TooLarge: over `DATA_LIMIT_BYTES` as it is published.
        """
        try:
            async with scope.change() as change:
                sent, drafts = await self.write(change, caller, new)
                await self._log.write(change.tx, drafts)
        except SentBefore as before:
            found = before.sent
        except AlreadyExists:  # two of the same key at once, outside any conversation
            sender = new.source_id or caller.user_id or ""
            repeated = await store.known(scope, "", sender, new.idempotency_key or "")
            if repeated is None:
                raise
            found = repeated
        else:
            return sent
        return Sent(found, (await actions_store.of_messages(scope, [found.id])).get(found.id, []), False)

    async def create_all(self, scope: AppScope, caller: Caller, news: Sequence[NewMessage]) -> None:
        """Send several messages in one change, or none of them.

        Raises:
            SentBefore: one of them was; otherwise as `create`.
        """
        async with scope.change() as change:
            drafts: list[Draft] = []
            for new in news:
                drafts += (await self.write(change, caller, new))[1]
            await self._log.write(change.tx, drafts)

    async def write(self, change: Change, caller: Caller, new: NewMessage) -> tuple[Sent, list[Draft]]:
        """The same as a part of somebody's change; publish the drafts as its last step.

        Raises:
            SentBefore: see there; otherwise as `create`.
        """
        scope = change.scope
        assert isinstance(scope, AppScope)
        sender = _checked_sender(caller, new)
        conversation: Conversation | None = None
        drafts: list[Draft] = []
        if new.context_id:
            conversation, drafts = await self._threads.enter(
                change,
                caller,
                new.context_id,
                sender=None if sender is None else Participant(sender, new.sender_role),
                target_id=new.target_id,
                source=NewConversation(
                    source=new.source,
                    source_id=new.source_id,
                    source_alias=new.source_alias,
                    source_type=new.source_type,
                ),
            )
        message = self._message(scope, caller, new, sender, conversation)
        if message.idempotency_key is not None:
            before = await store.known(
                change, message.conversation_id, message.sender, message.idempotency_key
            )
            if before is not None:
                raise SentBefore(before)
        if self._sources is not None and message.source_id is not None:
            source_unique_id = await self._sources.seen(
                change, message.details.source_type or "", message.source_id, message.details.source_alias
            )
            message = msgspec.structs.replace(message, source_unique_id=source_unique_id)
        actions = [new_action(message.id, one, scope.now()) for one in new.actions or ()]
        shown = [views.action(one) for one in actions]
        data = views.message(message) | {"object_type": "message", "message_actions": shown}
        if views.size(data) > DATA_LIMIT_BYTES:
            raise TooLarge(f"A message has at most {DATA_LIMIT_BYTES} bytes.")
        number = await store.insert_message(change, message)
        message = msgspec.structs.replace(message, number=number)
        if actions:
            await actions_store.add(change, actions)
        if conversation is not None:
            roles = message.details.notify_roles or conversation.notify_roles
            await marks.count_unread(change, message, roles)
            await expiry.schedule(change, message)
            told = [("message", data)]
            told += [("message_action", one | {"object_type": "message_action"}) for one in shown]
            drafts += [
                announce.on_conversation(scope.app_id, conversation.id, event, about, sender)
                for event, about in told
            ]
        return Sent(message, actions, True), drafts

    def _message(
        self,
        scope: AppScope,
        caller: Caller,
        new: NewMessage,
        sender: str | None,
        conversation: Conversation | None,
    ) -> Message:
        now = scope.now()
        return Message(
            number=0,
            id=new_uuid(),
            conversation_id="" if conversation is None else conversation.id,
            context_id=new.context_id or None,
            parent_id=new.parent_id,
            content=new.content,
            source_id=sender,
            target_id=new.target_id,
            details=new.details(),
            payload=new.payload,
            status="active",
            enabled=True,
            sender=sender or "",
            idempotency_key=new.idempotency_key,
            source_unique_id=None,
            created_by=caller.user_id or sender,
            updated_by=None,
            expires_at=moment(new.expires_at, "expires_at"),
            edited_at=None,
            created_at=now,
            updated_at=now,
            deleted_at=None,
        )

    # --- reading ----------------------------------------------------------------------------------

    async def get(self, scope: AppScope, caller: Caller, message_id: str) -> Message:
        """A message that the caller may see; `NotFound` otherwise."""
        return await access.seen(scope, caller, message_id, scope.now())

    async def page(
        self,
        scope: AppScope,
        caller: Caller,
        page: PageRequest,
        sort: Sort,
        *,
        context_id: str | None = None,
        **filters: str | None,
    ) -> Page[Message]:
        """A page of the messages that the caller sees.

        Args:
            scope: the app.
            caller: who asks.
            page: which part.
            sort: the order.
            context_id: only of this conversation.
            filters: `parent_id`, `source_id`, `target_id`, `status`.

        Raises:
            NotFound: the caller sees no such conversation.
        """
        conversation = None
        if context_id is not None:
            conversation = (await self._threads.seen(scope, caller, context_id)).conversation.id
        return await store.page(
            scope, page, scope.now(), sort, viewer=caller.viewer, conversation=conversation, **filters
        )

    async def trash(self, scope: AppScope, caller: Caller, page: PageRequest) -> Page[Message]:
        """A page of the caller's deleted messages, of a server's call of everybody's."""
        return await store.trash(scope, page, scope.now(), caller.viewer)

    async def last_of(self, scope: AppScope, conversation_ids: Sequence[str]) -> dict[str, Message]:
        """The newest message of each conversation that has one."""
        return await store.last_of(scope, conversation_ids, scope.now())

    async def actions(self, scope: AppScope, messages: Sequence[Message]) -> dict[str, list[Action]]:
        """The actions of each message that has some."""
        return await actions_store.of_messages(scope, [one.id for one in messages])

    async def read_by(self, scope: AppScope, messages: Sequence[Message]) -> dict[str, list[str]]:
        """Who has read each message."""
        return await marks.read_by(scope, [one.id for one in messages])

    async def shown_urls(
        self, scope: AppScope, caller: Caller, role: str | None, messages: Sequence[Message]
    ) -> set[str]:
        """Those messages, by id, of which the caller is shown the address of the notification.

        Args:
            scope: the app.
            caller: who reads them.
            role: of the caller, for messages outside any conversation.
            messages: which.
        """
        kept = {one.conversation_id for one in messages if one.details.notification_url_roles}
        roles: dict[str, str | None] = {"": role}
        if kept and caller.user_id is not None:
            roles |= await marks.roles(scope, caller.user_id, kept)
        return {
            one.id
            for one in messages
            if not (wanted := one.details.notification_url_roles)
            or roles.get(one.conversation_id) in wanted
            or caller.is_user(one.source_id)
        }

    # --- changing ---------------------------------------------------------------------------------

    async def change(
        self, scope: AppScope, caller: Caller, message_id: str, wanted: MessageChange
    ) -> Message:
        """Change a message of the caller's.

        Raises:
            NotFound: there is none.
            NotAllowed: somebody else's.
            Invalid: nothing would be left of it.
        """
        given = wanted.given()
        async with scope.change() as change:
            before = await access.own(change, caller, message_id)
            now = scope.now()
            after = msgspec.structs.replace(before, **given, updated_by=caller.user_id, updated_at=now)
            if after.content != before.content:
                after = msgspec.structs.replace(after, edited_at=now)
            if not after.content and after.payload is None:
                actions = await actions_store.of_messages(change, [after.id])
                if not actions:
                    raise Invalid("A message needs a content.", field="content")
            if views.size(views.message(after)) > DATA_LIMIT_BYTES:
                raise TooLarge(f"A message has at most {DATA_LIMIT_BYTES} bytes.")
            await store.put(change, after)
            if after.content != before.content:
                await self._rewritten(change, after)
        return after

    async def delete(self, scope: AppScope, caller: Caller, message_id: str) -> None:
        """Put a message of the caller's into the trash."""
        async with scope.change() as change:
            before = await access.own(change, caller, message_id)
            now = scope.now()
            await store.put(
                change,
                msgspec.structs.replace(before, deleted_at=now, updated_at=now, updated_by=caller.user_id),
            )
            if before.conversation_id:
                await marks.shift_unread(change, before, -1)
            await self._rewritten(change, before)

    async def recover(self, scope: AppScope, caller: Caller, message_id: str) -> Message:
        """Take a message out of the trash; one that is not there is left as it is."""
        async with scope.change() as change:
            before = await access.deleted(change, caller, message_id)
            if before.deleted_at is None:
                return before
            after = msgspec.structs.replace(
                before, deleted_at=None, updated_at=scope.now(), updated_by=caller.user_id
            )
            await store.put(change, after)
            if after.conversation_id:
                await marks.shift_unread(change, after, 1)
            await self._rewritten(change, after)
        return after

    async def _rewritten(self, change: Change, message: Message) -> None:
        """What engines wrote about it is not true any more."""
        if message.conversation_id:
            await self._threads.revise(change, message.conversation_id)
            await summaries.must_rebuild(change, message.conversation_id, message.number)


def _checked_sender(caller: Caller, new: NewMessage) -> str | None:
    if not new.content and new.payload is None and not new.actions:
        raise Invalid("A message needs a content.", field="content")
    if new.source_id is None:
        return caller.user_id
    if not caller.is_user(new.source_id):
        raise NotAllowed("A user speaks only for themselves.")
    return new.source_id
