"""Keys of an app: a publishable and a secret one in each of its environments (`realtime-block.md` 1.1).

The key alone picks the environment. A secret key is also kept sealed, because it signs: user tokens and
channel authorizations are checked with it.
"""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass

from parley.accounts import store
from parley.accounts.model import App, Credential, CredentialKind, Environment, Right
from parley.accounts.scope import AppScope, Scope
from parley.accounts.service import secret_hash
from parley.base.errors import Conflict, NotFound, Unauthenticated
from parley.base.ids import AppId, CredentialId, new_uuid
from parley.store.core import Store

_LETTERS = string.ascii_letters + string.digits
_RANDOM = 32
SECRET_KEYS_LIMIT = 2
"""Of one environment at a time: the old and the new one while keys are being exchanged."""
_SEAL = "app-key"
_PREFIXES = {
    (CredentialKind.PUBLISHABLE_KEY, Environment.TEST): "pk_test_",
    (CredentialKind.PUBLISHABLE_KEY, Environment.LIVE): "pk_live_",
    (CredentialKind.SECRET_KEY, Environment.TEST): "sk_test_",
    (CredentialKind.SECRET_KEY, Environment.LIVE): "sk_live_",
}


@dataclass(frozen=True, slots=True)
class NewKeys:
    """A fresh pair; the secret key cannot be read again."""

    app: App
    """The app of the environment."""
    publishable: str
    secret: str


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Whoever presented a key."""

    scope: AppScope
    app: App
    is_secret: bool
    credential_id: CredentialId


async def app_of_environment(scope: Scope, app_id: AppId, environment: Environment) -> App:
    """The app that holds an environment's data; the test sibling is made at first use.

    Raises:
        NotFound: no such (live) app in this organization.
    """
    live = await store.get_app(scope, app_id)
    if live is None or live.live_app_id is not None:
        raise NotFound(f"No app found with id {app_id}")
    if environment is Environment.LIVE:
        return live
    async with scope.change() as change:
        found = await store.test_sibling(change, app_id)
        if found is not None:
            return found
        made = App(
            AppId(new_uuid()), live.organization_id, live.name, change.now(), Environment.TEST, live.id
        )
        await store.insert_app(change, made)
    return made


async def create_keys(scope: Scope, app_id: AppId, environment: Environment) -> NewKeys:
    """A new pair of keys; at most `SECRET_KEYS_LIMIT` secret keys are active at a time.

    Raises:
        NotFound: no such app in this organization.
        Conflict: too many keys; revoke one first.
    """
    app = await app_of_environment(scope, app_id, environment)
    async with scope.change() as change:
        if len(await store.active_secret_keys(change, app.id)) >= SECRET_KEYS_LIMIT:
            raise Conflict(
                f"An environment has at most {SECRET_KEYS_LIMIT} active secret keys; revoke one first."
            )
        made = {}
        for kind in (CredentialKind.PUBLISHABLE_KEY, CredentialKind.SECRET_KEY):
            key = _PREFIXES[kind, environment] + "".join(secrets.choice(_LETTERS) for _ in range(_RANDOM))
            is_secret = kind is CredentialKind.SECRET_KEY
            await store.insert_credential(
                change,
                Credential(
                    id=CredentialId(new_uuid()),
                    organization_id=scope.organization_id,
                    app_id=app.id,
                    kind=kind,
                    name="key",
                    secret_hash=secret_hash(key),
                    rights=sorted(Right),
                    environment=environment,
                    expires_at=None,
                    revoked_at=None,
                    created_at=change.now(),
                    sealed_secret=scope.store.vault.seal(_SEAL, key.encode()) if is_secret else None,
                ),
            )
            made[kind] = key
    return NewKeys(app, made[CredentialKind.PUBLISHABLE_KEY], made[CredentialKind.SECRET_KEY])


async def authenticate_key(base: Store, key: str) -> KeyHolder:
    """Who presents a key.

    Raises:
        Unauthenticated: unknown, expired or revoked.
    """
    found = await store.key_with_app(base.database, secret_hash(key)) if _may_be_key(key) else None
    if found is None:
        raise Unauthenticated("The API key is not valid.")
    credential, app = found
    ended = credential.expires_at is not None and credential.expires_at <= base.clock.now()
    if credential.revoked_at is not None or ended:
        raise Unauthenticated("The API key is not valid.")
    scope = AppScope(
        base, app.organization_id, f"credential:{credential.id}", frozenset(credential.rights), app.id
    )
    return KeyHolder(scope, app, credential.kind is CredentialKind.SECRET_KEY, credential.id)


async def signing_keys(scope: AppScope) -> list[bytes]:
    """The active secret keys of the scope's app (one environment), newest first."""
    return list((await named_signing_keys(scope)).values())


async def named_signing_keys(scope: AppScope) -> dict[CredentialId, bytes]:
    """The same, each with the credential that it is."""
    sealed = await store.active_secret_keys(scope, scope.app_id)
    return {id_: scope.store.vault.open(_SEAL, one) for id_, one in sealed.items()}


def _may_be_key(key: str) -> bool:
    return key.startswith(tuple(_PREFIXES.values()))
