"""What is refused, in which order and in which words (`realtimekit.md` 1.2, 1.4, section 16)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import cloudflare
import httpx
import pytest
import pytest_asyncio

from parley.accounts import service as accounts
from parley.accounts.model import CredentialKind, Right
from parley.accounts.scope import Scope
from parley.base.ids import new_uuid
from parley.bus import MemoryBus
from parley.store.core import Store
from parley.wire.realtimekit.api import endpoints
from parley.wire.realtimekit.endpoint import KIT, Endpoint
from parley.wire.realtimekit.limits import WindowLimiter
from tests.wire.realtimekit.presets import PRESET
from tests.wire.realtimekit.serving import Api, serving_api, token_for

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what is refused before anything is stored or looked up; the rest runs on both databases."""
BAD = "not-a-uuid"


def error(answer: httpx.Response, status: int) -> str:
    """The message of a refusal, whose envelope must be whole."""
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    problem = {"code": status, "message": body["error"]["message"]}
    expected = {"success": False, "error": problem, "errors": [problem], "messages": [], "result": None}
    assert body == (expected | {"message": problem["message"]} if status == 401 else expected)
    assert len(answer.headers["x-request-id"]) == 32
    assert answer.headers["content-type"] == "application/json"
    return str(problem["message"])


def address(endpoint: Endpoint, api: Api, **ids: str) -> str:
    """A route's address, with unknown ids unless given."""
    known = {"account_id": api.scope.organization_id, "app_id": api.scope.app_id} | ids
    path = KIT + endpoint.path
    for name in ("account_id", "app_id", *endpoint.ids):
        path = path.replace("{" + name + "}", known.get(name, new_uuid()))
    return api.origin + path


async def test_without_a_working_token_every_route_answers_401(api: Api, clock):
    expired = await token_for(api.scope, expires_at=clock.now() - timedelta(seconds=1))
    for header in ({}, {"Authorization": "Bearer nothing"}, {"Authorization": f"Bearer {expired}"}):
        async with httpx.AsyncClient(headers=header) as http:
            for endpoint in endpoints():
                answer = await http.request(endpoint.method, address(endpoint, api, app_id=BAD), content=b"{")
                assert error(answer, 401) == "Unauthorized"


async def test_a_revoked_token_stops_working_at_once(api: Api):
    credential, secret = await accounts.create_credential(api.scope, CredentialKind.API_TOKEN, "short")
    async with httpx.AsyncClient(headers={"Authorization": f"bearer  {secret}"}) as http:
        assert (await http.get(f"{api.kit}/apps")).status_code == 200
        await accounts.revoke_credential(api.scope, credential.id)
        error(await http.get(f"{api.kit}/apps"), 401)


@on_sqlite
async def test_a_key_header_works_only_if_it_is_configured(store: Store, scope: Scope):
    for accepts, status in ((False, 401), (True, 200)):
        async with serving_api(store, scope, accepts_key_header=accepts) as api:
            headers = {"X-Auth-Email": "ann@example.org", "X-Auth-Key": api.token}
            async with httpx.AsyncClient(headers=headers) as http:
                assert (await http.get(f"{api.kit}/apps")).status_code == status
            async with httpx.AsyncClient(headers={"X-Auth-Key": api.token}) as http:
                assert (await http.get(f"{api.kit}/apps")).status_code == 401


async def test_a_token_of_another_account_is_refused_before_anything_else(api: Api, other_scope: Scope):
    secret = await token_for(other_scope)
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {secret}"}) as http:
        for endpoint in endpoints():
            answer = await http.request(endpoint.method, address(endpoint, api, app_id=BAD), content=b"{")
            error(answer, 403)


@on_sqlite
async def test_a_reading_token_may_only_read(api: Api):
    secret = await token_for(api.scope, Right.READ)
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {secret}"}) as http:
        for endpoint in endpoints():
            answer = await http.request(endpoint.method, address(endpoint, api), content=b"{}")
            assert (answer.status_code == 403) is (endpoint.method != "GET"), endpoint
            if endpoint.method != "GET":
                error(answer, 403)


