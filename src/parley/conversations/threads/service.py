"""Conversations: who sees them, how they come to be, and what changes about them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from parley.accounts.scope import AppScope, Change
from parley.base.errors import Invalid, NotAllowed, NotFound, TooLarge
from parley.base.ids import new_uuid
from parley.base.paging import Page, PageRequest
from parley.channels.realtime.log import PublicationLog
from parley.channels.realtime.model import DATA_LIMIT_BYTES, Draft
from parley.conversations import announce, views
from parley.conversations.events import ConversationLeft
from parley.conversations.groups import store as groups
from parley.conversations.threads import store
from parley.conversations.threads.model import (
    CONTEXT_LIMIT,
    MEMBERS_LIMIT,
    PAYLOAD_LIMIT_BYTES,
    Address,
    Conversation,
    ConversationChange,
    NewConversation,
    Participant,
    Seen,
    address_of,
    is_client_uuid,
)
from parley.people.model import Caller
from parley.store.listing import NEWEST_FIRST, Sort

KEYS_LIMIT = 1_000
"""Of `keys`, which knows no pages."""
_GONE = "There is no such conversation."


class Threads:
    """Conversations of all apps."""

    def __init__(self, log: PublicationLog) -> None:
        self._log = log

    async def seen(self, reader: store.Reader, caller: Caller, context: str) -> Seen:
        """A conversation that the caller may see, by its id or free text.

        Raises:
            NotFound: none, or not a member of it.
        """
        found = await store.find(reader, address_of(context), caller.user_id)
        if found is None or found[0].conversation.deleted_at is not None:
            raise NotFound(_GONE)
        seen, is_member = found
        if not is_member and not caller.is_server:
            raise NotFound(_GONE)
        return seen

    async def is_member(self, scope: AppScope, conversation_id: str, user_id: str) -> bool:
        """Whether a user is in a conversation; decides who may listen on its channel."""
        try:
            await self.seen(scope, Caller(user_id, is_server=False), conversation_id)
        except NotFound:
            return False
        return True

    async def members(self, reader: store.Reader, conversation_ids: Sequence[str]) -> dict[str, list[str]]:
        """Who is in each."""
        return await store.members(reader, conversation_ids)

    # --- coming to be -----------------------------------------------------------------------------

    async def create(
        self,
        scope: AppScope,
        caller: Caller,
        new: NewConversation,
        *,
        announced: bool = True,
    ) -> Conversation:
        """A conversation of the caller, the participants, and the members of its group.

        A member has the role that the participants name; without one, always the user's own.

        Raises:
            NotFound: no such group, or the caller is not in it.
            Invalid: more members than `MEMBERS_LIMIT`.
        """
        async with scope.change() as change:
            people = {caller.user_id: Participant(caller.user_id)} if caller.user_id else {}
            if new.group_id is not None:
                for user_id in await groups.members_seen(change, new.group_id, caller.viewer):
                    people.setdefault(user_id, Participant(user_id))
            for one in new.participants:
                if one.role is not None or one.user_id not in people:
                    people[one.user_id] = one
            if len(people) > MEMBERS_LIMIT:
                raise Invalid(f"A conversation has at most {MEMBERS_LIMIT} members.", field="participants")
            made = _conversation(new, None, scope.now(), caller.user_id)
            if not await store.add(change, made):  # the reference addresses another one already
                made = msgspec.structs.replace(made, context_key=None)
                await store.add(change, made)
            drafts = await self._fill(change, scope, made, list(people.values()), caller.user_id)
            if announced:
                await self._log.write(change.tx, drafts)
        return made

    async def enter(
        self,
        change: Change,
        caller: Caller,
        context: str,
        *,
        sender: Participant | None,
        target_id: str | None,
        source: NewConversation,
    ) -> tuple[Conversation, list[Draft]]:
        """The conversation that a message goes to; nobody else adds one until the change ends.

        One that does not exist is made: of the sender, and of the recipient if that is a known user.

        Returns:
            It, and what is to be published if it was made.

        Raises:
            NotFound: the caller is not in it, or it was deleted.
        """
        scope = change.scope
        assert isinstance(scope, AppScope)
        address = address_of(context)
        drafts: list[Draft] = []
        found = await store.find(change, address, caller.user_id)
        if found is None:
            made = _conversation(
                source, address, scope.now(), caller.user_id or (sender.user_id if sender else None)
            )
            if await store.add(change, made):
                people = [sender] if sender else []
                if target_id and target_id in await store.known_users(change, [target_id]):
                    people.append(Participant(target_id))
                drafts = await self._fill(change, scope, made, people, caller.user_id)
            found = await store.find(change, address, caller.user_id)
            assert found is not None
        seen, is_member = found
        if not is_member and not caller.is_server:
            raise NotFound(_GONE)
        if not await store.touch(change, seen.conversation.id, scope.now()):
            raise NotFound(_GONE)
        return seen.conversation, drafts

    async def _fill(
        self, change: Change, scope: AppScope, made: Conversation, people: list[Participant], by: str | None
    ) -> list[Draft]:
        members = await store.add_members(change, made.id, people)
        event = "new_conversation" if made.group_id is None else "new_group_conversation"
        data = views.conversation(made, participants=members) | {"object_type": "conversation"}
        if views.size(data) > DATA_LIMIT_BYTES:  # whoever hears of it asks for the rest
            data |= {"participants": [], "metadata": None, "payload": None}
        return announce.on_inboxes(scope.app_id, members, event, data, by)

    # --- lists ------------------------------------------------------------------------------------

    async def of_user(
        self, scope: AppScope, caller: Caller, user_id: str, page: PageRequest, sort: Sort, **filters: object
    ) -> Page[Seen]:
        """A page of somebody's conversations.

        Args:
            scope: the app.
            caller: that user, or a server.
            user_id: whose.
            page: which part.
            sort: the order.
            filters: `status`, `search`, `least_unread` (a number), `in_group` ("yes").

        Raises:
            NotAllowed: somebody else's.
        """
        caller.must_be(user_id)
        return await store.of_user(scope, user_id, page, sort, **filters)

    async def contexts(
        self,
        scope: AppScope,
        caller: Caller,
        page: PageRequest,
        sort: Sort = NEWEST_FIRST,
        *,
        search: str | None = None,
        status: str | None = None,
        context_type: str | None = None,
    ) -> Page[Conversation]:
        """A page of the contexts that the caller sees."""
        return await store.contexts(
            scope, page, sort, search, viewer=caller.viewer, status=status, context_type=context_type
        )

    async def keys(self, scope: AppScope, caller: Caller) -> list[str]:
        """What addresses the caller's conversations, newest first, at most `KEYS_LIMIT`."""
        return await store.keys(scope, caller.viewer, KEYS_LIMIT)

    # --- changes ----------------------------------------------------------------------------------

    async def change(
        self, scope: AppScope, caller: Caller, context: str, wanted: ConversationChange
    ) -> Conversation:
        """Change some of its fields."""
        async with scope.change() as change:
            seen = await self.seen(change, caller, context)
            changed = msgspec.structs.replace(
                seen.conversation, **wanted.given(), updated_at=max(scope.now(), seen.conversation.updated_at)
            )
            await store.put(change, changed)
        return changed

    async def extend(
        self, scope: AppScope, caller: Caller, context: str, more: dict[str, object]
    ) -> Conversation:
        """Add members to the payload; those of the same name are replaced.

        Raises:
            NotFound: none, or not a member of it.
            TooLarge: over `PAYLOAD_LIMIT_BYTES` then.
        """
        async with scope.change() as change:
            seen = await self.seen(change, caller, context)
            payload = {**(seen.conversation.payload or {}), **more}
            if views.size(payload) > PAYLOAD_LIMIT_BYTES:
                raise TooLarge(f"A payload has at most {PAYLOAD_LIMIT_BYTES >> 10} KiB.")
            changed = msgspec.structs.replace(seen.conversation, payload=payload, updated_at=scope.now())
            await store.put(change, changed)
        return changed

    async def restore(self, scope: AppScope, caller: Caller, context: str) -> Conversation:
        """Make an archived conversation active again, and bring back a deleted one.

        Raises:
            NotFound: none, or not a member of it; a deleted one: not its creator or a server.
        """
        async with scope.change() as change:
            found = await store.find(change, address_of(context), caller.user_id)
            if found is None or not (found[1] or caller.is_server):
                raise NotFound(_GONE)
            one = found[0].conversation
            if one.deleted_at is not None and not caller.is_user(one.created_by):
                raise NotFound(_GONE)
            one = msgspec.structs.replace(one, status="active", deleted_at=None, updated_at=scope.now())
            await store.put(change, one)
        return one

    async def revise(self, change: Change, conversation_id: str) -> None:
        """A message was changed, taken away or brought back: what was made of the conversation is old."""
        await store.revise(change, conversation_id)

    async def delete(self, scope: AppScope, caller: Caller, context: str) -> None:
        """Make a conversation and its messages invisible.

        Raises:
            NotFound: none, or not a member of it.
            NotAllowed: somebody else has made it.
        """
        async with scope.change() as change:
            one = (await self.seen(change, caller, context)).conversation
            if not caller.is_user(one.created_by):
                raise NotAllowed("Only who made the conversation may delete it.")
            await store.put(change, msgspec.structs.replace(one, deleted_at=scope.now()))
            change.announce(ConversationLeft(scope.app_id, one.id, None))


def _conversation(
    new: NewConversation, address: Address | None, now: datetime, created_by: str | None
) -> Conversation:
    key = address.key if address else _key(new.reference)
    return Conversation(
        id=address.id if address and address.id else new_uuid(),
        context_key=key,
        reference=new.reference if new.reference is not None else key,
        name=new.name,
        description=new.description,
        context_type=new.context_type,
        metadata=new.metadata,
        payload=new.payload,
        group_id=new.group_id,
        notify_roles=list(new.notify_roles),
        source=new.source,
        source_id=new.source_id,
        source_alias=new.source_alias,
        source_type=new.source_type,
        status="active",
        created_by=created_by,
        revision=0,
        last_message_at=None,
        created_at=now,
        updated_at=now,
        deleted_at=None,
    )


def _key(reference: str | None) -> str | None:
    """The first conversation of a reference is addressed by it, unless it looks like an id."""
    if not reference or len(reference) > CONTEXT_LIMIT or is_client_uuid(reference):
        return None
    return reference
