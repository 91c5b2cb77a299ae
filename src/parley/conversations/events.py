"""What conversations announce."""

from __future__ import annotations

from parley.base.events import Event, event
from parley.base.ids import AppId


@event("conversations.left", since="0.2")
class ConversationLeft(Event, frozen=True):
    """Somebody is in a conversation no more, or it was deleted; their sockets hear nothing more of it."""

    app_id: AppId
    conversation_id: str
    user_id: str | None
    """None = everybody."""

    @property
    def topic(self) -> str:
        """One stream per conversation."""
        return f"conversation:{self.conversation_id}"
