"""Requests of `parley serve` to addresses that customers name: webhooks, key sets, channel authorizers, text
engines. Inward only with `--private-outgoing` (`realtime-block.md` 1.4, 13, 14)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from ipaddress import ip_address
from typing import Any

import httpx
import jwt
import pytest
import pytest_asyncio
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec

from tests.scenarios.block_app import App, asked, served_apps
from tests.waiting import until
from tests.webhooks.receiver import Receiver, receiver, status
from tests.wire.block.socket.serving import Client, Refused

WEBHOOKS = "/v1/realtime/webhooks"
WAIT_S = 60.0


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An app on a server as it is by default."""
    with served_apps(tmp_path_factory.mktemp("guarded"), 1) as (_, apps):
        yield apps[0]


@pytest.fixture(scope="module")
def trusting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """An app on a server that calls inward addresses."""
    with served_apps(tmp_path_factory.mktemp("trusting"), 1, "--private-outgoing") as (_, apps):
        yield apps[0]


@pytest_asyncio.fixture
async def customer() -> AsyncIterator[Receiver]:
    """The customer's own server."""
    async with receiver() as made:
        yield made


@pytest.fixture(scope="module")
def key_pair() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def saying(body: Any, code: int = 200) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Answer with JSON."""

    async def respond(_: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=code)

    return respond


def key_set(pair: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    """What a JWKS address says."""
    public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(pair.public_key()))
    return {"keys": [{**public, "kid": "k1", "alg": "ES256", "use": "sig"}]}


def user_token(pair: ec.EllipticCurvePrivateKey) -> str:
    """Of Ada, signed with that pair."""
    claims = {"sub": "ada", "exp": int(time.time()) + 600}
    return jwt.encode(claims, pair, "ES256", headers={"kid": "k1"})


async def as_ada(app: App, token: str) -> tuple[int, str]:
    """Status and error code of a request with a user token."""
    headers = {"X-Api-Key": app.keys.publishable, "Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=app.origin, timeout=WAIT_S) as http:
        found = await http.get("/users/ada", headers=headers)
    return found.status_code, found.json()["errors"][0]["code"] if found.is_error else ""


async def webhook(app: App, url: str) -> dict[str, Any]:
    """A webhook that was created."""
    body = {"data": {"type": "webhooks", "attributes": {"url": url, "events": ["webrtc.recording.ready"]}}}
    found: dict[str, Any] = (await app.ask(None, "POST", WEBHOOKS, body, status=201))["data"]
    return found


async def attempt(app: App, webhook_id: str) -> dict[str, Any]:
    """The first attempt to tell a webhook of a test event."""
    await app.ask(None, "POST", f"{WEBHOOKS}/{webhook_id}/test", status=202)
    found: list[dict[str, Any]] = []
    end = time.monotonic() + WAIT_S
    while not found:
        assert time.monotonic() < end, "no attempt was made"
        found = (await app.ask(None, "GET", f"{WEBHOOKS}/{webhook_id}/deliveries"))["data"]
        await asyncio.sleep(0.05)
    attributes: dict[str, Any] = found[-1]["attributes"]
    return attributes


async def subscribing(app: App, who: str, channel: str) -> dict[str, Any] | str:
    """The result of a subscription, or the code of its refusal."""
    async with app.socket(who) as client:
        try:
            result: dict[str, Any] = await asked(client, "subscribe", channel=channel)
        except Refused as refused:
            return refused.code
        return result


async def subscribed(client: Client, channel: str) -> None:
    """Subscribe; on a machine so busy that an answer took more than 5 s, once more."""
    end = time.monotonic() + WAIT_S
    while True:
        try:
            await asked(client, "subscribe", channel=channel)
        except Refused:
            assert time.monotonic() < end, f"{channel} was never opened"
        else:
            return


def inward_name() -> str:
    """A name of this machine for one of its inward addresses."""
    for name in (socket.gethostname(), "ip6-localhost", "ip6-loopback", "localhost6"):
        try:
            found = socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)
        except OSError:
            continue
        if found and not any(ip_address(str(one[4][0]).partition("%")[0]).is_global for one in found):
            return name
    pytest.skip("this machine has no name for an inward address but localhost")


INWARD = (
    "127.0.0.1",
    "localhost",
    "127.1",
    "10.0.0.7",
    "[::1]",
    "[::ffff:192.168.0.1]",
    "169.254.169.254",
)


async def test_inward_addresses_are_refused_where_they_are_written_down(guarded: App) -> None:
    async with asyncio.TaskGroup() as group:
        for host in INWARD:
            group.create_task(_refuses(guarded, host), name=host)


async def _refuses(guarded: App, host: str) -> None:
    url = f"http://{host}:8080/x"
    attributes = {"url": url, "events": ["*"]}
    made = await guarded.ask(None, "POST", WEBHOOKS, {"data": {"attributes": attributes}}, status=422)
    errors = made["errors"]
    for setting in ({"channel_auth_url": url}, {"jwks_url": url}, {"ai": {"provider": "http", "url": url}}):
        errors += (await guarded.ask(None, "PUT", "/v1/realtime/settings", setting, status=422))["errors"]
    assert [each["source"]["pointer"] for each in errors] == [
        "/data/attributes/url",
        "/channel_auth_url",
        "/jwks_url",
        "/ai/url",
    ]
    assert all("--private-outgoing" in each["detail"] for each in errors)


async def test_names_that_resolve_inward_are_never_called(
    guarded: App, customer: Receiver, key_pair: ec.EllipticCurvePrivateKey
) -> None:
    url = customer.url.replace("127.0.0.1", inward_name())
    made = await webhook(guarded, url)
    told = await attempt(guarded, made["id"])
    assert (told["status"], told["response_code"]) == ("failed", None)
    assert "not allowed" in told["error"]

    await guarded.settle(
        channel_auth_url=url, jwks_url=url, ai={"provider": "http", "url": url, "model": "m"}
    )
    assert await subscribing(guarded, "ada", "private:room") == "unauthorized_channel"
    assert await as_ada(guarded, user_token(key_pair)) == (401, "invalid_token")
    context = await guarded.talk("ada", said="Hello.")
    summary = await guarded.raw("ada", "GET", f"/conversations/{context}/summary")
    assert (summary.status_code, summary.json()["errors"][0]["code"]) == (503, "service_unavailable")
    assert customer.received == []


async def test_an_operator_may_allow_them(
    trusting: App, customer: Receiver, key_pair: ec.EllipticCurvePrivateKey
) -> None:
    made = await webhook(trusting, customer.url)
    told = await attempt(trusting, made["id"])
    assert (told["status"], told["response_code"]) == ("delivered", 200)
    (request,) = customer.received
    assert request.body["type"] == "webhook.test"
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.raw
    assert request.headers["webhook-signature"] == _signature(made["attributes"]["secret"], signed)
    await trusting.ask(None, "DELETE", f"{WEBHOOKS}/{made['id']}", status=204)

    customer.respond = saying(key_set(key_pair))
    await trusting.settle(jwks_url=f"{customer.url}/keys")
    assert await as_ada(trusting, user_token(key_pair)) == (200, "")
    stranger = ec.generate_private_key(ec.SECP256R1())
    assert await as_ada(trusting, user_token(stranger)) == (401, "invalid_token")


async def test_addresses_of_metadata_services_stay_refused(trusting: App) -> None:
    body = {"channel_auth_url": "http://169.254.169.254/latest"}
    await trusting.ask(None, "PUT", "/v1/realtime/settings", body, status=422)


async def test_redirects_are_not_followed(
    trusting: App, customer: Receiver, key_pair: ec.EllipticCurvePrivateKey
) -> None:
    async with receiver() as inside:
        inside.respond = saying(key_set(key_pair))
        customer.respond = status(307, {"Location": inside.url})
        made = await webhook(trusting, customer.url)
        told = await attempt(trusting, made["id"])
        assert (told["status"], told["response_code"]) == ("failed", 307)
        await trusting.ask(None, "DELETE", f"{WEBHOOKS}/{made['id']}", status=204)
        await trusting.settle(jwks_url=f"{customer.url}/redirected", channel_auth_url=customer.url)
        assert await as_ada(trusting, user_token(key_pair)) == (401, "invalid_token")
        assert await subscribing(trusting, "ada", "private:room") == "unauthorized_channel"
        assert {one.path for one in customer.received} == {"/hook", "/hook/redirected"}
        assert inside.received == []


class Authorizer:
    """A customer's server that decides by the channel's last word, and refuses requests that Parley has not
    signed."""

    def __init__(self, app: App, secret: str) -> None:
        self._app = app
        self._secret = secret
        self.asked: list[dict[str, Any]] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """One question."""
        raw = await request.read()
        signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + raw
        if _signature(self._secret, signed) not in request.headers["Parley-Signature"].split():
            return web.Response(status=400)
        question = json.loads(raw)
        self.asked.append(question)
        match question["channel_name"].rpartition(":")[2]:
            case "denied":
                return web.Response(status=403)
            case "error":
                return web.Response(status=500)
            case "garbage":
                return web.Response(body=b"<html>welcome", content_type="text/html")
            case "slow":
                await asyncio.Event().wait()
            case "forged":
                return web.json_response({"auth": f"{self._app.keys.app.public_id}:{'0' * 64}"})
            case "bare":  # a presence channel needs to be told who becomes a member
                return web.json_response({"auth": self._auth(question, None)})
        who = "somebody else" if question["channel_name"].endswith("stolen") else question["user_id"]
        data = {"user_id": who, "user_info": {"name": "Ada"}}
        return web.json_response({"auth": self._auth(question, data), "channel_data": data})

    def _auth(self, question: dict[str, Any], data: dict[str, Any] | None) -> str:
        parts = [question["socket_id"], question["channel_name"]]
        if data is not None:
            parts.append(json.dumps(data, separators=(",", ":"), sort_keys=True))
        key = self._app.keys.secret.encode()
        signature = hmac.new(key, ":".join(parts).encode(), hashlib.sha256).hexdigest()
        return f"{self._app.keys.app.public_id}:{signature}"


def _signature(secret: str, signed: bytes) -> str:
    """As the Standard Webhooks scheme has it."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


