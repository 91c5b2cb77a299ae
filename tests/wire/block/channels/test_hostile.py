"""Whatever is sent about channels, tokens and settings, we never fail on it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from parley.wire.block import settings
from parley.wire.block.channels import history, presence, publish, receipts, search, tokens
from parley.wire.block.endpoint import Endpoint
from tests.wire.block.channels.conftest import Rest
from tests.wire.block.test_hostile import BODIES, PATHS, QUERIES, VALUES

AREAS = (tokens, publish, history, search, receipts, presence, settings)
ENDPOINTS = [endpoint for area in AREAS for endpoint in area.routes.endpoints]
CHANNELS = ("chat:room", "public:x", "private:x", "conversation:x", "inbox:ada", "x" * 201, "a:*", "a%20b")
FIELDS = (
    *("channel", "event", "data", "user_id", "client_id", "exclude_socket_id", "ephemeral", "messages"),
    *("message_id", "up_to", "channels", "ttl", "user_info", "plan", "limits", "namespaces", "ai", "digest"),
    *("client_grants", "default_grants", "allowed_origins", "channel_auth_url", "jwks_url", "prompts"),
)
WHO = ("ada", None)
MORE: tuple[Any, ...] = (
    *([{}], [[]], {"chat": {"presence": 1}}, {"pattern": "*", "ops": ["fly"]}, [{"pattern": "\u0000"}]),
    *("msg_" + "z" * 22, "http://[", "x" * 5_000, {"channels": 1 << 70}, 1.5),
)


async def never_fails(rest: Rest, who: str | None, endpoint: Endpoint, path: str, **more: Any) -> None:
    answer = await rest.raw(who, endpoint.method, path, **more)
    assert answer.status_code < 500, f"{endpoint.method} {path} {more}: {answer.text}"
    if answer.status_code >= 400:
        assert all(error["status"] == str(answer.status_code) for error in answer.json()["errors"])


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda one: f"{one.method} {one.path}")
async def test_whatever_is_sent_is_answered(rest: Rest, endpoint: Endpoint) -> None:
    (message,) = await rest.say("chat:room", "x")
    paths = [re.sub(r"\{\w+\}", value, endpoint.path) for value in PATHS]
    named = endpoint.path.replace("{message_id}", message["id"])
    paths += [named.replace("{channel_id}", channel) for channel in CHANNELS]
    path = named.replace("{channel_id}", "chat:room")
    for number, one in enumerate(paths):
        await never_fails(rest, WHO[number % 2], endpoint, one, json={})
    for query in (*QUERIES, "before=msg_x&after=%ED%A0%80", "query=%00", f"query={'%F0%9F%92%A9' * 200}"):
        await never_fails(rest, "ada", endpoint, f"{path}?{query}")
    for header in ("x", "a b", "a b {", f"{'x' * 5_000} y [1]"):
        await never_fails(rest, "ada", endpoint, path, headers={"X-Channel-Auth": header})
    if endpoint.method in ("POST", "PUT"):
        for content in BODIES:
            await never_fails(rest, None, endpoint, path, content=content)
        valid = {"channel": "chat:room", "message_id": message["id"], "user_id": "ada"}
        values = [*VALUES, *MORE]
        bodies = [{**valid, **dict.fromkeys(FIELDS, value)} for value in values]
        for place, field in enumerate(FIELDS):
            some = (values * 2)[place : place + len(values) : 4]
            bodies += [{**valid, field: value} for value in some]
        for number, body in enumerate(bodies):
            # By hand: half a surrogate pair can be written in JSON's own way only.
            await never_fails(rest, WHO[number % 2], endpoint, path, content=json.dumps(body))
