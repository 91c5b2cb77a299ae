"""What object stores answer is told in words, without what they repeat of keys."""

from __future__ import annotations

import base64

import pytest
from aiohttp import web

from parley.recordings.storage.choice import target_of
from parley.recordings.storage.errors import Hopeless, RetryLater
from parley.recordings.storage.target import Rules
from tests.recordings.storage.conftest import ANYWHERE, ONCE, SOON
from tests.recordings.storage.stores import described, serving

AWS = {
    "type": "aws",
    "bucket": "calls",
    "region": "eu-west-1",
    "access_key": "AKIDSECRET",
    "secret": "hidden",
}
OTHER_KEY = base64.b64encode(b"k" * 64).decode()


@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (403, "SignatureDoesNotMatch", Hopeless, "does not accept the keys"),
        (403, "ExpiredToken", Hopeless, "does not accept the keys"),
        (403, "AccessDenied", Hopeless, "do not allow reading and writing"),
        (401, "", Hopeless, "do not allow reading and writing"),
        (404, "NoSuchBucket", Hopeless, "There is no bucket “calls” at Amazon S3"),
        (301, "PermanentRedirect", Hopeless, "in another region"),
        (400, "AuthorizationHeaderMalformed", Hopeless, "in another region"),
        (400, "EntityTooLarge", Hopeless, r"refuses the upload .*\(400 EntityTooLarge\)"),
        (403, "QuotaExceeded", RetryLater, "is full or over its quota"),
        (507, "XMinioStorageFull", RetryLater, "is full or over its quota"),
        (403, "RequestTimeTooSkewed", RetryLater, "refuses this server's clock"),
        (409, "OperationAborted", RetryLater, "cannot take the file now"),
    ],
)
async def test_refusals_are_told_in_words(file, status, code, kind, words):
    async def refuse(request: web.BaseRequest) -> web.StreamResponse:
        body = f"<Error><Code>{code}</Code><AWSAccessKeyId>AKIDSECRET</AWSAccessKeyId></Error>"
        return web.Response(status=status, text=body if code else "")

    async with serving(refuse) as port:
        rules = Rules(ANYWHERE, {"aws": f"http://127.0.0.1:{port}"}, patience=ONCE)
        with pytest.raises(kind, match=words) as refused:
            await target_of(AWS, rules).put(file, "a.mp4")
    told = f"{refused.value} {refused.value.detail}"
    assert "AKIDSECRET" not in told
    assert "hidden" not in told


async def test_keys_that_nobody_has_are_hopeless(s3, azure, file):
    rules = Rules(ANYWHERE, {"aws": s3.url, "azure": azure.url}, patience=SOON)
    with s3.with_accounts(), pytest.raises(Hopeless, match="does not accept the keys"):
        await target_of(AWS, rules).put(file, "a.mp4")
    connection = f"AccountName={azure.account};AccountKey={OTHER_KEY}"
    config = {"type": "azure", "bucket": "calls", "access_key": connection}
    with pytest.raises(Hopeless, match="does not accept the keys"):
        await target_of(config, rules).put(file, "a.mp4")


async def test_a_store_that_says_nothing_of_its_bytes_is_read_back(file):
    stored = {"/calls/a.mp4": b"something else!"}

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "PUT":
            return web.Response(headers={"ETag": '"opaque"'})
        if request.method == "POST":
            assert "<Key>a.mp4</Key>" in await request.text()
            stored.clear()
            return web.Response(text="<DeleteResult><Deleted><Key>a.mp4</Key></Deleted></DeleteResult>")
        found = stored[request.path]
        if request.method == "GET":
            return web.Response(status=206, body=found, headers=described(found))
        return web.Response(body=found, headers=described(found))

    async with serving(answer) as port:
        rules = Rules(ANYWHERE, {"aws": f"http://127.0.0.1:{port}"}, patience=ONCE)
        with pytest.raises(RetryLater, match="is not what was sent"):
            await target_of(AWS, rules).put(file, "a.mp4")
        assert stored == {}  # what is wrong must not look finished
        stored["/calls/a.mp4"] = b"moving pictures"
        await target_of(AWS, rules).put(file, "a.mp4")
        stored["/calls/a.mp4"] = b"moving"
        with pytest.raises(RetryLater, match="is not what was sent"):
            await target_of(AWS, rules).put(file, "a.mp4")
