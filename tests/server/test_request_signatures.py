"""What a customer's server can check about the requests it gets."""

from __future__ import annotations

from parley.accounts.keys import create_keys
from parley.accounts.model import Environment
from parley.accounts.scope import AppScope
from parley.outgoing.http import OutgoingPolicy
from parley.server.request_signatures import RequestSignatures
from parley.webhooks.dialects import sign
from parley.webhooks.endpoints import EndpointChange, Endpoints
from parley.wire.block.webhooks.events import EVENT_NAMES

BODY = b'{"socket_id":"socket_1"}'


async def test_the_webhook_secret_signs_and_without_one_every_secret_key(app_scope: AppScope) -> None:
    endpoints = Endpoints(EVENT_NAMES, OutgoingPolicy())
    signatures = RequestSignatures(endpoints)
    assert await signatures(app_scope, "auth_1", 1_705_314_600, BODY) == ""
    keys = [(await create_keys(app_scope, app_scope.app_id, Environment.LIVE)).secret for _ in range(2)]
    found = await signatures(app_scope, "auth_1", 1_705_314_600, BODY)
    assert set(found.split()) == {sign(key, "auth_1", 1_705_314_600, BODY) for key in keys}
    webhook = await endpoints.create(
        app_scope, EndpointChange(url="http://127.0.0.1:1/hook", events=["*"]), needs_tls=False
    )
    found = await signatures(app_scope, "auth_1", 1_705_314_600, BODY)
    assert found == sign(webhook.secret, "auth_1", 1_705_314_600, BODY)