@on_sqlite
async def test_ids_are_looked_at_before_the_app(api: Api):
    for endpoint in endpoints():
        if endpoint.ids:
            bad = {endpoint.ids[-1]: BAD}
            answer = await api.http.request(
                endpoint.method, address(endpoint, api, app_id=new_uuid(), **bad), content=b"{"
            )
            shown = "id" if len(endpoint.ids) == 1 else endpoint.ids[-1]
            assert error(answer, 400) == f'BAD_REQUEST: "{shown}" must be a valid GUID'


@pytest.mark.parametrize("app_id", [BAD, "5b0c0a9e-2f7d-4b53-9a0f-1f6a2d3e4c55", "0" * 32, "%00"])
async def test_an_unknown_app_is_not_found_whatever_its_form(api: Api, app_id):
    for endpoint in endpoints():
        if endpoint.is_in_app:
            answer = await api.http.request(
                endpoint.method, address(endpoint, api, app_id=app_id), content=b"{"
            )
            assert error(answer, 404).startswith("No app found with id")


async def test_what_the_path_names_is_looked_for_before_the_body_is_read(api: Api):
    for endpoint in endpoints():
        if endpoint.is_in_app and endpoint.ids and "webhook_id" not in endpoint.ids:
            answer = await api.http.request(endpoint.method, address(endpoint, api), content=b"{")
            assert error(answer, 404).startswith("No ")


async def test_things_of_another_tenant_are_not_found(store: Store, scope: Scope, other_scope: Scope):
    """Every route, with ids that exist in another account, below our app and below theirs."""
    async with serving_api(store, scope) as ours, serving_api(store, other_scope) as theirs:
        meeting = await theirs.meeting()
        participant = await theirs.participant(meeting, "ann")
        peer = await theirs.join(meeting, participant)
        session = (await theirs.ask("GET", "/sessions", status=200))["data"]["sessions"][0]["id"]
        preset = (await theirs.ask("GET", "/presets", status=200))["data"][0]["id"]
        body = {"name": "x", "url": "https://x.example", "events": ["meeting.started"]}
        webhook = (await theirs.ask("POST", "/webhooks", status=201, json=body))["data"]["id"]
        ids = {
            "meeting_id": meeting,
            "participant_id": participant,
            "session_id": session,
            "preset_id": preset,
            "peer_id": peer.id,
            "webhook_id": webhook,
        }
        bodies = {
            "POST": {
                "participant_ids": [participant],
                "preset_name": "group_call_host",
                "custom_participant_id": "bob",
                "allow_unmute": True,
                "question": "?",
                "options": ["a", "b"],
            },
            "PUT": body | PRESET | {"preset_name": "group_call_host"},
        }
        for endpoint in endpoints():
            if not (endpoint.is_in_app and endpoint.ids):
                continue
            given = {"json": bodies.get(endpoint.method, {})} if endpoint.method != "GET" else {}
            for where in (ids, ids | {"app_id": theirs.scope.app_id}):
                answer = await ours.http.request(endpoint.method, address(endpoint, ours, **where), **given)
                error(answer, 404)
        assert (await theirs.ask("GET", "/sessions", status=200))["data"]["sessions"][0]["status"] == "LIVE"
        assert (await ours.ask("GET", "/meetings", status=200))["data"] == []
        assert (await ours.ask("GET", "/sessions", status=200))["data"]["sessions"] == []


async def test_a_preset_of_another_app_cannot_be_given(api: Api):
    other = (await api.http.post(f"{api.kit}/apps", json={"name": "Other"})).json()["data"]["app"]["id"]
    made = await api.http.post(f"{api.kit}/{other}/presets", json=PRESET | {"name": "Secret"})
    assert made.status_code == 201
    meeting = await api.meeting()
    body = {"custom_participant_id": "ann", "preset_name": "Secret"}
    answer = await api.http.post(f"/meetings/{meeting}/participants", json=body)
    assert error(answer, 404) == "No preset found with name Secret"


