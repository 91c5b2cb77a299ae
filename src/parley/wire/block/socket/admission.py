"""Who is connected: places under the plan, keys that sockets rely on, users who are there."""

from __future__ import annotations

from collections.abc import Set
from sys import intern
from typing import TYPE_CHECKING, Protocol

from parley.accounts.live import LiveCredentials
from parley.base.ids import AppId, CredentialId
from parley.bus.tally import Tally
from parley.wire.block.socket.session import Identity

if TYPE_CHECKING:
    from parley.wire.block.socket.connection import Connection


class Activity(Protocol):
    """What the sockets need of `people.activity`."""

    def socket_opened(self, app_id: AppId, user_id: str) -> None:
        """A user opened a socket."""
        ...

    def socket_closed(self, app_id: AppId, user_id: str) -> None:
        """One of the user's sockets is closed."""
        ...


class Admission:
    """The connections of this process that were let in, each from `admit` or `arrived` until `released`."""

    def __init__(self, tally: Tally, credentials: LiveCredentials) -> None:
        self.activity: Activity | None = None
        """Told of who is connected."""
        self._tally = tally
        self._credentials = credentials
        self._places: dict[Connection, str] = {}
        """By connection, the number that counts it."""
        self._relying: dict[Connection, tuple[CredentialId, ...]] = {}
        self._present: dict[Connection, tuple[AppId, str]] = {}

    async def admit(self, connection: Connection, app_id: AppId, limit: int | None) -> bool:
        """Count an open connection; False when all processes together have as many as the plan allows."""
        name = intern(f"connections:{app_id}")
        if not await self._tally.claim(name, limit):
            return False
        self._places[connection] = name
        return True

    def relies(self, connection: Connection, identity: Identity) -> None:
        """The connection is open by these credentials, and by no others any more."""
        before = self._relying.pop(connection, ())
        if identity.credentials:
            # Few keys open many sockets: one text of each is enough, as of the names of apps.
            now = self._relying[connection] = tuple(
                CredentialId(intern(credential_id)) for credential_id in identity.credentials
            )
            self._credentials.hold(now)
        self._credentials.let_go(before)

    def relying_on(self, credentials: Set[CredentialId]) -> list[Connection]:
        """Connections that are open by one of these."""
        return [one for one, relied_on in self._relying.items() if not credentials.isdisjoint(relied_on)]

    def arrived(self, connection: Connection, identity: Identity) -> None:
        """Somebody was welcomed on a connection."""
        self.relies(connection, identity)
        if identity.room is not None:
            return  # a visitor of a call is not a user who is online
        who = self._present[connection] = (identity.scope.app_id, identity.user_id)
        if self.activity is not None:
            self.activity.socket_opened(*who)

    def released(self, connection: Connection) -> None:
        """The connection is closed, or was refused after all."""
        present = self._present.pop(connection, None)
        if present is not None and self.activity is not None:
            self.activity.socket_closed(*present)
        self._credentials.let_go(self._relying.pop(connection, ()))
        name = self._places.pop(connection, None)
        if name is not None:
            self._tally.release(name)
