"""Webhooks over REST, asked for by the official SDK (`realtimekit.md` 14.1)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import cloudflare
import httpx
import pytest
import pytest_asyncio
from litestar import Litestar

from parley.accounts import service as accounts
from parley.accounts.model import CredentialKind, Right
from parley.accounts.scope import AppScope, Scope
from parley.base.clock import ManualClock
from parley.base.ids import new_uuid
from parley.meetings.tokens import ParticipantTokens
from parley.quality.service import Quality
from parley.webhooks.signing import Signer, new_private_key
from parley.wire.asgi import ByPrefix
from parley.wire.realtimekit import webhooks
from parley.wire.realtimekit.api import API_PREFIX, realtimekit_api
from parley.wire.realtimekit.endpoint import RealtimeKitContext
from parley.wire.realtimekit.webhook_events import EVENT_NAMES
from tests.wire.realtimekit.deliveries import logged
from tests.wire.realtimekit.serving import dumps_of, recordings_of, streams_of

UNKNOWN = "5b0c0a9e-2f7d-4b53-9a0f-1f6a2d3e4c55"
URL = "https://hooks.example/calls?key=1"
EVENTS = ["meeting.started", "meeting.ended"]
BODY: dict[str, Any] = {"name": "Calls", "url": URL, "events": EVENTS}


class NoLiveMeetings:
    """Webhooks ask nothing of meetings that run."""


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer(new_private_key())


@pytest_asyncio.fixture
async def transport(app_scope: AppScope, signer: Signer) -> httpx.ASGITransport:
    """The webhook routes as an application."""
    tokens = await ParticipantTokens.of_store(app_scope.store)
    context = RealtimeKitContext(
        store=app_scope.store,
        tokens=tokens,
        live=NoLiveMeetings(),
        recordings=recordings_of(app_scope.store),
        chat_dumps=dumps_of(app_scope.store),
        quality=Quality(app_scope.store.clock),
        livestreams=streams_of(app_scope.store),
    )

    pages = Litestar([webhooks.key_handler(signer)], openapi_config=None)
    app = ByPrefix({API_PREFIX: realtimekit_api(context, [webhooks.routes])}, otherwise=pages)
    return httpx.ASGITransport(app=app)


async def secret_of(scope: Scope, *rights: Right) -> str:
    _, secret = await accounts.create_credential(
        scope, CredentialKind.API_TOKEN, "test", rights=frozenset(rights or Right)
    )
    return secret


class Sdk:
    """The SDK, told once which account and app it works for."""

    def __init__(self, client: cloudflare.AsyncCloudflare, scope: AppScope) -> None:
        self._webhooks = client.realtime_kit.webhooks
        self._where = {"account_id": scope.organization_id}
        self._app_id = scope.app_id

    async def list(self):
        return await self._webhooks.get_webhooks(self._app_id, **self._where)

    async def create(self, **body: Any):
        return (await self._webhooks.create_webhook(self._app_id, **self._where, **body)).data

    async def get(self, webhook_id: str):
        found = await self._webhooks.get_webhook_by_id(webhook_id, app_id=self._app_id, **self._where)
        return found.data

    async def replace(self, webhook_id: str, **body: Any):
        found = await self._webhooks.replace_webhook(webhook_id, app_id=self._app_id, **self._where, **body)
        return found.data

    async def edit(self, webhook_id: str, **body: Any):
        found = await self._webhooks.edit_webhook(webhook_id, app_id=self._app_id, **self._where, **body)
        return found.data

    async def delete(self, webhook_id: str):
        found = await self._webhooks.delete_webhook(webhook_id, app_id=self._app_id, **self._where)
        return found.data


@pytest_asyncio.fixture
async def http(transport: httpx.ASGITransport, app_scope: AppScope) -> AsyncIterator[httpx.AsyncClient]:
    """Requests that no SDK would send, below the webhooks of the app."""
    secret = await secret_of(app_scope)
    root = f"http://parley.test/accounts/{app_scope.organization_id}/realtime/kit/{app_scope.app_id}"
    async with httpx.AsyncClient(
        transport=transport, base_url=root, headers={"Authorization": f"Bearer {secret}"}
    ) as client:
        yield client


@pytest_asyncio.fixture
async def sdk(transport: httpx.ASGITransport, app_scope: AppScope) -> AsyncIterator[Sdk]:
    """The official SDK with a token that may do everything."""
    async with cloudflare.AsyncCloudflare(
        api_token=await secret_of(app_scope),
        base_url="http://parley.test",
        http_client=httpx.AsyncClient(transport=transport),
        max_retries=0,
    ) as client:
        yield Sdk(client, app_scope)


async def test_a_created_webhook_is_shown_in_full(sdk: Sdk) -> None:
    made = await sdk.create(**BODY)
    assert (made.name, made.url, made.enabled, made.events) == ("Calls", URL, True, EVENTS)
    assert made.created_at.isoformat() == made.updated_at.isoformat() == "2026-01-01T00:00:00+00:00"
    assert (await sdk.get(made.id)).to_dict() == made.to_dict()
    assert [found.to_dict() for found in (await sdk.list()).data] == [made.to_dict()]


async def test_put_replaces_everything_and_enables_unless_told_otherwise(sdk: Sdk) -> None:
    made = await sdk.create(**BODY, enabled=False)
    assert not made.enabled
    after = await sdk.replace(made.id, name="Other", url="http://127.0.0.1:1/", events=["meeting.summary"])
    assert (after.name, after.url, after.enabled) == ("Other", "http://127.0.0.1:1/", True)
    assert after.events == ["meeting.summary"]
    assert not (await sdk.replace(made.id, **BODY, enabled=False)).enabled


async def test_patch_changes_what_it_names(sdk: Sdk, clock: ManualClock) -> None:
    made = await sdk.create(**BODY)
    clock.advance(1.5)
    after = await sdk.edit(made.id, enabled=False)
    assert (after.enabled, after.name, after.url, after.events) == (False, made.name, made.url, made.events)
    assert after.created_at == made.created_at
    assert (after.updated_at - made.updated_at).total_seconds() == 1.5


async def test_delete_answers_with_what_was_deleted(sdk: Sdk) -> None:
    made = await sdk.create(**BODY)
    assert (await sdk.delete(made.id)).to_dict() == made.to_dict()
    assert (await sdk.list()).data == []


async def test_an_unknown_webhook_is_not_found(sdk: Sdk) -> None:
    for call in (
        sdk.get(UNKNOWN),
        sdk.edit(UNKNOWN, name="x"),
        sdk.replace(UNKNOWN, **BODY),
        sdk.delete(UNKNOWN),
    ):
        with pytest.raises(cloudflare.NotFoundError):
            await call


async def test_what_is_no_id_is_a_bad_request(sdk: Sdk) -> None:
    with pytest.raises(cloudflare.BadRequestError) as raised:
        await sdk.get("calls")
    assert raised.value.response.json()["error"]["message"] == 'BAD_REQUEST: "id" must be a valid GUID'


async def test_a_webhook_of_another_account_is_not_found(
    sdk: Sdk, transport: httpx.ASGITransport, other_app_scope: AppScope
) -> None:
    made = await sdk.create(**BODY)
    async with cloudflare.AsyncCloudflare(
        api_token=await secret_of(other_app_scope),
        base_url="http://parley.test",
        http_client=httpx.AsyncClient(transport=transport),
        max_retries=0,
    ) as client:
        theirs = Sdk(client, other_app_scope)
        for call in (theirs.get(made.id), theirs.edit(made.id, name="x"), theirs.delete(made.id)):
            with pytest.raises(cloudflare.NotFoundError):
                await call
        assert (await theirs.list()).data == []


async def test_the_list_has_no_paging(http: httpx.AsyncClient) -> None:
    assert (await http.get("/webhooks")).json() == {"data": [], "success": True}


async def test_the_event_names_are_listed(http: httpx.AsyncClient) -> None:
    found = (await http.get("/webhooks/all")).json()
    assert found == {"data": list(EVENT_NAMES), "success": True}


async def test_repeated_events_collapse_and_unknown_fields_are_ignored(http: httpx.AsyncClient) -> None:
    body = {**BODY, "events": ["meeting.ended", "meeting.started", "meeting.ended"], "colour": "red"}
    found = await http.post("/webhooks", json=body)
    assert found.status_code == 201
    assert found.json()["data"]["events"] == ["meeting.ended", "meeting.started"]
    assert "colour" not in found.json()["data"]


async def test_null_leaves_a_value_as_it_is(http: httpx.AsyncClient) -> None:
    made = (await http.post("/webhooks", json={**BODY, "enabled": None})).json()["data"]
    change = {"name": None, "url": None, "events": None, "enabled": None}
    after = (await http.patch(f"/webhooks/{made['id']}", json=change)).json()["data"]
    assert after == made
    assert after["enabled"] is True


async def test_ids_may_be_written_in_capitals(http: httpx.AsyncClient) -> None:
    made = (await http.post("/webhooks", json=BODY)).json()["data"]
    assert (await http.get(f"/webhooks/{made['id'].upper()}")).json()["data"] == made


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", EVENT_NAMES)
async def test_every_listed_event_can_be_subscribed_to(http: httpx.AsyncClient, name: str) -> None:
    assert (await http.post("/webhooks", json={**BODY, "events": [name]})).status_code == 201


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080/hook",
        "http://192.168.1.10/",
        "https://hooks.example",
        "HTTPS://Hooks.Example/a%20b?c=d#e",
        "https://user:secret@hooks.example/",
        "http://[::1]:9000/",
        "https://höoks.example/",
    ],
)
async def test_http_urls_are_taken_as_they_are(http: httpx.AsyncClient, url: str) -> None:
    assert (await http.post("/webhooks", json={**BODY, "url": url})).json()["data"]["url"] == url


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in BODY.items() if key != name}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (without("name"), '"name" is required'),
        (without("url"), '"url" is required'),
        (without("events"), '"events" is required'),
        ({**BODY, "name": ""}, '"name" is not allowed to be empty'),
        ({**BODY, "name": "  "}, '"name" is not allowed to be empty'),
        ({**BODY, "name": 5}, '"name" must be a string'),
        ({**BODY, "name": "a\x00b"}, "A text must not contain U+0000"),
        ({**BODY, "url": "http://a\x00/"}, "A text must not contain U+0000"),
        ({**BODY, "name": "n" * 257}, '"name" length must be less than or equal to 256'),
        ({**BODY, "events": []}, '"events" must contain at least 1 items'),
        ({**BODY, "events": "meeting.started"}, '"events" must be an array'),
        ({**BODY, "events": ["meeting.begun"]}, '"events[0]" must be one of ['),
        ({**BODY, "enabled": "true"}, '"enabled" must be a boolean'),
        ({**BODY, "enabled": 1}, '"enabled" must be a boolean'),
        ({**BODY, "url": "http://a/" + "p" * 2048}, '"url" length must be less than or equal to 2048'),
        *[
            ({**BODY, "url": url}, '"url" must be a valid uri')
            for url in (
                "hooks.example",
                "/hook",
                "",
                "ftp://hooks.example/",
                "javascript:alert(1)",
                "http://",
                "http:///path",
                "http://:80/",
                "http://a b/",
                "http://a/\r\nHost: b",
                "http://a/\n",
                "http://[::1/",
                "http://a:port/",
                "http://a:0/",
                "http://a:70000/",
                " http://a/",
            )
        ],
    ],
)
async def test_what_is_wrong_is_named(http: httpx.AsyncClient, body: dict[str, Any], message: str) -> None:
    found = await http.post("/webhooks", json=body)
    assert found.status_code == 400
    assert found.json()["error"]["message"].startswith(f"BAD_REQUEST: {message}")
    assert (await http.get("/webhooks")).json()["data"] == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "change", [{"url": "ftp://a/"}, {"events": []}, {"name": " "}, {"url": "http://a:0"}]
)
async def test_a_change_is_checked_as_well(http: httpx.AsyncClient, change: dict[str, Any]) -> None:
    made = (await http.post("/webhooks", json=BODY)).json()["data"]
    assert (await http.patch(f"/webhooks/{made['id']}", json=change)).status_code == 400
    assert (await http.get(f"/webhooks/{made['id']}")).json()["data"] == made


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_token_that_may_only_read_changes_nothing(
    http: httpx.AsyncClient, app_scope: AppScope
) -> None:
    reader = {"Authorization": f"Bearer {await secret_of(app_scope, Right.READ)}"}
    assert (await http.get("/webhooks", headers=reader)).status_code == 200
    assert (await http.post("/webhooks", json=BODY, headers=reader)).status_code == 403


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_key_is_published_without_a_credential(
    transport: httpx.ASGITransport, signer: Signer
) -> None:
    async with httpx.AsyncClient(transport=transport, base_url="http://parley.test") as client:
        found = await client.get("/.well-known/webhooks.json")
    assert found.status_code == 200
    assert found.headers["content-type"].startswith("application/json")
    assert found.json() == {"success": True, "data": {"publicKey": signer.public_key_pem}, "message": ""}


async def test_deliveries_are_listed_newest_first_and_shown_with_their_attempts(
    http: httpx.AsyncClient, app_scope: AppScope
) -> None:
    webhook = (await http.post("/webhooks", json=BODY)).json()["data"]["id"]
    old, new = [await logged(app_scope, webhook, minutes=age) for age in (5, 0)]
    log = f"/webhooks/{webhook}/deliveries"

    listed = (await http.get(log, params={"per_page": 1})).json()
    assert [one["id"] for one in listed["data"]] == [new.id]
    assert listed["paging"] == {"total_count": 2, "start_offset": 1, "end_offset": 1}
    assert listed["data"][0]["status"] == "PENDING"
    shown = (await http.get(f"{log}/{old.id}")).json()["data"]
    assert (shown["body"], shown["attempts"]) == (old.body, [])


async def test_a_delivery_is_sent_again_as_a_new_one(http: httpx.AsyncClient, app_scope: AppScope) -> None:
    webhook = (await http.post("/webhooks", json=BODY)).json()["data"]["id"]
    old = await logged(app_scope, webhook)
    replay = f"/webhooks/{webhook}/deliveries/{old.id}/replay"

    again = await http.post(replay)
    assert again.status_code == 201
    assert again.json()["data"]["id"] != old.id
    assert (await http.get(f"/webhooks/{webhook}/deliveries")).json()["paging"]["total_count"] == 2
    await http.patch(f"/webhooks/{webhook}", json={"enabled": False})
    assert (await http.post(replay)).status_code == 400


async def test_deliveries_are_those_of_the_webhook_in_the_path(
    http: httpx.AsyncClient, app_scope: AppScope
) -> None:
    mine, other = [(await http.post("/webhooks", json=BODY)).json()["data"]["id"] for _ in range(2)]
    delivery = await logged(app_scope, mine)
    assert (await http.get(f"/webhooks/{other}/deliveries")).json()["data"] == []
    for path in (
        f"{other}/deliveries/{delivery.id}",
        f"{new_uuid()}/deliveries",
        f"{mine}/deliveries/{mine}",
    ):
        assert (await http.get(f"/webhooks/{path}")).status_code == 404
