"""Who may see and who may change a message."""

from __future__ import annotations

from datetime import datetime

from parley.accounts.scope import Change
from parley.base.errors import NotAllowed, NotFound
from parley.conversations.messages import store
from parley.conversations.messages.model import Message
from parley.conversations.threads import store as threads
from parley.conversations.threads.model import address_of
from parley.people.model import Caller

_GONE = "There is no such message."


async def seen(reader: store.Reader, caller: Caller, message_id: str, now: datetime) -> Message:
    """A message that is there and that the caller may see.

    Raises:
        NotFound: there is none.
    """
    found = await store.get(reader, id_of(message_id), caller.viewer)
    if found is None or found.deleted_at is not None or _is_over(found, now):
        raise NotFound(_GONE)
    if found.conversation_id:
        thread = await threads.find(reader, address_of(found.conversation_id), caller.user_id)
        if thread is None or thread[0].conversation.deleted_at is not None:
            raise NotFound(_GONE)
    return found


async def own(change: Change, caller: Caller, message_id: str) -> Message:
    """A message that the caller may change, and nobody else until the change ends: their own, or any of them
    for a server.

    Raises:
        NotFound: there is none that they may see.
        NotAllowed: somebody else's.
    """
    found = await seen(change, caller, message_id, change.now())
    must_own(caller, found)
    await store.lock(change, found)
    return await seen(change, caller, message_id, change.now())


async def deleted(change: Change, caller: Caller, message_id: str) -> Message:
    """A deleted message that the caller may bring back; one that is there is returned as well.

    Raises:
        NotFound: there is none that they could see.
        NotAllowed: somebody else's.
    """
    found = await store.get(change, id_of(message_id), caller.viewer)
    if found is None or _is_over(found, change.now()):
        raise NotFound(_GONE)
    must_own(caller, found)
    await store.lock(change, found)
    locked = await store.get(change, found.id)
    assert locked is not None  # messages are never removed
    return locked


def must_own(caller: Caller, message: Message) -> None:
    """Raise `NotAllowed` unless the message is the caller's."""
    if not (caller.is_user(message.source_id) or caller.is_user(message.created_by)):
        raise NotAllowed("The message is somebody else's.")


def id_of(text: str) -> str:
    """An id as it is stored.

    Raises:
        NotFound: nothing has such an id.
    """
    address = address_of(text)
    if address.id is None:
        raise NotFound(_GONE)
    return address.id


def _is_over(message: Message, now: datetime) -> bool:
    return message.expires_at is not None and message.expires_at <= now
