"""Messages as data."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum

import msgspec

from parley.base.ids import AppId, FileId, MeetingId, MessageId, ParticipantId, PeerId, SessionId

TEXT_LIMIT = 2_000
"""Characters of a text message; the official UI kit's own limit."""
PAYLOAD_LIMIT_BYTES = 16_384
"""Of any other payload (links and structured messages)."""


class MessageKind(IntEnum):
    """What the payload of a message is; the numbers are those of the RealtimeKit client protocol."""

    TEXT = 0
    IMAGE = 1
    """The payload is a URL."""
    FILE = 2
    """The payload is JSON: link, name, size."""
    CUSTOM = 3
    """The payload is JSON: message, html, images, videos, files."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a channel."""

    channel_id: str
    offset: int
    """Its place in the channel, from 1, in commit order."""
    id: MessageId
    app_id: AppId
    session_id: SessionId | None
    """The run of the meeting it was sent in."""
    peer_id: PeerId
    sender_id: ParticipantId
    sender_name: str
    kind: MessageKind
    payload: str
    recipient_ids: list[ParticipantId]
    """Who may read a private message, its sender included; empty for everybody."""
    is_pinned: bool = False
    is_edited: bool = False
    created_at: datetime

    def is_visible_to(self, participant_id: ParticipantId) -> bool:
        """Whether that participant may read it."""
        return not self.recipient_ids or participant_id in self.recipient_ids


class ChatFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file, or the place for one (size None until it has arrived)."""

    id: FileId
    app_id: AppId
    meeting_id: MeetingId
    uploaded_by: ParticipantId
    name: str
    content_type: str | None
    size_bytes: int | None
    blob_key: str
    created_at: datetime
    expires_at: datetime | None
