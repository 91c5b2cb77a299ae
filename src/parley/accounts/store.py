"""Every statement of accounts."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, and_, bindparam, func, insert, or_, select, update

from parley.accounts.model import App, Credential, CredentialKind, Grant, Organization
from parley.accounts.scope import AppScope, Change, Scope
from parley.base.ids import AppId, CredentialId, OrganizationId
from parley.base.paging import Order, Page, PageRequest
from parley.base.times import to_ms
from parley.store.ports import Database, Transaction
from parley.store.query import Query, SystemQuery, in_list, insert_row, json_list, like_pattern, upsert
from parley.store.rows import RowMap
from parley.store.schema import channels as channel_tables
from parley.store.schema import tables as t

_organizations = RowMap(Organization, t.organizations)
_apps = RowMap(App, t.apps)
_credentials = RowMap(Credential, t.credentials)
_grants = RowMap(Grant, t.credentials)

_INSERT_ORGANIZATION = SystemQuery(
    insert(t.organizations).values({c.name: bindparam(c.name) for c in t.organizations.columns})
)
_ORGANIZATION = SystemQuery(select(*_organizations.columns).where(t.organizations.c.id == bindparam("id")))
_FIRST_ORGANIZATION = SystemQuery(
    select(*_organizations.columns).order_by(t.organizations.c.created_at).limit(1)
)
_INSERT_APP = insert_row(t.apps)
_APP = Query(
    select(*_apps.columns).where(
        t.apps.c.id == bindparam("id"), t.apps.c.organization_id == bindparam("organization_id")
    )
)
_APP_ANYWHERE = SystemQuery(select(*_apps.columns).where(t.apps.c.id == bindparam("id")))
_INSERT_CREDENTIAL = insert_row(t.credentials)
_CREDENTIAL_BY_SECRET = SystemQuery(
    select(*_credentials.columns).where(t.credentials.c.secret_hash == bindparam("secret_hash"))
)
_GRANT = SystemQuery(
    select(*_grants.columns, t.apps.c.id)
    .select_from(t.credentials)
    .outerjoin(
        t.apps,
        and_(t.apps.c.id == bindparam("app_id"), t.apps.c.organization_id == t.credentials.c.organization_id),
    )
    .where(t.credentials.c.secret_hash == bindparam("secret_hash"))
)
_CREDENTIALS = Query(
    select(*_credentials.columns)
    .where(t.credentials.c.organization_id == bindparam("organization_id"))
    .order_by(t.credentials.c.created_at)
)
_REVOKE = Query(
    update(t.credentials)
    .where(
        t.credentials.c.id == bindparam("id"),
        t.credentials.c.organization_id == bindparam("organization_id"),
        t.credentials.c.revoked_at.is_(None),
    )
    .values(revoked_at=bindparam("revoked_at"))
)

_TEST_SIBLING = Query(
    select(*_apps.columns).where(
        t.apps.c.live_app_id == bindparam("id"),
        t.apps.c.organization_id == bindparam("organization_id"),
    )
)
_KEY_KINDS = (CredentialKind.PUBLISHABLE_KEY, CredentialKind.SECRET_KEY)
_KEY_WITH_APP = SystemQuery(
    select(*_credentials.columns, *_apps.columns)
    .join(t.apps, t.apps.c.id == t.credentials.c.app_id)
    .where(
        t.credentials.c.secret_hash == bindparam("secret_hash"),
        or_(*(t.credentials.c.kind == kind.value for kind in _KEY_KINDS)),
    )
)
_SECRET_KEYS = Query(
    select(t.credentials.c.id, t.credentials.c.sealed_secret)
    .where(
        t.credentials.c.organization_id == bindparam("organization_id"),
        t.credentials.c.app_id == bindparam("of_app"),
        t.credentials.c.kind == CredentialKind.SECRET_KEY.value,
        t.credentials.c.revoked_at.is_(None),
        or_(t.credentials.c.expires_at.is_(None), t.credentials.c.expires_at > bindparam("now")),
    )
    .order_by(t.credentials.c.created_at.desc())
)

_WORKING = SystemQuery(
    select(t.credentials.c.id).where(
        in_list(t.credentials.c.id, "ids"),
        t.credentials.c.revoked_at.is_(None),
        or_(t.credentials.c.expires_at.is_(None), t.credentials.c.expires_at > bindparam("now")),
    )
)

_settings = channel_tables.app_settings
_APP_SETTINGS = Query(
    select(_settings.c.body).where(
        _settings.c.app_id == bindparam("app_id"), _settings.c.section == bindparam("section")
    )
)
_PUT_APP_SETTINGS = Query(
    upsert(
        _settings,
        ["app_id", "section"],
        {"body": bindparam("body"), "updated_at": bindparam("updated_at")},
    )
)


@functools.cache
def _list_apps(searching: bool, order: Order) -> tuple[Query, Query]:
    wanted: list[ColumnElement[bool]] = [
        t.apps.c.organization_id == bindparam("organization_id"),
        t.apps.c.live_app_id.is_(None),
    ]
    if searching:
        wanted.append(
            or_(
                func.lower(t.apps.c.name).like(bindparam("pattern"), escape="\\"),
                t.apps.c.id == bindparam("search"),
            )
        )
    where = and_(*wanted)
    by = (t.apps.c.created_at, t.apps.c.id)
    rows = select(*_apps.columns).where(where)
    rows = rows.order_by(*(by if order is Order.ASC else [c.desc() for c in by]))
    rows = rows.limit(bindparam("size")).offset(bindparam("skip"))
    return Query(rows), Query(select(func.count()).select_from(t.apps).where(where))


async def insert_organization(tx: Transaction, organization: Organization) -> None:
    """Add an organization."""
    await tx.run(_INSERT_ORGANIZATION, **_organizations.write(organization))


async def find_organization(
    database: Database, organization_id: OrganizationId | None
) -> Organization | None:
    """The organization of that id, or the oldest one."""
    if organization_id is None:
        row = await database.one(_FIRST_ORGANIZATION)
    else:
        row = await database.one(_ORGANIZATION, id=organization_id)
    return _organizations.read(row) if row else None


async def insert_app(change: Change, app: App) -> None:
    """Add an app."""
    await change.tx.run(_INSERT_APP, **_apps.write(app))


async def get_app(scope: Scope, app_id: AppId) -> App | None:
    """An app of the scope's organization."""
    row = await scope.one(_APP, id=app_id)
    return _apps.read(row) if row else None


