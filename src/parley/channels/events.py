"""What channels announce."""

from __future__ import annotations

from parley.base.events import Event, event
from parley.base.ids import MessageId
from parley.channels.model import Message


class ChannelEvent(Event, frozen=True, kw_only=True):
    """Base of the events of one channel."""

    channel_id: str

    @property
    def topic(self) -> str:
        """One stream per channel."""
        return f"channel:{self.channel_id}"


@event("channel.message_sent", since="0.1")
class MessageSent(ChannelEvent, frozen=True, kw_only=True):
    """A message was added."""

    message: Message


@event("channel.message_changed", since="0.1")
class MessageChanged(ChannelEvent, frozen=True, kw_only=True):
    """A message was edited, pinned or unpinned."""

    message: Message


@event("channel.message_deleted", since="0.1")
class MessageDeleted(ChannelEvent, frozen=True, kw_only=True):
    """A message was removed."""

    message_id: MessageId
