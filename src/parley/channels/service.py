"""Sending, changing and reading messages. Who may do so is the caller's to check."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from parley.accounts.scope import AppScope, Change
from parley.base.errors import Invalid, NotFound, TooLarge
from parley.base.ids import MessageId, ParticipantId, PeerId, SessionId, is_uuid, new_uuid
from parley.base.text import storable
from parley.channels import store
from parley.channels.events import MessageChanged, MessageDeleted, MessageSent
from parley.channels.model import PAYLOAD_LIMIT_BYTES, TEXT_LIMIT, Message, MessageKind

PAGE_LIMIT = 500


def check_payload(kind: MessageKind, payload: str) -> None:
    """Refuse what cannot be stored or is too long.

    Raises:
        Invalid: empty text, or characters no database holds.
        TooLarge: over `TEXT_LIMIT` characters, or `PAYLOAD_LIMIT_BYTES`.
    """
    if not storable(payload):
        raise Invalid("The message has characters that cannot be stored.", field="payload")
    if not payload.strip():
        raise Invalid("The message is empty.", field="payload")
    if kind is MessageKind.TEXT and len(payload) > TEXT_LIMIT:
        raise TooLarge(f"A message has at most {TEXT_LIMIT} characters.")
    if len(payload.encode()) > PAYLOAD_LIMIT_BYTES:
        raise TooLarge(f"A message has at most {PAYLOAD_LIMIT_BYTES} bytes.")


async def send(
    scope: AppScope,
    channel_id: str,
    *,
    peer_id: PeerId,
    sender_id: ParticipantId,
    sender_name: str,
    kind: MessageKind,
    payload: str,
    session_id: SessionId | None = None,
    recipient_ids: Sequence[ParticipantId] = (),
) -> Message:
    """Add a message; it is on disk when this returns."""
    check_payload(kind, payload)
    async with scope.change() as change:
        message = Message(
            channel_id=channel_id,
            offset=await store.next_offset(change, channel_id),
            id=MessageId(new_uuid()),
            app_id=scope.app_id,
            session_id=session_id,
            peer_id=peer_id,
            sender_id=sender_id,
            sender_name=sender_name,
            kind=kind,
            payload=payload,
            recipient_ids=list(recipient_ids),
            created_at=change.now(),
        )
        await store.insert_message(change, message)
        change.announce(MessageSent(channel_id=channel_id, message=message))
    return message


async def edit(
    scope: AppScope,
    channel_id: str,
    message_id: MessageId,
    by: ParticipantId,
    *,
    payload: str | None = None,
) -> Message:
    """Replace the content of one's own message.

    Raises:
        NotFound: no such message, or somebody else's.
    """
    async with scope.change() as change:
        message = _own(await _find(change, channel_id, message_id), by)
        if payload is not None:
            check_payload(message.kind, payload)
            message = msgspec.structs.replace(message, payload=payload, is_edited=True)
        await store.update_message(change, message)
        change.announce(MessageChanged(channel_id=channel_id, message=message))
    return message


async def delete(scope: AppScope, channel_id: str, message_id: MessageId, by: ParticipantId) -> Message:
    """Remove one's own message; returns what it was."""
    async with scope.change() as change:
        message = _own(await _find(change, channel_id, message_id), by)
        await store.delete_message(change, channel_id, message_id)
        change.announce(MessageDeleted(channel_id=channel_id, message_id=message_id))
    return message


async def pin(
    scope: AppScope, channel_id: str, message_id: MessageId, reader: ParticipantId, *, pinned: bool
) -> Message:
    """Mark a message for everybody who may read it."""
    async with scope.change() as change:
        message = await _find(change, channel_id, message_id)
        if message is None or not message.is_visible_to(reader):
            raise NotFound("No such message.")
        message = msgspec.structs.replace(message, is_pinned=pinned)
        await store.update_message(change, message)
        change.announce(MessageChanged(channel_id=channel_id, message=message))
    return message


async def _find(change: Change, channel_id: str, message_id: MessageId) -> Message | None:
    # Ids come as clients sent them; PostgreSQL does not even compare a text with a NUL in it.
    return await store.get_message(change, channel_id, message_id) if is_uuid(message_id) else None


def _own(message: Message | None, by: ParticipantId) -> Message:
    if message is None or message.sender_id != by:
        raise NotFound("No such message of yours.")
    return message


async def history(
    scope: AppScope,
    channel_id: str,
    reader: ParticipantId,
    *,
    at: datetime,
    newest_first: bool = True,
    size: int = PAGE_LIMIT,
    session_id: SessionId | None = None,
    pinned: bool | None = None,
    partner: ParticipantId | None = None,
    search: str | None = None,
) -> tuple[list[Message], bool]:
    """Messages the reader may see, and whether there are more.

    Args:
        scope: the app.
        channel_id: which channel.
        reader: who reads; private messages of others are left out.
        at: messages before it (newest first), or after it (oldest first).
        newest_first: the direction.
        size: at most so many, up to `PAGE_LIMIT`.
        session_id: only of this session.
        pinned: only with (or without) a pin.
        partner: only the private conversation with that participant.
        search: only those whose content has this text, in either case.
    """
    if (partner is not None and not is_uuid(partner)) or (search is not None and not storable(search)):
        return [], False
    size = max(1, min(size, PAGE_LIMIT))
    found = await store.page(
        scope,
        channel_id,
        reader,
        at=at,
        newest_first=newest_first,
        size=size + 1,
        session_id=session_id,
        pinned=pinned,
        partner=partner,
        search=search,
    )
    return found[:size], len(found) > size