async def get_app_of_any_tenant(database: Database, app_id: AppId) -> App | None:
    """For resolving signed tokens, which name their app."""
    row = await database.one(_APP_ANYWHERE, id=app_id)
    return _apps.read(row) if row else None


async def list_apps(scope: Scope, search: str | None, order: Order, page: PageRequest) -> Page[App]:
    """A page of the organization's apps, by creation time."""
    rows, count = _list_apps(bool(search), order)
    wanted = {"pattern": like_pattern(search), "search": search} if search else {}
    found = await scope.all(rows, size=page.size, skip=page.skip, **wanted)
    total = await scope.one(count, **wanted)
    assert total is not None
    return Page([_apps.read(row) for row in found], total[0], page)


async def insert_credential(change: Change, credential: Credential) -> None:
    """Add a credential."""
    await change.tx.run(_INSERT_CREDENTIAL, **_credentials.write(credential))


async def credential_by_secret(database: Database, secret_hash: str) -> Credential | None:
    """Look a presented secret up, whoever's it is."""
    row = await database.one(_CREDENTIAL_BY_SECRET, secret_hash=secret_hash)
    return _credentials.read(row) if row else None


async def grant_of_secret(
    database: Database, secret_hash: str, app_id: AppId | None
) -> tuple[Grant, AppId | None] | None:
    """What a presented secret allows, and the app if it is one of the same organization."""
    row = await database.one(_GRANT, secret_hash=secret_hash, app_id=app_id)
    if row is None:
        return None
    *grant, found = row
    return _grants.read(grant), found


async def list_credentials(scope: Scope) -> list[Credential]:
    """The organization's credentials, oldest first."""
    return [_credentials.read(row) for row in await scope.all(_CREDENTIALS)]


async def revoke_credential(change: Change, credential_id: CredentialId) -> bool:
    """Mark revoked; False when there was nothing to revoke."""
    return bool(await change.run(_REVOKE, id=credential_id, revoked_at=to_ms(change.now())))


async def test_sibling(change: Change, app_id: AppId) -> App | None:
    """The app with an app's test data."""
    row = await change.one(_TEST_SIBLING, id=app_id)
    return _apps.read(row) if row else None


async def key_with_app(database: Database, secret_hash: str) -> tuple[Credential, App] | None:
    """A presented key and the app of its environment, whoever's it is."""
    row = await database.one(_KEY_WITH_APP, secret_hash=secret_hash)
    if row is None:
        return None
    number = len(_credentials.columns)
    values = tuple(row)
    return _credentials.read(values[:number]), _apps.read(values[number:])


async def active_secret_keys(reader: Scope | Change, app_id: AppId) -> dict[CredentialId, bytes]:
    """The sealed secret keys of an app that work now, newest first."""
    rows = await reader.all(_SECRET_KEYS, of_app=app_id, now=to_ms(reader.now()))
    return {CredentialId(row[0]): bytes(row[1]) for row in rows}


async def working(
    database: Database, credentials: Iterable[CredentialId], now: datetime
) -> set[CredentialId]:
    """Those that are neither revoked nor expired nor unknown, whoever's they are."""
    rows = await database.all(_WORKING, ids=json_list(credentials), now=to_ms(now))
    return {CredentialId(row[0]) for row in rows}


async def app_settings(scope: AppScope, section: str) -> str | None:
    """A section of the app's settings, as JSON."""
    row = await scope.one(_APP_SETTINGS, section=section)
    return str(row[0]) if row else None


async def put_app_settings(change: Change, section: str, body: str) -> None:
    """Replace a section."""
    await change.run(
        _PUT_APP_SETTINGS, section=section, body=body, sealed=None, updated_at=to_ms(change.now())
    )
