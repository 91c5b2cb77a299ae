"""Use cases of organizations, apps and credentials."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime

from parley.accounts import store
from parley.accounts.events import AppCreated, CredentialRevoked
from parley.accounts.model import App, Credential, CredentialKind, Organization, Right
from parley.accounts.scope import AppScope, Change, Scope
from parley.base.errors import NotFound, Unauthenticated
from parley.base.ids import AppId, CredentialId, OrganizationId, new_organization_id, new_uuid
from parley.base.paging import Order, Page, PageRequest
from parley.base.times import truncate_ms
from parley.store.core import Store

TOKEN_PREFIX = "parley_"  # noqa: S105 - lets secret scanners recognise a leaked token


def secret_hash(secret: str) -> str:
    """How a secret is stored and looked up."""
    # The secrets are random (256 bits), so a plain digest cannot be guessed back.
    # Anything may be presented, half a surrogate pair too; it is unknown then, not an error.
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


async def ensure_organization(
    base: Store, organization_id: OrganizationId | None = None, *, name: str = "Parley"
) -> tuple[Scope, bool]:
    """The organization of that id (or the first one), made when missing; and whether it was made now."""
    found = await store.find_organization(base.database, organization_id)
    if found is not None:
        return Scope(base, found.id, "system"), False
    made = Organization(organization_id or new_organization_id(), name, truncate_ms(base.clock.now()))
    async with base.database.transaction() as tx:
        await store.insert_organization(tx, made)
    return Scope(base, made.id, "system"), True


async def add_app(change: Change, name: str) -> App:
    """Add an app within a change (`meetings.apps.create_app` adds what belongs to it)."""
    app = App(AppId(new_uuid()), change.scope.organization_id, name, change.now())
    await store.insert_app(change, app)
    change.announce(AppCreated(app_id=app.id, name=name), app_id=app.id)
    return app


async def get_app(scope: Scope, app_id: AppId) -> App:
    """An app of this organization.

    Raises:
        NotFound: no such app here.
    """
    app = await store.get_app(scope, app_id)
    if app is None:
        raise NotFound(f"No app found with id {app_id}")
    return app


async def list_apps(scope: Scope, search: str | None, order: Order, page: PageRequest) -> Page[App]:
    """Apps of this organization, by creation time."""
    return await store.list_apps(scope, search, order, page)


async def app_scope(base: Store, app_id: AppId, actor: str) -> AppScope:
    """The scope of a caller whose signed token names the app.

    Raises:
        Unauthenticated: the app does not exist (any more).
    """
    scope, _ = await app_and_scope(base, app_id, actor)
    return scope


async def app_and_scope(base: Store, app_id: AppId, actor: str) -> tuple[AppScope, App]:
    """The same, with the app itself.

    Raises:
        Unauthenticated: the app does not exist (any more).
    """
    app = await store.get_app_of_any_tenant(base.database, app_id)
    if app is None:
        raise Unauthenticated("Unauthorized")
    return Scope(base, app.organization_id, actor).app(app.id), app


async def create_credential(
    scope: Scope,
    kind: CredentialKind,
    name: str,
    *,
    rights: frozenset[Right] = frozenset(Right),
    app_id: AppId | None = None,
    environment: str = "live",
    expires_at: datetime | None = None,
    secret: str | None = None,
) -> tuple[Credential, str]:
    """Make a credential; returns it with its secret, which cannot be read again.

    Args:
        scope: whose it is.
        kind: what it opens.
        name: for people.
        rights: what it may do.
        app_id: restrict it to one app.
        environment: `live` or `test`.
        expires_at: None = never.
        secret: a given secret (first start of a scripted server); made when absent.
    """
    secret = secret or TOKEN_PREFIX + secrets.token_urlsafe(32)
    credential = Credential(
        CredentialId(new_uuid()),
        scope.organization_id,
        app_id,
        kind,
        name,
        secret_hash(secret),
        sorted(rights),
        environment,
        expires_at,
        None,
        scope.now(),
    )
    async with scope.change() as change:
        await store.insert_credential(change, credential)
    return credential, secret


async def ensure_credential(scope: Scope, kind: CredentialKind, name: str, secret: str) -> None:
    """Make sure that a given secret works (scripted first start); may be called at every start."""
    if await store.credential_by_secret(scope.store.database, secret_hash(secret)) is None:
        await create_credential(scope, kind, name, secret=secret)


async def list_credentials(scope: Scope) -> list[Credential]:
    """The organization's credentials, oldest first."""
    return await store.list_credentials(scope)


async def revoke_credential(scope: Scope, credential_id: CredentialId) -> None:
    """Stop a credential from working, and close what it holds open.

    Raises:
        NotFound: no such working credential here.
    """
    async with scope.change() as change:
        if not await store.revoke_credential(change, credential_id):
            raise NotFound(f"No active credential found with id {credential_id}")
        change.announce(CredentialRevoked(credential_id=credential_id), app_id=AppId(""))


async def authenticate_for_app(
    base: Store, kind: CredentialKind, secret: str, app_id: AppId | None
) -> tuple[Scope, AppScope | None]:
    """The scope of a presented secret, and that inside an app of its organization; None = no such app.

    One look-up for both, for it precedes every request. Nothing is remembered: a revoked secret stops working
    at once, whichever process revoked it.

    Raises:
        Unauthenticated: unknown, of another kind, expired or revoked.
    """
    found = await store.grant_of_secret(base.database, secret_hash(secret), app_id)
    if found is None:
        raise Unauthenticated("Unauthorized")
    grant, known_app = found
    if grant.kind is not kind or grant.revoked_at is not None:
        raise Unauthenticated("Unauthorized")
    if grant.expires_at is not None and grant.expires_at <= base.clock.now():
        raise Unauthenticated("Unauthorized")
    scope = Scope(base, grant.organization_id, f"credential:{grant.id}", grant.rights)
    return scope, None if known_app is None else scope.app(known_app)
