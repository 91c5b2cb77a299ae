"""Credentials that sockets are held open by: remembered for those who connect, watched for those who have.

A credential that is revoked, by this process or any other, ends what it holds open within two seconds: the
server that revokes it announces that; and one revoked from elsewhere (`parley keys revoke`), or while the bus
is away, is found by looking at those in use every `LOOK_S`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Set

import structlog

from parley.accounts import store
from parley.accounts.keys import KeyHolder, authenticate_key, named_signing_keys
from parley.accounts.model import App
from parley.accounts.remembered import Remembered
from parley.accounts.scope import AppScope
from parley.accounts.service import app_and_scope
from parley.accounts.user_tokens import InvalidToken
from parley.base.ids import AppId, CredentialId, OrganizationId
from parley.base.tasks import cancel_and_wait
from parley.store.core import Store
from parley.store.errors import DatabaseUnavailable

log = structlog.get_logger(__name__)
LOOK_S = 1.0
APP_S = 10.0
"""How long an app is remembered; nothing of it changes."""
BATCH = 500
"""Credentials looked at in one query."""


class LiveCredentials:
    """The keys and apps of those who connect to this process, and the credentials of those who are there."""

    def __init__(self, base: Store) -> None:
        self._store = base
        self.ended: Callable[[Set[CredentialId]], None] = _nobody_cares
        """Told of credentials that have stopped working, perhaps more than once."""
        self._held: Counter[CredentialId] = Counter()
        self._watched: set[CredentialId] = set()
        self._apps = Remembered[AppId, App](base.clock, APP_S, self._look_up_app)
        self._holders = Remembered[str, KeyHolder](base.clock, LOOK_S, self._look_up_key)
        self._signing = Remembered[tuple[OrganizationId, AppId], Mapping[CredentialId, bytes]](
            base.clock, LOOK_S, self._look_up_signing
        )
        self._working = Remembered[CredentialId, bool](base.clock, LOOK_S, self._look_up_one)
        self._looker: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to watch."""
        self._looker = asyncio.create_task(self._look_forever(), name="live credentials")

    async def stop(self) -> None:
        """Watch no more."""
        await cancel_and_wait([self._looker])

    # --- those who connect --------------------------------------------------------------------

    async def app(self, app_id: AppId, actor: str) -> tuple[AppScope, App]:
        """The app of a checked token.

        Raises:
            Unauthenticated: it does not exist.
        """
        app = await self._apps.get(app_id)
        return AppScope(self._store, app.organization_id, actor, app_id=app.id), app

    async def holder(self, key: str) -> KeyHolder:
        """See `keys.authenticate_key`; a revoked key is refused within a second."""
        return await self._holders.get(key)

    async def signing_keys(self, scope: AppScope) -> Mapping[CredentialId, bytes]:
        """See `keys.named_signing_keys`; those made within the last second may be missing."""
        return await self._signing.get((scope.organization_id, scope.app_id))

    async def require(self, credentials: Iterable[CredentialId]) -> None:
        """Check what a token relies on.

        Raises:
            InvalidToken: one of them has been revoked for a second, or has expired.
        """
        for credential_id in credentials:
            if not await self._working.get(credential_id):
                raise InvalidToken("The key that this token comes from was revoked.")

    # --- those who are there ------------------------------------------------------------------

    def hold(self, credentials: Iterable[CredentialId]) -> None:
        """Something is open that relies on these."""
        self._held.update(credentials)

    def let_go(self, credentials: Iterable[CredentialId]) -> None:
        """It is closed."""
        for credential_id in credentials:
            self._held[credential_id] -= 1
            if self._held[credential_id] <= 0:
                del self._held[credential_id]

    def watch(self, credential_id: CredentialId) -> None:
        """Something relies on it, nobody says for how long: an app has few that sign."""
        self._watched.add(credential_id)

    def revoked(self, credential_id: CredentialId) -> None:
        """A credential was revoked, as its server says."""
        self._forget()
        self.ended({credential_id})

    async def look(self) -> None:
        """Find those among the held that have stopped working."""
        held = list(self._held.keys() | self._watched)
        ended: set[CredentialId] = set()
        for start in range(0, len(held), BATCH):
            batch = held[start : start + BATCH]
            ended.update(set(batch) - await self._look_up(batch))
        if ended:
            self._forget()
            self._watched -= ended
            self.ended(ended)

    async def _look_forever(self) -> None:
        is_away = False
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self.look()
                is_away = False
            except DatabaseUnavailable as away:
                if not is_away:
                    log.warning("live_credentials_wait_for_database", reason=away.message)
                is_away = True
            except Exception:
                log.exception("live_credentials_failed")

    def _forget(self) -> None:
        for remembered in (self._holders, self._signing, self._working):
            remembered.clear()

    # --- look-ups -----------------------------------------------------------------------------

    async def _look_up_app(self, app_id: AppId) -> App:
        _, app = await app_and_scope(self._store, app_id, "system")
        return app

    async def _look_up_key(self, key: str) -> KeyHolder:
        return await authenticate_key(self._store, key)

    async def _look_up_signing(self, whose: tuple[OrganizationId, AppId]) -> Mapping[CredentialId, bytes]:
        organization_id, app_id = whose
        return await named_signing_keys(AppScope(self._store, organization_id, "system", app_id=app_id))

    async def _look_up_one(self, credential_id: CredentialId) -> bool:
        return bool(await self._look_up([credential_id]))

    async def _look_up(self, credentials: Iterable[CredentialId]) -> set[CredentialId]:
        """Those that work."""
        return await store.working(self._store.database, credentials, self._store.clock.now())


def _nobody_cares(ended: Set[CredentialId]) -> None:
    """Nothing is held open."""
