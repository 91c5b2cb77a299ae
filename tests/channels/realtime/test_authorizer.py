"""The customer's own server decides about channels."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web

from parley.accounts.scope import AppScope
from parley.channels.realtime import authorizer
from parley.channels.realtime.access import UnauthorizedChannel
from parley.channels.realtime.authorizer import HttpAuthorizer
from parley.outgoing.http import OutgoingHttp, OutgoingPolicy
from parley.webhooks.dialects import sign
from tests.webhooks.receiver import Receiver, Respond, close, receiver, status

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


def saying(body: Any, code: int = 200) -> Respond:
    """Answer with JSON, or with these bytes."""

    async def respond(_: web.Request) -> web.StreamResponse:
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return web.Response(status=code, body=raw, content_type="application/json")

    return respond


async def signed(scope: AppScope, request_id: str, timestamp: int, body: bytes) -> str:
    return sign(SECRET, request_id, timestamp, body)


@pytest_asyncio.fixture
async def customer() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


@pytest_asyncio.fixture
async def asking() -> AsyncIterator[HttpAuthorizer]:
    http = OutgoingHttp(OutgoingPolicy())
    yield HttpAuthorizer(http, signed)
    await http.close()


async def test_the_question_is_signed_and_the_answer_comes_back(
    asking: HttpAuthorizer, customer: Receiver, app_scope: AppScope
) -> None:
    data = {"user_id": "ada", "user_info": {"name": "Ada"}}
    customer.respond = saying({"auth": "app:sig", "channel_data": data, "more": 1})
    found = await asking.ask(app_scope, customer.url, "socket_1", "presence:x", "ada")
    assert found == ("app:sig", data)
    (request,) = customer.received
    assert request.body == {"socket_id": "socket_1", "channel_name": "presence:x", "user_id": "ada"}
    timestamp = int(request.headers["webhook-timestamp"])
    assert timestamp == int(app_scope.now().timestamp())
    expected = sign(SECRET, request.headers["webhook-id"], timestamp, request.raw)
    assert request.headers["parley-signature"] == expected


@pytest.mark.parametrize(
    "respond",
    [
        saying({"auth": "app:sig"}, 403),
        saying({"auth": "app:sig"}, 500),
        status(302, {"Location": "http://127.0.0.1:1/"}),
        close,
        saying(b""),
        saying(b"<html>"),
        saying([]),
        saying({}),
        saying({"auth": 7}),
        saying({"auth": "a:b", "channel_data": 7}),
        saying(b"[" * 50_000),
        saying(b"\xff"),
        saying({"auth": "x" * 70_000}),
    ],
)
async def test_everything_else_is_a_refusal(
    asking: HttpAuthorizer, customer: Receiver, app_scope: AppScope, respond: Respond
) -> None:
    customer.respond = respond
    with pytest.raises(UnauthorizedChannel):
        await asking.ask(app_scope, customer.url, "socket_1", "private:x", "ada")


async def test_a_slow_server_is_not_waited_for(
    asking: HttpAuthorizer, customer: Receiver, app_scope: AppScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authorizer, "TIMEOUT_S", 0.1)
    customer.respond = customer.hang
    with pytest.raises(UnauthorizedChannel):
        await asking.ask(app_scope, customer.url, "socket_1", "private:x", "ada")


async def test_a_server_that_does_not_keep_up_is_not_asked_more(
    asking: HttpAuthorizer, customer: Receiver, app_scope: AppScope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authorizer, "AT_ONCE", 3)
    customer.respond = saying({"auth": "app:sig"})
    many = [asking.ask(app_scope, customer.url, f"socket_{n}", "private:x", "ada") for n in range(5)]
    found = await asyncio.gather(*many, return_exceptions=True)
    assert [isinstance(each, UnauthorizedChannel) for each in found] == [False] * 3 + [True] * 2
    assert await asking.ask(app_scope, customer.url, "socket_6", "private:x", "ada") == ("app:sig", None)


async def test_addresses_that_are_not_allowed_are_refused(app_scope: AppScope, customer: Receiver) -> None:
    http = OutgoingHttp(OutgoingPolicy(allow_private=False))
    try:
        for url in (customer.url, "file:///etc/passwd", "http://169.254.169.254/"):
            with pytest.raises(UnauthorizedChannel):
                await HttpAuthorizer(http, signed).ask(app_scope, url, "socket_1", "private:x", "ada")
    finally:
        await http.close()
    assert not customer.received
