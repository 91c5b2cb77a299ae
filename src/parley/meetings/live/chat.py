"""The meeting's chat: a channel with the meeting's id, and who may use it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from parley.base.errors import NotFound
from parley.base.ids import MessageId, ParticipantId, SessionId
from parley.channels import service as channels
from parley.channels.model import Message, MessageKind
from parley.meetings.live.notices import MessageDeleted, MessageEdited, MessagePinned, MessageSent, Notice
from parley.meetings.live.peer import LivePeer

if TYPE_CHECKING:
    from parley.meetings.live.meeting import LiveMeeting

FAR_FUTURE = datetime(9999, 1, 1, tzinfo=UTC)
RECIPIENTS_LIMIT = 100


class Chat:
    """Checks permissions, stores, and tells the audience."""

    def __init__(self, live: LiveMeeting) -> None:
        self._live = live

    async def send_to_all(self, peer: LivePeer, kind: MessageKind, payload: str) -> Message:
        """Post to everybody."""
        may = peer.permissions.chat.public
        peer.require(may.can_send and self._kind_allowed(kind, text=may.text, files=may.files), "post this")
        return await self._send(peer, kind, payload, [])

    async def send_to_peers(
        self, peer: LivePeer, peer_ids: Iterable[str], kind: MessageKind, payload: str
    ) -> Message:
        """Post to some; those who may not be addressed are refused.

        Raises:
            NotFound: none of the peers is here.
        """
        may = peer.permissions.chat.private
        allowed = may.can_send and self._kind_allowed(kind, text=may.text, files=may.files)
        peer.require(allowed, "send this privately")
        wanted = set(peer_ids)
        targets = [p for p in self._live.visible() if p.id in wanted and p is not peer][:RECIPIENTS_LIMIT]
        if not targets:
            raise NotFound("Nobody of these is here.")
        for target in targets:
            peer.require(target.permissions.chat.private.can_receive, f"write to {target.name} privately")
        readers = list(dict.fromkeys([peer.participant.id, *(p.participant.id for p in targets)]))
        return await self._send(peer, kind, payload, readers)

    @staticmethod
    def _kind_allowed(kind: MessageKind, *, text: bool, files: bool) -> bool:
        if kind is MessageKind.TEXT:
            return text
        if kind is MessageKind.CUSTOM:
            return text and files
        return files

    async def _send(
        self, peer: LivePeer, kind: MessageKind, payload: str, readers: Sequence[ParticipantId]
    ) -> Message:
        session_id = self._session_id()
        message = await channels.send(
            self._live.scope,
            self._live.id,
            peer_id=peer.id,
            sender_id=peer.participant.id,
            sender_name=peer.name,
            kind=kind,
            payload=payload,
            session_id=session_id,
            recipient_ids=readers,
        )
        if session_id is not None:
            await self._live.record.chatted(session_id)
        self._tell(message, MessageSent(message))
        return message

    async def edit(self, peer: LivePeer, message_id: MessageId, payload: str | None) -> Message:
        """Change one's own message; who may write no more may not do it this way either."""
        may = peer.permissions.chat
        writes = (may.public.can_send and may.public.text) or (may.private.can_send and may.private.text)
        peer.require(writes, "change messages")
        message = await channels.edit(
            self._live.scope, self._live.id, message_id, peer.participant.id, payload=payload
        )
        self._tell(message, MessageEdited(message), but=peer)
        return message

    async def delete(self, peer: LivePeer, message_id: MessageId) -> None:
        """Remove one's own message."""
        peer.require_joined()
        message = await channels.delete(self._live.scope, self._live.id, message_id, peer.participant.id)
        self._tell(message, MessageDeleted(message_id), but=peer)

    async def pin(self, peer: LivePeer, message_id: MessageId, *, pinned: bool) -> Message:
        """Mark a message for everybody who may read it."""
        peer.require(peer.permissions.chat.public.can_send, "pin messages")
        message = await channels.pin(
            self._live.scope, self._live.id, message_id, peer.participant.id, pinned=pinned
        )
        self._tell(message, MessagePinned(message), but=peer)
        return message

    async def history(
        self,
        peer: LivePeer,
        *,
        at: datetime = FAR_FUTURE,
        newest_first: bool = True,
        size: int = channels.PAGE_LIMIT,
        pinned: bool | None = None,
        partner: ParticipantId | None = None,
        search: str | None = None,
    ) -> tuple[list[Message], bool]:
        """Messages this participant may see, and whether there are more; see `channels.service.history`."""
        peer.require_joined()
        session = self._live.session
        if session is None:
            return [], False
        return await channels.history(
            self._live.scope,
            self._live.id,
            peer.participant.id,
            at=at,
            newest_first=newest_first,
            size=size,
            session_id=None if session.settings.persist_chat else session.id,
            pinned=pinned,
            partner=partner,
            search=search,
        )

    def _session_id(self) -> SessionId | None:
        return self._live.session.id if self._live.session else None

    def _tell(self, message: Message, notice: Notice, *, but: LivePeer | None = None) -> None:
        self._live.tell(notice, but=but, to=lambda peer: message.is_visible_to(peer.participant.id))
