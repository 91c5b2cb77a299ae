"""Subscriptions that the server ends because of what happened elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parley.channels.realtime.model import channel_key
from parley.conversations.events import ConversationLeft
from parley.wire.block.socket import verbs

if TYPE_CHECKING:
    from parley.wire.block.socket.server import BlockSockets


def conversation_left(server: BlockSockets, left: ConversationLeft) -> None:
    """Whoever is not in a conversation any more does not hear of it, on sockets of this process.

    Sessions whose clients are away are looked at when they resume.
    """
    server.sessions.endings += 1
    channel = f"conversation:{left.conversation_id}"
    if not server.hub.count(channel_key(left.app_id, channel)):
        return
    for session in server.sessions.listening(left.app_id, channel):
        if session.connection is not None and left.user_id in (None, session.identity.user_id):
            why = "You are not in this conversation any more."
            verbs.end_subscription(session.connection, session, channel, why)