@on_sqlite
async def test_unknown_paths_and_wrong_methods_have_the_same_envelope(api: Api):
    for path in ("/nothing", "/meetings/x/y/z", "/recordings/track/x"):
        assert error(await api.http.get(path), 404) == "No such route"
    answer = await api.http.delete("/meetings")
    error(answer, 405)
    assert {"GET", "POST"} <= set(answer.headers["allow"].split(", "))


@on_sqlite
@pytest.mark.parametrize("content", [b"{", b"\xff", b"nul", b'"x"', b"[]", b"[" * 50_000])
async def test_what_is_no_json_object_is_refused(api: Api, content):
    for path in ("/meetings", "/presets", "/webhooks"):
        answer = await api.http.post(path, content=content)
        assert error(answer, 400).startswith("BAD_REQUEST: ")


@on_sqlite
async def test_a_body_is_read_as_json_whatever_its_type(api: Api):
    headers = {"Content-Type": "text/plain"}
    made = await api.http.post("/meetings", content=b'{"title": "x"}', headers=headers)
    assert made.json()["data"]["title"] == "x"


@on_sqlite
async def test_a_body_over_a_mebibyte_is_refused(api: Api):
    title = b'{"preferred_region": "' + b"x" * (1 << 20) + b'"}'
    error(await api.http.post("/meetings", content=title), 413)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * (1 << 16)
        yield b"{}"

    error(await api.http.post("/meetings", content=chunks()), 413)


async def test_a_text_that_no_database_can_store_is_a_wrong_request(api: Api):
    for path, body in (
        ("/meetings", {"title": "a\x00b"}),
        ("/presets", PRESET | {"name": "a\x00b"}),
    ):
        error(await api.http.post(path, json=body), 400)
    meeting = await api.meeting()
    body = {"custom_participant_id": "a\x00", "preset_name": "group_call_host"}
    error(await api.http.post(f"/meetings/{meeting}/participants", json=body), 400)


async def test_a_page_beyond_every_number_is_refused_or_empty(api: Api):
    for number in ("99999999999999", "1e18", "1e300"):
        answer = await api.http.get("/meetings", params={"page_no": number})
        assert answer.status_code in (200, 400)
        if answer.status_code == 200:
            assert answer.json()["paging"]["end_offset"] == 0


@on_sqlite
@pytest.mark.parametrize("text", ["a:b", "5", "1:2:3", "-1:2", "1-2", "٣:٤"])
async def test_a_range_of_participants_has_one_form(api: Api, text):
    answer = await api.http.get("/sessions", params={"participants": text})
    assert error(answer, 400) == 'BAD_REQUEST: "participants" must look like min:max'


@on_sqlite
@pytest.mark.parametrize(
    ("storage", "missing"),
    [
        ({"type": "aws", "access_key": "a", "secret": "s", "bucket": "b"}, "region"),
        ({"type": "azure", "access_key": "a", "bucket": "b"}, "region"),
        ({"type": "gcs", "bucket": "b"}, "secret"),
        ({"type": "sftp", "host": "h", "username": "u"}, "auth_method"),
        ({"type": "sftp", "host": "h", "username": "u", "auth_method": "KEY"}, "private_key"),
        ({"type": "sftp", "host": "h", "username": "u", "auth_method": "PASSWORD"}, "password"),
    ],
)
async def test_a_storage_needs_its_keys(api: Api, storage, missing):
    for method, path in (("POST", "/meetings"), ("PATCH", f"/meetings/{await api.meeting()}")):
        body = {"recording_config": {"storage_config": storage}}
        message = error(await api.http.request(method, path, json=body), 400)
        assert message == f'BAD_REQUEST: "recording_config.storage_config.{missing}" is required'


@on_sqlite
async def test_a_missing_member_is_named_with_its_whole_path_and_once(api: Api):
    body = {"recording_config": {"realtimekit_bucket_config": {}}}
    missing = "recording_config.realtimekit_bucket_config.enabled"
    assert error(await api.http.post("/meetings", json=body), 400) == f'BAD_REQUEST: "{missing}" is required'


