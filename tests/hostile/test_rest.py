"""Values that no customer means, in ids, query parameters and bodies of the REST API, on both databases.

PostgreSQL refuses texts and numbers that SQLite takes, and the other way round. None of it may be a fault of
the server, and none may change what is stored for others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import msgspec
import pytest
import pytest_asyncio

from parley.base.ids import new_uuid
from parley.wire.realtimekit.api import endpoints
from parley.wire.realtimekit.endpoint import KIT, Endpoint
from tests.wire.realtimekit.conftest import api
from tests.wire.realtimekit.presets import PRESET
from tests.wire.realtimekit.serving import Api

__all__ = ["api"]

IN_APP = [endpoint for endpoint in endpoints() if endpoint.is_in_app]
IDS = [
    "%00",
    "a%00b",
    "%27%20OR%201=1--",
    "%25",
    "%FF%FE",
    "%F0%9F%92%A9",
    "0" * 36,
    "-1",
    "x" * 5000,
    "%ED%A0%80",
]
"""Percent-encoded, as they stand in a path."""
TEXTS = [
    *("%00", "a%00b", "%FF", "%ED%A0%80", "%27", "%25", "_", "true", "null", "x" * 5000),
    *("9" * 30, "-1", "1e400", "NaN", "0.5", "1:99999999999999999999"),
    *("2026-13-45", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "-9999-01-01"),
]
"""The same for query parameters."""
VALUES: list[bytes] = [
    b"null", b"true", b"0", b"-1", b"1e308", b"1e999", b"9223372036854775808", b"1" * 400, b"0.1",
    b'""', b'"\\u0000"', b'"a\\u0000b"', b'"\\ud800"', b'"\xff"', b'"%s%n"', b"[]", b"{}", b"[[[[[[]]]]]]",
    b'["\\u0000"]', b'{"\\u0000":1}', b'"' + b"x" * 70_000 + b'"',
]  # fmt: skip
"""JSON, or nearly."""
REFUSALS = {400, 404, 405, 409, 413, 414, 431}


class Tenant(NamedTuple):
    """A served app with one of everything in it."""

    api: Api
    ids: Mapping[str, str]

    def address(self, endpoint: Endpoint, **ids: str) -> str:
        """Of a route, with ids that exist unless given."""
        known = {"account_id": self.api.scope.organization_id, "app_id": self.api.scope.app_id, **self.ids}
        path = KIT + endpoint.path
        for name, value in (known | ids).items():
            path = path.replace("{" + name + "}", value)
        return self.api.origin + path


@pytest_asyncio.fixture
async def tenant(api: Api) -> Tenant:
    meeting = await api.meeting(title="Quiet")
    participant = await api.participant(meeting, "ann")
    peer = await api.join(meeting, participant)
    session = (await api.ask("GET", "/sessions", status=200))["data"]["sessions"][0]["id"]
    preset = (await api.ask("GET", "/presets", status=200))["data"][0]["id"]
    body = {"name": "x", "url": "https://x.example", "events": ["meeting.started"]}
    webhook = (await api.ask("POST", "/webhooks", status=201, json=body))["data"]["id"]
    return Tenant(
        api,
        {
            "meeting_id": meeting,
            "participant_id": participant,
            "session_id": session,
            "preset_id": preset,
            "peer_id": peer.id,
            "webhook_id": webhook,
        },
    )


def judged(answer: httpx.Response, what: str, *, may_succeed: bool = True) -> None:
    """An answer in the API's shape that is no fault of the server."""
    assert answer.status_code in REFUSALS or (may_succeed and answer.is_success), (
        f"{what}: {answer.status_code} {answer.text[:300]}"
    )
    if not answer.is_success:
        error = answer.json()["error"]
        assert error["code"] == answer.status_code, what
        assert error["message"], what
        assert "\0" not in answer.text, what


async def untouched(tenant: Tenant) -> None:
    """What was there is there, and the session runs."""
    found = await tenant.api.ask("GET", "/sessions", status=200)
    (session,) = found["data"]["sessions"]
    assert session["id"] == tenant.ids["session_id"]
    assert session["status"] == "LIVE"


async def test_strange_ids_name_nothing(tenant: Tenant) -> None:
    for endpoint in IN_APP:
        for name in endpoint.ids:
            for value in IDS:
                address = tenant.address(endpoint, **{name: value})
                answer = await tenant.api.http.request(endpoint.method, address, content=b"{}")
                judged(answer, f"{endpoint.method} {address}", may_succeed=False)
    await untouched(tenant)