async def test_the_customers_server_opens_channels(trusting: App, customer: Receiver) -> None:
    made = await webhook(trusting, customer.url)
    customer.respond = decides = Authorizer(trusting, made["attributes"]["secret"])
    await trusting.settle(channel_auth_url=customer.url)
    ada = trusting.person("ada").id
    refused = ["denied", "error", "garbage", "slow", "forged", "stolen"]
    channels = [f"private:{word}" for word in refused] + ["presence:stolen", "presence:bare"]
    answers = await asyncio.gather(*(subscribing(trusting, "ada", channel) for channel in channels))
    assert answers == ["unauthorized_channel"] * len(channels)
    assert {one["channel_name"] for one in decides.asked} == set(channels)
    assert {one["user_id"] for one in decides.asked} == {ada}
    assert len({one["socket_id"] for one in decides.asked}) == len(channels)

    async with trusting.socket("ada") as client, trusting.socket("ben") as other:
        await subscribed(client, "private:team:allowed")
        await subscribed(other, "private:team:allowed")
        asking = {one["socket_id"] for one in decides.asked if one["channel_name"] == "private:team:allowed"}
        assert asking == {client.welcome["socket_id"], other.welcome["socket_id"]}
        await asked(client, "publish", channel="private:team:allowed", data={"text": "inside"})
        heard = other.frames
        await until(
            lambda: "" if any(one["type"] == "message" for one in heard) else "not heard", deadline_s=WAIT_S
        )
        assert (await other.until(type="message"))["data"] == {"text": "inside"}

        await subscribed(client, "presence:team:allowed")
        path = "/v1/realtime/channels/presence:team:allowed/presence"
        members = (await trusting.ask(None, "GET", path))["data"]
        assert [one["attributes"]["user_id"] for one in members] == [ada]
    await trusting.ask(None, "DELETE", f"{WEBHOOKS}/{made['id']}", status=204)


async def test_an_authorization_shown_is_not_asked_for(trusting: App, customer: Receiver) -> None:
    await trusting.settle(channel_auth_url=customer.url)
    async with trusting.socket("ada") as client:
        with pytest.raises(Refused) as refused:
            await asked(client, "subscribe", channel="private:room", auth="app:0")
        assert refused.value.code == "unauthorized_channel"
        with pytest.raises(Refused):
            await asked(client, "subscribe", channel="secret:room")  # of a namespace that nobody asks about
    assert customer.received == []
