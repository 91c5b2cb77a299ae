from __future__ import annotations

from datetime import timedelta

import pytest

from parley.accounts import service as accounts
from parley.accounts.events import AppCreated, CredentialRevoked
from parley.accounts.model import CredentialKind, Right
from parley.base.errors import NotAllowed, NotFound, Unauthenticated
from parley.base.ids import AppId, CredentialId
from parley.base.paging import Order, PageRequest
from tests.accounts.tenants import add_app

TOKEN = CredentialKind.API_TOKEN


async def test_the_first_organization_is_made_once(store):
    made, is_new = await accounts.ensure_organization(store)
    again, is_new_again = await accounts.ensure_organization(store)
    assert (is_new, is_new_again) == (True, False)
    assert again.organization_id == made.organization_id


async def test_an_app_is_found_in_its_organization(app_scope):
    assert (await accounts.get_app(app_scope, app_scope.app_id)).name == "First app"


async def test_an_app_of_another_organization_is_not_found(app_scope, other_app_scope):
    for mine, theirs in ((app_scope, other_app_scope), (other_app_scope, app_scope)):
        with pytest.raises(NotFound):
            await accounts.get_app(mine, theirs.app_id)


async def test_lists_show_only_the_own_organization(app_scope, other_app_scope):
    page = await accounts.list_apps(app_scope, None, Order.ASC, PageRequest())
    assert ([app.id for app in page.rows], page.total) == ([app_scope.app_id], 1)


async def test_the_tenant_cannot_be_given_by_the_caller(scope, other_app_scope):
    """The scope binds its own id over whatever is passed."""
    rows = await scope.all(accounts.store._APP, id=other_app_scope.app_id, organization_id="f" * 32)
    assert rows == []


async def test_adding_an_app_is_announced_on_its_stream(store, scope):
    heard = []
    store.outbox.listen(heard.append)
    added = await add_app(scope, "New")
    assert [(item.app_id, item.topic, item.event) for item in heard] == [
        (added.app_id, f"app:{added.app_id}", AppCreated(app_id=added.app_id, name="New"))
    ]


async def test_a_signed_token_s_app_gives_its_scope(store, app_scope):
    found = await accounts.app_scope(store, app_scope.app_id, "participant:1")
    assert (found.organization_id, found.app_id) == (app_scope.organization_id, app_scope.app_id)


async def test_a_signed_token_of_a_removed_app_is_refused(store):
    with pytest.raises(Unauthenticated):
        await accounts.app_scope(store, AppId("gone"), "participant:1")


@pytest.fixture
async def named_apps(scope, clock):
    for name in ("100% remote", "100 rooms", "under_score", "underXscore", "back\\slash", "ÜBER"):
        clock.advance(1)
        await add_app(scope, name)
    return scope


@pytest.mark.parametrize(
    ("search", "names"),
    [
        ("100", ["100% remote", "100 rooms"]),
        ("100%", ["100% remote"]),
        ("%", ["100% remote"]),
        ("_", ["under_score"]),
        ("\\", ["back\\slash"]),
        ("UNDER", ["under_score", "underXscore"]),
        ("none", []),
    ],
)
async def test_searching_takes_each_character_as_it_is(named_apps, search, names):
    page = await accounts.list_apps(named_apps, search, Order.ASC, PageRequest())
    assert [app.name for app in page.rows] == names
    assert page.total == len(names)


async def test_searching_finds_an_app_by_its_id(named_apps):
    wanted = await add_app(named_apps, "wanted")
    page = await accounts.list_apps(named_apps, wanted.app_id, Order.ASC, PageRequest())
    assert [app.name for app in page.rows] == ["wanted"]


@pytest.mark.parametrize("order", list(Order))
async def test_pages_cover_the_list_once_in_either_order(named_apps, order):
    pages = [
        await accounts.list_apps(named_apps, None, order, PageRequest(number, size=4)) for number in (1, 2, 3)
    ]
    names = [app.name for page in pages for app in page.rows]
    oldest_first = ["100% remote", "100 rooms", "under_score", "underXscore", "back\\slash", "ÜBER"]
    assert names == (oldest_first if order is Order.ASC else oldest_first[::-1])
    assert [(page.total, page.start_offset, page.end_offset) for page in pages] == [
        (6, 1, 4),
        (6, 5, 6),
        (6, 0, 0),
    ]


