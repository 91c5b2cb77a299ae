"""Which servers uploads go to: none that a customer may not name, and none that cannot prove who it is."""

from __future__ import annotations

import base64
import ssl
from hashlib import md5
from pathlib import Path

import jwt
import msgspec
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from parley.outgoing.http import OutgoingPolicy
from parley.recordings.storage.choice import target_of
from parley.recordings.storage.errors import Hopeless, RetryLater
from parley.recordings.storage.target import Rules
from tests.recordings.storage.conftest import ANYWHERE, ONCE, SOON
from tests.recordings.storage.stores import described, localhost_tls, serving

CONNECTION = f"AccountName=acme;AccountKey={base64.b64encode(b'k' * 64).decode()}"


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Of a server whose authority is known here."""
    authority, context = localhost_tls(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    return context


async def test_google_gets_a_token_signed_by_the_service_account(file, service_account, tls):
    seen: list[str] = []

    async def store(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.headers["Authorization"].removeprefix("Bearer "))
        digest = md5(await request.read(), usedforsecurity=False).hexdigest()
        return web.Response(headers={"ETag": f'"{digest}"'})

    async with serving(store, tls) as port:
        rules = Rules(ANYWHERE, {"gcs": f"https://localhost:{port}"}, patience=ONCE)
        config = {"type": "gcs", "bucket": "calls", "secret": service_account}
        await target_of(config, rules).put(file, "a.mp4")
    key = load_pem_private_key(msgspec.json.decode(service_account)["private_key"].encode(), None)
    assert isinstance(key, RSAPrivateKey)
    claims = jwt.decode(seen[0], key.public_key(), algorithms=["RS256"])
    assert claims["iss"] == "recorder@example.iam.gserviceaccount.com"
    assert jwt.get_unverified_header(seen[0])["kid"] == "key-1"


@pytest.mark.parametrize(
    "connection",
    [
        f"BlobEndpoint=https://127.0.0.1:1/acme;{CONNECTION}",
        f"BlobEndpoint=https://localhost:1/acme;{CONNECTION}",
        f"BlobEndpoint=https://169.254.169.254;{CONNECTION}",
        f"BlobEndpoint=https://[::1]:1/;{CONNECTION}",
        "BlobEndpoint=https://127.0.0.1:1;SharedAccessSignature=sv=2024-01-01&sig=x",
    ],
)
async def test_a_connection_string_leads_to_no_inner_address(file, connection):
    strict = Rules(OutgoingPolicy(allow_private=False), patience=SOON)
    config = {"type": "azure", "bucket": "calls", "access_key": connection}
    with pytest.raises(Hopeless, match="--private-outgoing"):
        await target_of(config, strict).put(file, "a.mp4")


async def test_where_inner_addresses_are_allowed_a_connection_string_leads_there(file, tls):
    stored: dict[str, bytes] = {}

    async def store(request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "PUT":
            stored[request.path] = await request.read()
            return web.Response(status=201, headers={"ETag": '"1"'})
        found = stored[request.path]
        status = 206 if request.method == "GET" else 200
        return web.Response(status=status, body=found, headers=described(found))

    async with serving(store, tls) as port:
        connection = f"BlobEndpoint=https://localhost:{port}/acme;{CONNECTION}"
        config = {"type": "azure", "bucket": "calls", "access_key": connection}
        await target_of(config, Rules(ANYWHERE, patience=ONCE)).put(file, "a.mp4")
    assert stored == {"/acme/calls/a.mp4": b"moving pictures"}


async def test_a_server_that_is_not_trusted_is_named(file, tmp_path):
    _, tls = localhost_tls(tmp_path)

    async def never(request: web.BaseRequest) -> web.StreamResponse:
        raise AssertionError("nothing is sent to it")

    async with serving(never, tls) as port:
        rules = Rules(ANYWHERE, {"azure": f"https://localhost:{port}"}, patience=ONCE)
        config = {"type": "azure", "bucket": "calls", "access_key": CONNECTION}
        with pytest.raises(RetryLater, match="certificate is not trusted"):
            await target_of(config, rules).put(file, "a.mp4")
