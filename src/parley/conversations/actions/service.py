"""Reading and answering the actions of messages (`realtime-block.md` 18.2)."""

from __future__ import annotations

from datetime import datetime

import msgspec

from parley.accounts.scope import AppScope
from parley.base.errors import NotAllowed, NotFound, TooLarge
from parley.base.ids import new_uuid
from parley.base.paging import Page, PageRequest
from parley.channels.realtime.log import PublicationLog
from parley.channels.realtime.model import DATA_LIMIT_BYTES
from parley.conversations import announce, views
from parley.conversations.actions import store
from parley.conversations.messages import access
from parley.conversations.messages.model import Action, ActionChange, Message, NewAction
from parley.conversations.threads.service import Threads
from parley.people.model import Caller
from parley.store.listing import Sort

_LABELS = ("action_type", "control_type", "control_label")
"""What only the message's author changes."""


class Actions:
    """Actions of all apps' messages."""

    def __init__(self, log: PublicationLog, threads: Threads) -> None:
        self._log = log
        self._threads = threads

    async def page(
        self, scope: AppScope, caller: Caller, conversation: str, message: str, page: PageRequest, sort: Sort
    ) -> Page[Action]:
        """A page of a message's actions.

        Raises:
            NotFound: no such message in that conversation, or not for the caller.
        """
        found = await self._message(scope, caller, conversation, message)
        return await store.page(scope, found.id, page, sort)

    async def get(
        self, scope: AppScope, caller: Caller, conversation: str, message: str, action: str
    ) -> Action:
        """One action."""
        found = await self._message(scope, caller, conversation, message)
        return await self._action(scope, found, action)

    async def change(
        self,
        scope: AppScope,
        caller: Caller,
        conversation: str,
        message: str,
        action: str,
        wanted: ActionChange,
    ) -> Action:
        """Answer an action; who does is remembered with it, and the conversation hears of it.

        Raises:
            NotFound: there is none.
            NotAllowed: only the message's author changes what kind of control it is.
            TooLarge: over `DATA_LIMIT_BYTES` as it is published.
        """
        async with scope.change() as change:
            found = await self._message(change, caller, conversation, message)
            before = await self._action(change, found, action)
            given = {
                name: value
                for name in wanted.__struct_fields__
                if (value := getattr(wanted, name)) is not msgspec.UNSET
            }
            if any(name in given for name in _LABELS):
                access.must_own(caller, found)
            control = {name: given.pop(name) for name in (*_LABELS, "control_value") if name in given}
            after = msgspec.structs.replace(
                before,
                **given,
                control=msgspec.structs.replace(before.control, **control),
                user_id=caller.user_id or before.user_id,
                updated_at=scope.now(),
            )
            data = views.action(after) | {"object_type": "message_action"}
            if views.size(data) > DATA_LIMIT_BYTES:
                raise TooLarge(f"An action has at most {DATA_LIMIT_BYTES} bytes.")
            await store.put(change, after)
            draft = announce.on_conversation(
                scope.app_id, found.conversation_id, "message_action", data, caller.user_id
            )
            await self._log.write(change.tx, [draft])
        return after

    async def delete(
        self, scope: AppScope, caller: Caller, conversation: str, message: str, action: str
    ) -> None:
        """Take an action away.

        Raises:
            NotFound: there is none.
            NotAllowed: somebody else's message.
        """
        async with scope.change() as change:
            found = await self._message(change, caller, conversation, message)
            before = await self._action(change, found, action)
            if not (caller.is_user(found.source_id) or caller.is_user(found.created_by)):
                raise NotAllowed("The message is somebody else's.")
            await store.put(change, msgspec.structs.replace(before, deleted_at=scope.now()))

    async def _message(
        self, reader: store.Reader, caller: Caller, conversation: str, message: str
    ) -> Message:
        thread = (await self._threads.seen(reader, caller, conversation)).conversation
        found = await access.seen(reader, caller, message, reader.now())
        if found.conversation_id != thread.id:
            raise NotFound("There is no such message in this conversation.")
        return found

    async def _action(self, reader: store.Reader, message: Message, action: str) -> Action:
        found = await store.get(reader, message.id, access.id_of(action))
        if found is None:
            raise NotFound("There is no such action.")
        return found


def new_action(message_id: str, given: NewAction, now: datetime) -> Action:
    """An action that comes with a message."""
    bare = msgspec.structs.replace(given, status=None, enabled=None, payload=None, response=None)
    return Action(
        id=new_uuid(),
        message_id=message_id,
        control=bare,
        status=given.status or "pending",
        enabled=True if given.enabled is None else given.enabled,
        payload=given.payload,
        response=given.response,
        user_id=None,
        created_at=now,
        updated_at=now,
        deleted_at=None,
    )