async def authenticate(store, kind, secret):
    scope, in_app = await accounts.authenticate_for_app(store, kind, secret, None)
    assert in_app is None
    return scope


async def test_a_secret_opens_its_organization_with_its_rights(store, scope):
    credential, secret = await accounts.create_credential(scope, TOKEN, "ci", rights=frozenset({Right.READ}))
    found = await authenticate(store, TOKEN, secret)
    assert found.organization_id == scope.organization_id
    assert found.actor == f"credential:{credential.id}"
    found.require(Right.READ)
    with pytest.raises(NotAllowed):
        found.require(Right.WRITE)


async def test_the_secret_is_stored_nowhere(store, scope):
    credential, secret = await accounts.create_credential(scope, TOKEN, "ci")
    assert secret not in repr(credential)
    assert await accounts.list_credentials(scope) == [credential]


@pytest.mark.parametrize("secret", ["", "unknown", "a\x00b", "a\ud800", "ü" * 10_000])
async def test_an_unknown_secret_is_refused(store, scope, secret):
    with pytest.raises(Unauthenticated):
        await authenticate(store, TOKEN, secret)


async def test_a_hash_is_not_a_secret(store, scope):
    credential, _ = await accounts.create_credential(scope, TOKEN, "ci")
    with pytest.raises(Unauthenticated):
        await authenticate(store, TOKEN, credential.secret_hash)


async def test_a_secret_of_another_kind_is_refused(store, scope):
    _, secret = await accounts.create_credential(scope, TOKEN, "ci")
    with pytest.raises(Unauthenticated):
        await authenticate(store, object(), secret)


async def test_a_secret_ends_at_its_expiry(store, scope, clock):
    _, secret = await accounts.create_credential(
        scope, TOKEN, "ci", expires_at=clock.now() + timedelta(seconds=10)
    )
    clock.advance(9.999)
    await authenticate(store, TOKEN, secret)
    clock.advance(0.001)
    with pytest.raises(Unauthenticated):
        await authenticate(store, TOKEN, secret)


async def test_a_revoked_secret_is_refused_and_its_revocation_announced(store, scope):
    credential, secret = await accounts.create_credential(scope, TOKEN, "ci")
    heard = []
    store.outbox.listen(heard.append)
    await accounts.revoke_credential(scope, credential.id)
    with pytest.raises(Unauthenticated):
        await authenticate(store, TOKEN, secret)
    assert [(item.topic, item.event) for item in heard] == [
        (f"credential:{credential.id}", CredentialRevoked(credential_id=credential.id))
    ]


async def test_revoking_twice_is_not_found_and_not_announced_again(store, scope):
    credential, _ = await accounts.create_credential(scope, TOKEN, "ci")
    await accounts.revoke_credential(scope, credential.id)
    heard = []
    store.outbox.listen(heard.append)
    for credential_id in (credential.id, CredentialId("unknown")):
        with pytest.raises(NotFound):
            await accounts.revoke_credential(scope, credential_id)
    assert heard == []


async def test_a_credential_of_another_organization_cannot_be_revoked(store, scope, other_scope):
    credential, secret = await accounts.create_credential(scope, TOKEN, "ci")
    with pytest.raises(NotFound):
        await accounts.revoke_credential(other_scope, credential.id)
    await authenticate(store, TOKEN, secret)
    assert await accounts.list_credentials(other_scope) == []


async def test_a_given_secret_may_be_ensured_at_every_start(store, scope):
    for _ in range(2):
        await accounts.ensure_credential(scope, TOKEN, "given", "a given secret")
    assert len(await accounts.list_credentials(scope)) == 1
    await authenticate(store, TOKEN, "a given secret")
