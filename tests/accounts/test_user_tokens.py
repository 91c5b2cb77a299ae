"""Who acts, as tokens of the customer's server say."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
import pytest_asyncio
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from parley.accounts import key_sets
from parley.accounts.app_settings import AppSettings, write
from parley.accounts.keys import create_keys
from parley.accounts.model import Environment
from parley.accounts.scope import AppScope
from parley.accounts.user_tokens import DEFAULT_SCOPES, IdentitySettings, InvalidToken, User, UserTokens
from parley.base.clock import ManualClock
from parley.outgoing.http import OutgoingHttp, OutgoingPolicy
from tests.webhooks.receiver import Receiver, receiver, status

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@dataclass
class Issuer:
    """An app, and the customer who signs tokens for it."""

    scope: AppScope
    tokens: UserTokens
    secret: str
    customer: Receiver
    clock: ManualClock

    def claims(self, **changes: Any) -> dict[str, Any]:
        values = {"sub": "ada", "exp": int(self.clock.now().timestamp()) + 60, **changes}
        return {name: value for name, value in values.items() if value is not None}

    def signed(self, **changes: Any) -> str:
        return jwt.encode(self.claims(**changes), self.secret, "HS256")

    async def user(self, token: str) -> User:
        return await self.tokens.verify(self.scope, token)

    async def publish(self, *keys: dict[str, Any]) -> None:
        """Have the app check tokens with this JWKS document."""

        async def respond(_: web.Request) -> web.StreamResponse:
            return web.json_response({"keys": list(keys)})

        self.customer.respond = respond
        async with self.scope.change() as change:
            await write(change, "identity", IdentitySettings(jwks_url=self.customer.url))


@pytest_asyncio.fixture
async def issuer(app_scope: AppScope, clock: ManualClock) -> AsyncIterator[Issuer]:
    keys = await create_keys(app_scope, app_scope.app_id, Environment.LIVE)
    http = OutgoingHttp(OutgoingPolicy())
    async with receiver() as customer:
        tokens = UserTokens(AppSettings(clock), http, clock)
        yield Issuer(app_scope, tokens, keys.secret, customer, clock)
    await http.close()


def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65_537, 2_048)


def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def jwk(key: Any, kid: str | None = None) -> dict[str, Any]:
    algorithm = (
        jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    )
    made = json.loads(algorithm.to_jwk(key.public_key()))
    made["alg"] = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
    return {**made, "use": "sig", **({"kid": kid} if kid else {})}


async def test_a_token_names_its_user(issuer: Issuer) -> None:
    token = issuer.signed(name="Ada", email="a@example.com", avatar_url="https://x/a.png", role_name="lead")
    user = await issuer.user(token)
    assert (user.id, user.name, user.email, user.avatar_url, user.role) == (
        *("ada", "Ada", "a@example.com", "https://x/a.png", "lead"),
    )
    assert user.scopes == DEFAULT_SCOPES


@pytest.mark.parametrize("claim", ["unique_id", "user_unique_id"])
async def test_other_claims_name_the_user_too(issuer: Issuer, claim: str) -> None:
    assert (await issuer.user(issuer.signed(sub=None, **{claim: "bob"}))).id == "bob"


async def test_scopes_are_those_of_the_token(issuer: Issuer) -> None:
    assert (await issuer.user(issuer.signed(scope="a:b  c"))).scopes == {"a:b", "c"}
    assert (await issuer.user(issuer.signed(scope=""))).scopes == frozenset()


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": None},
        {"exp": 0},
        {"exp": True},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 201},
        {"sub": "nul\x00"},
        {"sub": "\ud800"},
    ],
)
async def test_a_token_without_user_or_end_is_refused(issuer: Issuer, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidToken):
        await issuer.user(issuer.signed(**changes))


@pytest.mark.parametrize("granted", [["groups:read"], 7, {}, True])
async def test_a_scope_that_cannot_be_read_does_not_widen_the_token(issuer: Issuer, granted: Any) -> None:
    with pytest.raises(InvalidToken):
        await issuer.user(issuer.signed(scope=granted))


async def test_a_token_begins_when_it_says_but_for_the_difference_of_two_clocks(issuer: Issuer) -> None:
    now = int(issuer.clock.now().timestamp())
    assert (await issuer.user(issuer.signed(nbf=now + 60))).id == "ada"
    for early in (now + 61, float("inf"), "soon"):
        with pytest.raises(InvalidToken):
            await issuer.user(issuer.signed(nbf=early))


async def test_a_token_ends(issuer: Issuer) -> None:
    token = issuer.signed()
    issuer.clock.advance(59)
    await issuer.user(token)
    issuer.clock.advance(1)
    with pytest.raises(InvalidToken):
        await issuer.user(token)


async def test_either_active_key_signs_and_those_of_others_do_not(
    issuer: Issuer, other_app_scope: AppScope
) -> None:
    second = await create_keys(issuer.scope, issuer.scope.app_id, Environment.LIVE)
    await issuer.user(jwt.encode(issuer.claims(), second.secret, "HS256"))
    of_test = await create_keys(issuer.scope, issuer.scope.app_id, Environment.TEST)
    theirs = await create_keys(other_app_scope, other_app_scope.app_id, Environment.LIVE)
    for wrong in (of_test.secret, theirs.secret, second.publishable, "x" * 40):
        with pytest.raises(InvalidToken):
            await issuer.user(jwt.encode(issuer.claims(), wrong, "HS256"))


@pytest.mark.parametrize(
    "token", ["", "x", "a.b.c", "é.é.é", "." * 10_000, "eyJhbGciOiJIUzI1NiJ9..", "\ud800"]
)
async def test_what_is_no_token_is_refused(issuer: Issuer, token: str) -> None:
    with pytest.raises(InvalidToken):
        await issuer.user(token)


async def test_other_algorithms_are_refused(issuer: Issuer) -> None:
    for algorithm, key in (("none", None), ("HS384", issuer.secret * 2), ("HS512", issuer.secret * 2)):
        with pytest.raises(InvalidToken):
            await issuer.user(jwt.encode(issuer.claims(), key, algorithm))


@pytest.mark.parametrize(("make", "algorithm"), [(rsa_key, "RS256"), (ec_key, "ES256")])
async def test_a_pair_of_keys_signs_when_its_public_one_is_published(
    issuer: Issuer, make: Any, algorithm: str
) -> None:
    key, stranger = make(), make()
    await issuer.publish(jwk(stranger, "old"), jwk(key, "new"))
    for kid in ("new", None):
        token = jwt.encode(issuer.claims(), key, algorithm, headers={"kid": kid} if kid else None)
        assert (await issuer.user(token)).id == "ada"
    assert len(issuer.customer.received) == 1  # kept
    for signer, kid in ((key, "old"), (key, "unknown"), (make(), "new"), (make(), None)):
        token = jwt.encode(issuer.claims(), signer, algorithm, headers={"kid": kid} if kid else None)
        with pytest.raises(InvalidToken):
            await issuer.user(token)


async def test_keys_of_two_kinds_stand_side_by_side(issuer: Issuer) -> None:
    by_rsa, by_ec = rsa_key(), ec_key()
    await issuer.publish(jwk(by_rsa), jwk(by_ec, "curve"))
    for key, algorithm in ((by_rsa, "RS256"), (by_ec, "ES256")):
        assert (await issuer.user(jwt.encode(issuer.claims(), key, algorithm))).id == "ada"
    crossed = jwt.encode(issuer.claims(), by_rsa, "RS256", headers={"kid": "curve"})
    with pytest.raises(InvalidToken):
        await issuer.user(crossed)


async def test_a_public_key_is_no_secret(issuer: Issuer) -> None:
    """The classic confusion: HS256 with the published key as the secret."""
    key = rsa_key()
    await issuer.publish(jwk(key, "k"))

    def part(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    head = part(b'{"alg":"HS256","kid":"k"}') + "." + part(json.dumps(issuer.claims()).encode())
    for secret in (json.dumps(jwk(key, "k")).encode(), jwk(key)["n"].encode()):
        with pytest.raises(InvalidToken):
            await issuer.user(head + "." + part(hmac.new(secret, head.encode(), hashlib.sha256).digest()))


async def test_without_a_document_pairs_sign_nothing(issuer: Issuer) -> None:
    with pytest.raises(InvalidToken):
        await issuer.user(jwt.encode(issuer.claims(), ec_key(), "ES256"))


async def test_a_document_that_cannot_be_read_refuses(issuer: Issuer) -> None:
    key = ec_key()
    await issuer.publish(jwk(key))
    token = jwt.encode(issuer.claims(), key, "ES256")

    async def nonsense(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b"\xff[[", content_type="application/json")

    async def huge(_: web.Request) -> web.StreamResponse:
        return web.json_response({"keys": [], "x": "y" * 300_000})

    async def list_of_keys(_: web.Request) -> web.StreamResponse:
        return web.json_response([jwk(key)])

    async def strange_keys(_: web.Request) -> web.StreamResponse:
        odd: list[dict[str, Any]] = [
            {},
            {"kty": 7},
            {"kty": "EC", "crv": [], "x": 1},
            {"kty": "RSA", "n": {}},
        ]
        return web.json_response({"keys": odd})

    async def deep(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b'{"keys":' + b"[" * 50_000, content_type="application/json")

    moved = status(302, {"Location": "/"})
    for respond in (status(500), moved, nonsense, huge, list_of_keys, strange_keys, deep):
        issuer.customer.script.append(respond)
        with pytest.raises(InvalidToken):
            await issuer.user(token)
    assert (await issuer.user(token)).id == "ada"  # a failure is not kept


async def test_a_new_key_is_found_soon_and_nobody_asks_all_the_time(issuer: Issuer) -> None:
    old, new = ec_key(), ec_key()
    await issuer.publish(jwk(old, "old"))
    assert await issuer.user(jwt.encode(issuer.claims(), old, "ES256", headers={"kid": "old"}))
    await issuer.publish(jwk(old, "old"), jwk(new, "new"))
    for _ in range(3):
        with pytest.raises(InvalidToken):
            await issuer.user(jwt.encode(issuer.claims(), new, "ES256", headers={"kid": "new"}))
    issuer.clock.advance(key_sets.AGAIN_S)
    assert await issuer.user(jwt.encode(issuer.claims(), new, "ES256", headers={"kid": "new"}))
    assert len(issuer.customer.received) == 2


async def test_a_document_that_is_away_takes_no_known_key_with_it(issuer: Issuer) -> None:
    key = ec_key()
    await issuer.publish(jwk(key, "k"))
    assert await issuer.user(jwt.encode(issuer.claims(), key, "ES256", headers={"kid": "k"}))
    issuer.customer.respond = status(500)
    issuer.clock.advance(key_sets.AGAIN_S)
    with pytest.raises(InvalidToken):
        await issuer.user(jwt.encode(issuer.claims(), key, "ES256", headers={"kid": "unknown"}))
    token = jwt.encode(issuer.claims(exp=2_000_000_000), key, "ES256", headers={"kid": "k"})
    assert await issuer.user(token)
    issuer.clock.advance(key_sets.KEPT_S)
    with pytest.raises(InvalidToken):
        await issuer.user(token)


async def test_those_who_come_at_once_ask_once(issuer: Issuer) -> None:
    key = ec_key()
    await issuer.publish(jwk(key))
    token = jwt.encode(issuer.claims(), key, "ES256")
    users = await asyncio.gather(*(issuer.user(token) for _ in range(20)))
    assert {user.id for user in users} == {"ada"}
    assert len(issuer.customer.received) == 1
    issuer.customer.respond = status(500)
    issuer.clock.advance(key_sets.KEPT_S)
    token = jwt.encode(issuer.claims(), key, "ES256")
    failed = await asyncio.gather(*(issuer.user(token) for _ in range(20)), return_exceptions=True)
    assert all(isinstance(each, InvalidToken) for each in failed)
    assert len(issuer.customer.received) == 2
