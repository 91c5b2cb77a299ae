"""Credentials that something is held open by, and what is remembered of keys and apps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Set
from dataclasses import dataclass, field

import jwt
import pytest
import pytest_asyncio

from parley.accounts import service as accounts
from parley.accounts.app_settings import AppSettings
from parley.accounts.keys import NewKeys, authenticate_key, create_keys
from parley.accounts.live import LOOK_S, LiveCredentials
from parley.accounts.model import Environment
from parley.accounts.remembered import Remembered
from parley.accounts.scope import AppScope, Scope
from parley.accounts.user_tokens import InvalidToken, UserTokens
from parley.base.clock import ManualClock
from parley.base.errors import Unauthenticated
from parley.base.ids import AppId, CredentialId, new_uuid
from parley.store.core import Store
from tests.waiting import until


@dataclass
class Watched:
    live: LiveCredentials
    keys: NewKeys
    publishable: CredentialId
    secret: CredentialId
    ended: list[Set[CredentialId]] = field(default_factory=list)


@pytest_asyncio.fixture
async def watched(store: Store, scope: Scope, app_scope: AppScope) -> AsyncIterator[Watched]:
    keys = await create_keys(scope, app_scope.app_id, Environment.LIVE)
    holders = [await authenticate_key(store, key) for key in (keys.publishable, keys.secret)]
    made = Watched(LiveCredentials(store), keys, holders[0].credential_id, holders[1].credential_id)
    made.live.ended = made.ended.append
    yield made
    await made.live.stop()


async def test_a_held_credential_that_is_revoked_elsewhere_is_found(watched: Watched, scope: Scope) -> None:
    watched.live.hold([watched.publishable, watched.secret])
    await watched.live.start()
    await accounts.revoke_credential(scope, watched.secret)  # nobody tells this process
    await until(lambda: "" if watched.ended else "nobody was told")
    assert watched.ended[0] == {watched.secret}


async def test_what_nobody_holds_any_more_ends_nothing(watched: Watched, scope: Scope) -> None:
    watched.live.hold([watched.secret, watched.publishable])
    watched.live.hold([watched.publishable])
    watched.live.let_go([watched.secret, watched.publishable])
    for credential_id in (watched.secret, watched.publishable):
        await accounts.revoke_credential(scope, credential_id)
    await watched.live.look()
    assert watched.ended == [{watched.publishable}]


async def test_an_announced_revocation_is_told_at_once(watched: Watched) -> None:
    watched.live.revoked(watched.secret)
    assert watched.ended == [{watched.secret}]


async def test_what_is_watched_is_told_once(watched: Watched, scope: Scope) -> None:
    watched.live.watch(watched.secret)
    await watched.live.look()
    await accounts.revoke_credential(scope, watched.secret)
    for _ in range(2):
        await watched.live.look()
    assert watched.ended == [{watched.secret}]


async def test_revoked_and_unknown_credentials_are_refused_to_those_who_connect(
    watched: Watched, scope: Scope, clock: ManualClock
) -> None:
    both = [watched.publishable, watched.secret]
    await watched.live.require(both)
    await watched.live.require([])
    await accounts.revoke_credential(scope, watched.secret)
    clock.advance(LOOK_S)
    for refused in (both, [CredentialId(new_uuid())]):
        with pytest.raises(InvalidToken):
            await watched.live.require(refused)
    await watched.live.require([watched.publishable])


async def test_a_revoked_key_is_not_remembered_for_long(
    watched: Watched, scope: Scope, clock: ManualClock
) -> None:
    assert (await watched.live.holder(watched.keys.publishable)).credential_id == watched.publishable
    await accounts.revoke_credential(scope, watched.publishable)
    clock.advance(LOOK_S)
    with pytest.raises(Unauthenticated):
        await watched.live.holder(watched.keys.publishable)


async def test_a_new_key_signs_at_once(watched: Watched, scope: Scope, app_scope: AppScope) -> None:
    live_scope = app_scope
    remembered = await watched.live.signing_keys(live_scope)
    assert list(remembered) == [watched.secret]
    newer = await create_keys(scope, app_scope.app_id, Environment.LIVE)
    users = UserTokens(AppSettings(scope.store.clock), None, scope.store.clock)  # type: ignore[arg-type]
    claims = {"sub": "ada", "exp": scope.now().timestamp() + 60}
    signed_by = [
        (await users.verify(live_scope, jwt.encode(claims, key, "HS256"), remembered=remembered)).signed_by
        for key in (watched.keys.secret, newer.secret)
    ]
    assert signed_by[0] == watched.secret
    assert signed_by[1] not in (None, watched.secret)
    with pytest.raises(InvalidToken):
        await users.verify(live_scope, jwt.encode(claims, "x" * 40, "HS256"), remembered=remembered)


async def test_an_app_is_looked_up_once(
    watched: Watched, app_scope: AppScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await asyncio.gather(*(watched.live.app(app_scope.app_id, f"user:{n}") for n in range(100)))
    assert {app.id for _, app in found} == {app_scope.app_id}
    assert [scope.actor for scope, _ in found] == [f"user:{n}" for n in range(100)]
    assert {scope.organization_id for scope, _ in found} == {app_scope.organization_id}
    with pytest.raises(Unauthenticated):
        await watched.live.app(AppId(new_uuid()), "user:x")


async def test_answers_are_remembered_for_their_time_and_failures_are_not(clock: ManualClock) -> None:
    asked: list[str] = []

    async def look_up(key: str) -> int:
        asked.append(key)
        await asyncio.sleep(0)
        if key == "bad":
            raise LookupError(key)
        return len(asked)

    remembered = Remembered[str, int](clock, 5.0, look_up)
    assert await asyncio.gather(*(remembered.get("a") for _ in range(10))) == [1] * 10
    clock.advance(4.9)
    assert await remembered.get("a") == 1
    clock.advance(0.1)
    assert await remembered.get("a") == 2
    remembered.forget("a")
    assert await remembered.get("a") == 3
    for _ in range(2):
        with pytest.raises(LookupError):
            await remembered.get("bad")
    assert asked == ["a", "a", "a", "bad", "bad"]


async def test_an_answer_on_its_way_when_things_changed_is_not_remembered(
    clock: ManualClock,
) -> None:
    value = "old"
    asked, proceed = asyncio.Event(), asyncio.Event()

    async def look_up(key: str) -> str:
        seen = value
        asked.set()
        await proceed.wait()
        return seen

    remembered = Remembered[str, str](clock, 5.0, look_up)
    first = asyncio.create_task(remembered.get("k"))
    await asked.wait()
    value = "new"
    remembered.clear()
    proceed.set()
    assert await first == "old"
    assert await remembered.get("k") == "new"


async def test_one_who_stops_waiting_does_not_take_the_answer_from_the_others(clock: ManualClock) -> None:
    proceed = asyncio.Event()

    async def look_up(key: str) -> str:
        await proceed.wait()
        return key

    remembered = Remembered[str, str](clock, 5.0, look_up)
    waiting = [asyncio.create_task(remembered.get("k")) for _ in range(2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.gather(waiting[0], return_exceptions=True)
    proceed.set()
    assert await waiting[1] == "k"
