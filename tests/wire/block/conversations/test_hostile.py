"""Values that no customer means, in paths, queries and bodies of all these routes, on both databases.

Nothing of it may be a fault of the server, and every refusal has the dialect's form.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parley.wire.block.conversations import AREAS
from parley.wire.block.endpoint import Endpoint
from tests.wire.block.conversations.conftest import Say, Talk
from tests.wire.block.serving import Block

ENDPOINTS = [endpoint for area in AREAS for endpoint in area.endpoints]
IDS = [
    *("%00", "a%00b", "%27%20OR%201=1--", "%25", "%FF%FE", "%F0%9F%92%A9", "%ED%A0%80", "-1", "%20"),
    "0" * 36,
    "x" * 5_000,
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "018f4c7e-0000-7000-8000-000000000000",
]
"""Percent-encoded, as they stand in a path; the last is a UUID of a version that clients do not take."""
TEXTS = [
    *("%00", "a%00b", "%FF", "%ED%A0%80", "%27", "%25", "_", "true", "null", "x" * 5_000),
    *("9" * 30, "-1", "0", "1e400", "NaN", "0.5", "-", "a:desc", "-created_at:desc", "payload:%22", "%5B%5D"),
]
VALUES: list[bytes] = [
    b"null", b"true", b"0", b"-1", b"1e308", b"1e999", b"9223372036854775808", b"1" * 400, b"0.1",
    b'""', b'"\\u0000"', b'"a\\u0000b"', b'"\\ud800"', b'"\xff"', b'"%s%n"', b"[]", b"{}", b"[[[[[[]]]]]]",
    b'["\\u0000"]', b'{"\\u0000":1}', b"[" * 2_000 + b"]" * 2_000, b'"' + b"x" * 40_000 + b'"',
    b'"9999-12-31T23:59:59-12:00"', b'"0001-01-01T00:00:00+12:00"', b'"2026-05-20T10:30:00"', b"[null]",
    b'[{}]', b'["x"]',
]  # fmt: skip
"""JSON, or nearly."""
REFUSALS = {400, 401, 403, 404, 405, 409, 410, 413, 414, 422, 429}
AT_ONCE = 8


class Tenant:
    """A served app with one of everything in it."""

    def __init__(self, block: Block, ids: dict[str, str]) -> None:
        self.block = block
        self.ids = ids

    def path(self, endpoint: Endpoint, **ids: str) -> str:
        """Of a route, with ids that exist unless given."""
        path = endpoint.path
        for name, value in (self.ids | ids).items():
            path = path.replace("{" + name + "}", value)
        return path

    async def check(self, who: str | None, endpoint: Endpoint, path: str, body: bytes | None) -> None:
        """Ask, and see that the answer is one."""
        answer = await self.block.raw(who, endpoint.method, path, content=body)
        asked = f"{endpoint.method} {path[:200]} {(body or b'')[:200]!r}"
        told = f"{asked}: {answer.status_code} {answer.text[:500]}"
        assert answer.status_code < 300 or answer.status_code in REFUSALS, told
        if answer.status_code >= 300:
            (first, *_) = answer.json()["errors"]
            assert first["status"] == str(answer.status_code), told
            assert first["code"], told

    async def check_all(self, cases: Iterator[tuple[Endpoint, str, bytes | None]]) -> None:
        """The same for many, some at a time; every fourth as a server."""
        numbered = enumerate(cases)

        async def work() -> None:
            for number, case in numbered:
                await self.check("ada" if number % 4 else None, *case)

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work())


@pytest_asyncio.fixture
async def tenant(block: Block, say: Say, talk: Talk) -> Tenant:
    action = {"action_type": "a", "control_type": "b", "control_label": "c", "control_value": "d"}
    context = await talk("ada", "ben")
    message = await say("ada", context, "Hello", actions=[action])
    actions = await block.ask(
        "ada", "GET", f"/conversations/{context}/messages/{message['unique_id']}/actions"
    )
    group = await block.ask("ada", "POST", "/groups", {"name": "Red"}, status=201)
    invites = f"/groups/{group['data']['id']}/invites"
    invite = await block.ask("ada", "POST", invites, {}, status=201)
    draft = await block.ask("ada", "POST", "/draft_messages", {"content": "Dear"}, status=201)
    return Tenant(
        block,
        {
            "context": context,
            "message_id": message["unique_id"],
            "action_id": actions["data"][0]["id"],
            "group_id": group["data"]["id"],
            "code": invite["data"]["attributes"]["code"],
            "draft_id": draft["data"]["id"],
            "user_id": block.person("ada").id,
            "member_id": "nobody",
            "parent": "thread",
        },
    )


async def test_strange_ids_are_not_found(tenant: Tenant):
    def cases() -> Iterator[tuple[Endpoint, str, bytes | None]]:
        for endpoint in ENDPOINTS:
            for part in endpoint.path.split("/"):
                if part.startswith("{"):
                    for value in IDS:
                        yield endpoint, tenant.path(endpoint, **{part[1:-1]: value}), None

    await tenant.check_all(cases())


async def test_strange_queries_are_answered(tenant: Tenant):
    def cases() -> Iterator[tuple[Endpoint, str, bytes | None]]:
        for endpoint in ENDPOINTS:
            if endpoint.query is None:
                continue
            for field in msgspec.structs.fields(endpoint.query):
                for value in TEXTS:
                    yield endpoint, f"{tenant.path(endpoint)}?{field.encode_name}={value}", None
                    if field.name == "custom":
                        yield endpoint, f"{tenant.path(endpoint)}?custom%5B{value}%5D={value}", None

    await tenant.check_all(cases())


async def test_strange_bodies_are_answered(tenant: Tenant):
    def cases() -> Iterator[tuple[Endpoint, str, bytes | None]]:
        for endpoint in ENDPOINTS:
            if endpoint.body is None or endpoint.path.endswith("summary"):
                continue
            for body in VALUES:
                yield endpoint, tenant.path(endpoint), body
            for number, field in enumerate(msgspec.structs.fields(endpoint.body)):
                for value in VALUES[number % 3 :: 3]:  # in turns: fields of one type stand side by side
                    member = b'{"content":"x","name":"x","%s":%s}' % (field.encode_name.encode(), value)
                    yield endpoint, tenant.path(endpoint), member

    await tenant.check_all(cases())


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
MEMBERS = sorted(
    {
        field.encode_name
        for endpoint in ENDPOINTS
        if endpoint.body is not None
        for field in msgspec.structs.fields(endpoint.body)
    }
)
BODIES = st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=6)
CREATING = ["/messages", "/groups", "/contexts", "/conversations", "/draft_messages", "/messages/batch"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@settings(
    max_examples=80,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(path=st.sampled_from(CREATING), body=BODIES, wrapped=st.booleans())
async def test_whatever_is_stored_is_shown_again(
    block: Block, path: str, body: dict[str, Any], wrapped: bool
):
    """A body is refused, or what comes back of it can be read as it was answered."""
    wrapper = path.strip("/").partition("/")[0].rstrip("s")
    answer = await block.raw("ada", "POST", path, json={wrapper: body} if wrapped else body)
    assert answer.status_code < 300 or answer.status_code in REFUSALS, answer.text
    if answer.status_code == 201 and path != "/conversations":
        made = answer.json()["data"]
        again = await block.raw("ada", "GET", f"{path}/{made['id']}")
        if made["attributes"].get("expires_at") is None:
            assert again.json()["data"] == made