@on_sqlite
async def test_a_page_beyond_all_numbers_is_refused_by_name(api: Api):
    message = error(await api.http.get("/meetings", params={"page_no": "9" * 26}), 400)
    assert message == 'BAD_REQUEST: "page_no" must be less than or equal to 2147483648'


@on_sqlite
@pytest.mark.parametrize(
    ("name", "message"),
    [
        (None, '"name" is required'),
        ("", '"name" is not allowed to be empty'),
        ("   ", '"name" is not allowed to be empty'),
        ("x" * 129, '"name" must have at most 128 characters'),
        (5, '"name" must be a string'),
    ],
)
async def test_an_app_needs_a_name(api: Api, name, message):
    body = {} if name is None else {"name": name}
    assert error(await api.http.post(f"{api.kit}/apps", json=body), 400) == f"BAD_REQUEST: {message}"


@on_sqlite
async def test_equal_options_of_a_poll_are_refused_before_the_session_is_looked_for(api: Api):
    path = f"/meetings/{await api.meeting()}/active-session/poll"
    answer = await api.http.post(path, json={"question": "?", "options": ["a", "a"]})
    assert error(answer, 400) == 'BAD_REQUEST: "options" must not contain duplicates'


@on_sqlite
async def test_a_plugin_setting_of_the_wrong_kind_is_refused(api: Api):
    for settings, member in (
        ({"access_control": "NONE"}, ".x.access_control"),
        ({"handles_view_only": "yes"}, ".x.handles_view_only"),
        (5, ""),
    ):
        plugins = PRESET["permissions"]["plugins"] | {"config": {"x": settings}}
        body = PRESET | {"name": "P", "permissions": PRESET["permissions"] | {"plugins": plugins}}
        message = error(await api.http.post("/presets", json=body), 400)
        assert f'"permissions.plugins.config{member}"' in message


@pytest.mark.parametrize(
    "patch",
    [
        {"name": None},
        {"config": None},
        {"config": {"view_type": "PARTY"}},
        {"permissions": {"chat": {"public": 5}}},
        {"permissions": {"can_record": None}},
        {"ui": {"design_tokens": {"theme": "pink"}}},
    ],
)
async def test_a_patch_that_breaks_a_preset_is_refused(api: Api, patch):
    preset = (await api.ask("GET", "/presets", status=200))["data"][0]["id"]
    before = await api.ask("GET", f"/presets/{preset}", status=200)
    error(await api.http.patch(f"/presets/{preset}", json=patch), 400)
    assert await api.ask("GET", f"/presets/{preset}", status=200) == before


@on_sqlite
class TestLimits:
    """Section 16."""

    @pytest_asyncio.fixture
    async def limited(self, store: Store, scope: Scope, clock) -> AsyncIterator[Api]:
        """Three requests in a minute."""
        bus = MemoryBus(clock)
        limiter = WindowLimiter(bus, clock.monotonic, limit=3, window=timedelta(seconds=60))
        async with serving_api(store, scope, limiter=limiter) as api:
            yield api
        await bus.close()

    async def test_beyond_its_limit_a_token_is_told_to_wait(self, limited: Api, clock):
        for _ in range(3):
            clock.advance(5)
            await limited.ask("GET", "/meetings", status=200)
        clock.advance(5)
        answer = await limited.http.get("/meetings")
        error(answer, 429)
        assert answer.headers["retry-after"] == "45"
        with pytest.raises(cloudflare.RateLimitError):
            await limited.client.realtime_kit.apps.get(**limited.account)
        clock.advance(46)
        await limited.ask("GET", "/meetings", status=200)

    async def test_each_token_has_its_own_limit(self, limited: Api):
        for _ in range(4):
            await limited.http.get("/meetings")
        other = {"Authorization": f"Bearer {await token_for(limited.scope)}"}
        assert (await limited.http.get("/meetings", headers=other)).status_code == 200
