"""What ends with a credential: sockets whose token came from it, subscriptions that it signed."""

from __future__ import annotations

from collections.abc import Set
from typing import TYPE_CHECKING

from parley.accounts.user_tokens import InvalidToken
from parley.base.ids import CredentialId
from parley.stream.closing import Close
from parley.wire.block.socket import verbs

if TYPE_CHECKING:
    from parley.wire.block.socket.server import BlockSockets
    from parley.wire.block.socket.session import Session


def credentials_ended(server: BlockSockets, credentials: Set[CredentialId]) -> None:
    """Close and end what relies on these, in this process."""
    for connection in server.admission.relying_on(credentials):
        connection.fail(InvalidToken("The key of this token was revoked."), Close.REALTIME_TOKEN)
    for session in server.sessions.all():
        for channel, subscription in list(session.subscriptions.items()):
            if subscription.permission.signed_by in credentials:
                _end(server, session, channel)


def _end(server: BlockSockets, session: Session, channel: str) -> None:
    if session.connection is not None:
        why = "The key that signed for this channel was revoked."
        verbs.end_subscription(session.connection, session, channel, why)
        return
    del session.subscriptions[channel]
    server.presence.leave(session.identity.scope.app_id, channel, session.id)
    server.unsubscribed(session.socket_id, session, channel)
