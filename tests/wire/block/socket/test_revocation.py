"""A key that is revoked closes what it opened (`design.md` section 5: within two seconds, on all servers)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jwt
import pytest

from parley.accounts import service as accounts
from parley.accounts.events import CredentialRevoked
from parley.accounts.keys import authenticate_key, create_keys
from parley.accounts.live import LOOK_S
from parley.accounts.model import Environment
from parley.accounts.scope import AppScope, Scope
from parley.base.clock import ManualClock
from parley.base.ids import CredentialId
from parley.channels.realtime.grants import Grant
from parley.channels.realtime.signatures import sign
from tests.wire.block.socket.serving import Client, Realtime, Refused, until_turned

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def id_of(realtime: Realtime, key: str) -> CredentialId:
    return (await authenticate_key(realtime.scope.store, key)).credential_id


async def connected(realtime: Realtime, token: str, **members: Any) -> Client:
    client = await realtime.open()
    await client.tell("connect", token=token, **members)
    client.welcome = await client.until(type="welcome")
    return client


def connection_token(
    realtime: Realtime, user_id: str, *keys: CredentialId, grants: Sequence[Grant] = ()
) -> str:
    tokens = realtime.block.sockets.tokens
    token, _ = tokens.issue(realtime.scope.app_id, "live", user_id, grants, keys=keys)
    return token


def user_token(realtime: Realtime, key: str) -> str:
    claims = {"sub": "alice", "exp": realtime.scope.now().timestamp() + 600}
    return jwt.encode(claims, key, "HS256")


async def is_refused(client: Client) -> None:
    assert (await client.until(type="error"))["error"]["code"] == "invalid_token"
    assert await client.close_code() == 4401


async def test_sockets_whose_token_came_from_a_revoked_key_are_closed(
    realtime: Realtime, scope: Scope, clock: ManualClock
) -> None:
    keys = [await id_of(realtime, key) for key in (realtime.keys.publishable, realtime.keys.secret)]
    of_both = await connected(realtime, connection_token(realtime, "alice", *keys))
    of_secret = await connected(realtime, connection_token(realtime, "bob", keys[1]))
    of_publishable = await connected(realtime, connection_token(realtime, "carol", keys[0]))
    await accounts.revoke_credential(scope, keys[1])  # found without an announcement
    await is_refused(of_both)
    await is_refused(of_secret)
    assert await of_publishable.nothing_more() == []
    again = await realtime.open()
    await again.tell("connect", token=connection_token(realtime, "bob", keys[1]))
    await is_refused(again)


@pytest.mark.parametrize("revoked", ["the one sent along", "the one that signed"])
async def test_sockets_opened_with_a_user_token_depend_on_both_keys(
    realtime: Realtime, scope: Scope, clock: ManualClock, revoked: str
) -> None:
    members = {"token": user_token(realtime, realtime.keys.secret), "api_key": realtime.keys.publishable}
    alice = await connected(realtime, **members)
    key = realtime.keys.publishable if revoked == "the one sent along" else realtime.keys.secret
    await accounts.revoke_credential(scope, await id_of(realtime, key))
    await is_refused(alice)
    clock.advance(LOOK_S)
    again = await realtime.open()
    await again.tell("connect", **members)
    await is_refused(again)


async def test_what_is_announced_closes_at_once(realtime: Realtime) -> None:
    secret = await id_of(realtime, realtime.keys.secret)
    alice = await connected(realtime, connection_token(realtime, "alice", secret))
    realtime.block.heard(CredentialRevoked(credential_id=secret))
    await is_refused(alice)


async def test_a_newer_token_frees_a_socket_of_the_key_it_came_with(
    realtime: Realtime, scope: Scope, app_scope: AppScope
) -> None:
    old = await id_of(realtime, realtime.keys.secret)
    newer = await create_keys(scope, app_scope.app_id, Environment.LIVE)
    alice = await connected(realtime, connection_token(realtime, "alice", old))
    bob = await connected(realtime, connection_token(realtime, "bob", old))
    await alice.ask("auth", token=connection_token(realtime, "alice", await id_of(realtime, newer.secret)))
    await accounts.revoke_credential(scope, old)
    await is_refused(bob)
    assert await alice.nothing_more() == []


async def test_subscriptions_that_a_revoked_key_signed_end_on_sockets_of_other_keys(
    realtime: Realtime, scope: Scope
) -> None:
    token = connection_token(realtime, "alice", grants=[Grant("chat:*")])  # of no key
    alice = await connected(realtime, token)
    signature = sign(realtime.keys.secret.encode(), alice.welcome["socket_id"], "private:signed")
    await alice.ask("subscribe", channel="private:signed", auth=f"{realtime.scope.app_id}:{signature}")
    await alice.ask("subscribe", channel="chat:other")
    await accounts.revoke_credential(scope, await id_of(realtime, realtime.keys.secret))
    ended = await alice.until(type="unsubscribed")
    assert (ended["channel"], ended["code"]) == ("private:signed", "unauthorized_channel")
    with pytest.raises(Refused):
        await alice.ask("publish", channel="private:signed", data=1)
    await alice.ask("publish", channel="chat:other", data=1)


async def test_closed_sockets_hold_no_credential(realtime: Realtime) -> None:
    secret = await id_of(realtime, realtime.keys.secret)
    for _ in range(2):
        await connected(realtime, connection_token(realtime, "alice", secret))
    held = realtime.block.credentials._held
    assert held == {secret: 2}
    for client in realtime.clients:
        await client.close()
    await until_turned(lambda: not held)