def parameters(endpoint: Endpoint) -> Iterator[str]:
    """Names of a route's query parameters."""
    if endpoint.query is not None:
        for field in msgspec.structs.fields(endpoint.query):
            yield field.encode_name


async def test_strange_queries_are_refused_or_find_nothing(tenant: Tenant) -> None:
    asked = 0
    for endpoint in IN_APP:
        for name in parameters(endpoint):
            for value in TEXTS:
                address = f"{tenant.address(endpoint)}?{quote(name)}={value}"
                judged(await tenant.api.http.request(endpoint.method, address), address[-120:])
                asked += 1
    assert asked > 500
    await untouched(tenant)


BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/meetings"): {"title": "x", "session_keep_alive_time_in_secs": 60, "persist_chat": True},
    ("PATCH", "/meetings/{meeting_id}"): {"title": "x", "status": "ACTIVE"},
    ("PUT", "/meetings/{meeting_id}"): {"title": "x"},
    ("POST", "/meetings/{meeting_id}/participants"): {
        "custom_participant_id": "bob",
        "preset_name": "group_call_host",
        "name": "Bob",
        "picture": "https://x.example/p.png",
    },
    ("PATCH", "/meetings/{meeting_id}/participants/{participant_id}"): {
        "name": "Ann",
        "picture": "https://x.example/p.png",
        "preset_name": "group_call_host",
    },
    ("POST", "/meetings/{meeting_id}/active-session/poll"): {
        "question": "?",
        "options": ["a", "b"],
        "anonymous": True,
        "hide_votes": True,
    },
    ("POST", "/meetings/{meeting_id}/active-session/mute"): {"participant_ids": ["x"]},
    ("POST", "/meetings/{meeting_id}/active-session/mute-all"): {"allow_unmute": True},
    ("POST", "/meetings/{meeting_id}/active-session/kick"): {
        "participant_ids": ["x"],
        "custom_participant_ids": ["y"],
    },
    ("POST", "/presets"): {"name": "P", **PRESET},
    ("PATCH", "/presets/{preset_id}"): {"name": "P"},
    ("POST", "/webhooks"): {"name": "w", "url": "https://x.example", "events": ["meeting.started"]},
    ("PATCH", "/webhooks/{webhook_id}"): {"name": "w", "url": "https://x.example", "enabled": True},
}
"""A body that is taken (but for what it names), by route."""


def with_value(body: Mapping[str, Any], member: str, value: bytes) -> bytes:
    """The body as JSON, with one member replaced by a raw value."""
    parts = [
        msgspec.json.encode(name) + b":" + (value if name == member else msgspec.json.encode(known))
        for name, known in body.items()
    ]
    return b"{" + b",".join(parts) + b"}"


@pytest.mark.parametrize(("method", "path"), BODIES, ids=[f"{method} {path}" for method, path in BODIES])
async def test_strange_members_are_refused_or_kept_as_they_are(
    tenant: Tenant, method: str, path: str
) -> None:
    (endpoint,) = [e for e in IN_APP if (e.method, e.path) == (method, "/{app_id}" + path)]
    body = BODIES[method, path]
    for member in body:
        for value in VALUES:
            given = with_value(body, member, value)
            if b"custom_participant_id" in given and b'"bob"' in given:
                given = given.replace(b'"bob"', msgspec.json.encode(new_uuid()))
            answer = await tenant.api.http.request(method, tenant.address(endpoint), content=given)
            judged(answer, f"{method} {path} {member}={value[:60]!r}")
    await untouched(tenant)
    for listed in (
        "/meetings",
        "/presets",
        "/webhooks",
        f"/meetings/{tenant.ids['meeting_id']}/participants",
    ):
        await tenant.api.ask("GET", listed, status=200)


async def test_the_same_thing_asked_many_times_at_once_is_done_or_refused(tenant: Tenant) -> None:
    """Two writers of one row meet in the database."""
    meeting = tenant.ids["meeting_id"]
    person = {"custom_participant_id": "carl", "preset_name": "group_call_host"}
    answers = await asyncio.gather(
        *(tenant.api.http.post(f"/meetings/{meeting}/participants", json=person) for _ in range(8)),
        *(tenant.api.http.patch(f"/meetings/{meeting}", json={"title": f"T{n}"}) for n in range(8)),
    )
    for answer in answers:
        judged(answer, str(answer.request.url))
    people = (await tenant.api.ask("GET", f"/meetings/{meeting}/participants", status=200))["data"]
    assert [each["custom_participant_id"] for each in people].count("carl") == 1
