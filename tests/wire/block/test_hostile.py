"""Whatever is sent about users, notifications, tasks, meetings, files and webhooks, we never fail on it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from parley.wire.block import people
from parley.wire.block.conversations import files, tasks
from parley.wire.block.endpoint import Endpoint
from parley.wire.block.notifications import notifications, sources, web
from parley.wire.block.rooms import meetings
from parley.wire.block.webhooks import endpoints as webhooks
from tests.wire.block.conversations.test_tasks import conversation
from tests.wire.block.serving import Block

AREAS = (people, notifications, web, tasks, meetings, files, sources, webhooks)
ENDPOINTS = [endpoint for area in AREAS for endpoint in area.routes.endpoints]
UUID = "0d4c1c52-2f7d-4b53-9a0f-1f6a2d3e4c55"
PATHS = (UUID, UUID.upper(), "x", "%00", "%ED%A0%80", "..%2F..", "a'--", "%F0%9F%92%A9" * 80)
QUERIES = (
    "page=1e9&records=-1",
    "page=99999999999999999999",
    "sort=;drop&status[]=a&status[x]=b",
    "search=%25%5C_'&is_read=maybe",
    "after=%F0%9F%92%A9&limit=100000000000000000000",
    "action_type=complete&status=%00",
    "scheduled_after=0001-01-01T00:00:00Z&scheduled_before=9999-12-31T23:59:59.999Z",
    "conversation_unique_id=%F0%9F%92%A9&group_unique_id=x&host_unique_id='--",
)
BODIES = (
    b"",
    b"[]",
    b"null",
    b"{",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"data":{"attributes":{}}}',
    b'{"payload":{"n":1e999}}',
    b'{"payload":' + b'{"a":' * 400 + b"1" + b"}" * 400 + b',"content":"x","title":"x","name":"x"}',
)
FIELDS = (
    *("content", "title", "name", "email", "url", "description", "filename", "recipient_unique_id"),
    *("recipient_unique_ids", "payload", "status", "events", "secret", "size", "expires_at", "timezone"),
    *("conversation_unique_id", "group_unique_id", "scheduled_at", "max_participants", "provider"),
    *("tags", "quiet_hours_start", "priority", "message_unique_id", "user_unique_id", "target_id", "active"),
)
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 1 << 200, 1e308, "", " ", "\u0000", "\ud800", "\U0010ffff" * 300),
    *([], ["\u0000"], {}, {"": {"\u0000": [1]}}),
)


async def never_fails(block: Block, who: str | None, endpoint: Endpoint, path: str, **more: Any) -> None:
    answer = await block.raw(who, endpoint.method, path, **more)
    assert answer.status_code < 500, f"{endpoint.method} {path} {more}: {answer.text}"
    if answer.status_code >= 400:
        assert all(error["status"] == str(answer.status_code) for error in answer.json()["errors"])


def filled(endpoint: Endpoint, value: str) -> str:
    return re.sub(r"\{\w+\}", value, endpoint.path)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda one: f"{one.method} {one.path}")
async def test_paths_queries_and_bodies(block: Block, endpoint: Endpoint) -> None:
    for who in ("ada", None):
        for value in PATHS:
            body = {"content": "x", "title": "x"}
            await never_fails(block, who, endpoint, filled(endpoint, value), json=body)
        for query in QUERIES:
            await never_fails(block, who, endpoint, f"{filled(endpoint, UUID)}?{query}")
        if endpoint.method in ("POST", "PUT"):
            for content in BODIES:
                await never_fails(block, who, endpoint, filled(endpoint, UUID), content=content)


@pytest.mark.parametrize(
    "endpoint",
    [one for one in ENDPOINTS if one.body is not None or one.path.endswith("/files")],
    ids=lambda one: f"{one.method} {one.path}",
)
async def test_values_of_fields(block: Block, endpoint: Endpoint) -> None:
    where = await conversation(block, "ada", "ben")
    path = endpoint.path.replace("{conversation_id}", where).replace("{user_id}", block.person("ada").id)
    path = re.sub(r"\{\w+\}", UUID, path)
    valid = {"content": "x", "title": "x", "name": "x", "description": "x", "filename": "x"}
    json_type = {"content-type": "application/json"}
    bodies = [{**valid, **dict.fromkeys(FIELDS, value)} for value in VALUES]
    bodies += [{**valid, field: value} for field in FIELDS for value in VALUES[3:10]]
    for number, body in enumerate(bodies):
        who = None if number % 2 else "ada"
        # By hand: half a surrogate pair can be written in JSON's own way only.
        await never_fails(block, who, endpoint, path, content=json.dumps(body), headers=json_type)
