"""Sessions: what a client gets back when it resumes (`realtime-block.md` 9)."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from parley.accounts.model import App
from parley.accounts.scope import AppScope
from parley.base.clock import Clock
from parley.base.ids import AppId, CredentialId
from parley.channels.realtime.access import Permission
from parley.channels.realtime.grants import Grants
from parley.channels.realtime.tokens import OneRoom
from parley.stream.sockets import Socket

if TYPE_CHECKING:
    from parley.wire.block.socket.connection import Connection
    from parley.wire.block.socket.rooms import Participation

KEPT_S = 120.0
"""After an unclean end."""
KEPT_LIMIT = 100_000


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a token stands for."""

    scope: AppScope
    app: App
    user_id: str
    name: str | None
    grants: Grants
    expires_at: int
    """Unix seconds."""
    room: OneRoom | None = None
    """All that it opens, if it does not open channels."""
    credentials: Sequence[CredentialId] = ()
    """That vouch for the token: when one is revoked, what the token opened ends."""


@dataclass(slots=True)
class Subscription:
    """A channel that a session listens to."""

    permission: Permission
    is_signed: bool
    """Opened by a signature, which holds for the whole session."""
    member_data: dict[str, Any] | None = None
    """What the user last said as a member of the channel; None when it has not entered."""


@dataclass(slots=True, eq=False)
class Session:
    """What belongs to a client, over several connections."""

    identity: Identity
    id: str = field(default_factory=lambda: f"s_{secrets.token_hex(12)}")
    resume_token: str = field(default_factory=lambda: f"rt_{secrets.token_urlsafe(24)}")
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    rooms: dict[str, Participation] = field(default_factory=dict)
    """WebRTC rooms it is in."""
    connection: Connection | None = None
    """None while the client is away."""
    socket_id: str = ""
    """Of its last connection."""
    away_since: float = 0.0

    def rotate(self) -> None:
        """Make the resume token worthless; the next welcome tells another one."""
        self.resume_token = f"rt_{secrets.token_urlsafe(24)}"


class Sessions:
    """The sessions of this server process, those of clients that are away for a moment included."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_id: dict[str, Session] = {}
        self._by_socket: dict[str, Session] = {}
        self.endings = 0
        """How often the server has ended subscriptions: whoever was allowed one meanwhile asks again."""

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, session: Session) -> None:
        """Know it from now on."""
        self._by_id[session.id] = session

    def all(self) -> list[Session]:
        """Every one, those of clients that are away included."""
        return list(self._by_id.values())

    def find(self, session_id: str, resume_token: str) -> Session | None:
        """The session that a client may resume; its token works once."""
        session = self._by_id.get(session_id)
        given = resume_token.encode(errors="surrogatepass")
        if session is None or not hmac.compare_digest(session.resume_token.encode(), given):
            return None
        return session

    def seat(self, session: Session, connection: Connection) -> None:
        """The session's client is here, on that connection."""
        self._by_socket.pop(session.socket_id, None)
        self._by_socket[connection.id] = session
        session.connection, session.socket_id = connection, connection.id

    def is_open(self, app_id: AppId, user_id: str, socket_id: str) -> bool:
        """Whether that is an open socket of the user, in this process."""
        session = self._by_socket.get(socket_id)
        if session is None or session.connection is None:
            return False
        return (session.identity.scope.app_id, session.identity.user_id) == (app_id, user_id)

    def listening(self, app_id: AppId, channel: str) -> list[Session]:
        """The sessions that are subscribed to a channel, those of clients that are away included."""
        return [
            one
            for one in self._by_id.values()
            if channel in one.subscriptions and one.identity.scope.app_id == app_id
        ]

    def socket_of(self, session_id: str) -> Socket | None:
        """The socket of a session whose client is here."""
        session = self._by_id.get(session_id)
        return None if session is None or session.connection is None else session.connection.socket

    def of_users(self, users: Container[tuple[AppId, str]]) -> list[Session]:
        """The sessions of users of apps, those of clients that are away for a moment included."""
        return [
            one for one in self._by_id.values() if (one.identity.scope.app_id, one.identity.user_id) in users
        ]

    def away(self, session: Session) -> bool:
        """Its client has lost the connection; False when there is no room to keep it."""
        session.connection = None
        session.away_since = self._clock.monotonic()
        if len(self._by_id) > KEPT_LIMIT:
            self.remove(session)
            return False
        return True

    def remove(self, session: Session) -> None:
        """Forget it."""
        self._by_id.pop(session.id, None)
        self._by_socket.pop(session.socket_id, None)

    def expired(self) -> list[Session]:
        """Those whose clients stayed away for too long."""
        end = self._clock.monotonic() - KEPT_S
        return [one for one in self._by_id.values() if one.connection is None and one.away_since <= end]
