"""Webhooks over REST."""

from __future__ import annotations

from typing import Any

import pytest

from parley.accounts.keys import create_keys
from parley.accounts.model import Environment
from tests.wire.block.serving import Block

PATH = "/v1/realtime/webhooks"
GIVEN: dict[str, Any] = {"url": "https://example.com/hooks", "events": ["message.sent", "presence.join"]}


def body(**attributes: Any) -> dict[str, Any]:
    return {"data": {"type": "webhooks", "attributes": attributes}}


async def create(block: Block, **more: Any) -> Any:
    made = await block.ask(None, "POST", PATH, body(**{**GIVEN, **more}), status=201)
    return made["data"]


async def test_a_created_webhook_shows_its_secret_once(block: Block) -> None:
    made = await create(block)
    assert made["id"].startswith("wh_")
    secret = made["attributes"]["secret"]
    assert secret.startswith("whsec_")
    assert made["attributes"]["active"] is True
    again = await block.ask(None, "GET", f"{PATH}/{made['id']}")
    assert again["data"]["attributes"] == {**made["attributes"], "secret": f"whsec_****{secret[-4:]}"}
    listed = await block.ask(None, "GET", PATH)
    assert listed["data"] == [again["data"]]


async def test_a_given_secret_is_used(block: Block) -> None:
    made = await create(block, secret="whsec_MDEyMzQ1Njc4OWFiY2RlZg==")
    assert made["attributes"]["secret"] == "whsec_MDEyMzQ1Njc4OWFiY2RlZg=="


async def test_null_asks_for_a_fresh_secret(block: Block) -> None:
    made = await create(block)
    after = await block.ask(None, "PUT", f"{PATH}/{made['id']}", body(secret=None))
    fresh = after["data"]["attributes"]["secret"]
    assert "*" not in fresh
    assert fresh != made["attributes"]["secret"]


async def test_an_update_is_partial(block: Block) -> None:
    made = await create(block)
    after = await block.ask(None, "PUT", f"{PATH}/{made['id']}", body(active=False))
    attributes = after["data"]["attributes"]
    assert (attributes["active"], attributes["events"]) == (False, GIVEN["events"])
    assert attributes["secret"].startswith("whsec_****")


async def test_a_deleted_webhook_is_gone(block: Block) -> None:
    made = await create(block)
    await block.ask(None, "DELETE", f"{PATH}/{made['id']}", status=204)
    await block.ask(None, "GET", f"{PATH}/{made['id']}", status=404)
    await block.ask(None, "DELETE", f"{PATH}/{made['id']}", status=404)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"url": "http://example.com"}, "/data/attributes/url"),
        ({"url": "https://127.0.0.1/hook"}, "/data/attributes/url"),
        ({"url": 7}, "/data/attributes/url"),
        ({"events": []}, "/data/attributes/events"),
        ({"events": ["message.sent", "meeting.started"]}, "/data/attributes/events/1"),
        ({"secret": "plain"}, "/data/attributes/secret"),
    ],
)
async def test_a_wrong_field_is_named(block: Block, change: dict[str, Any], pointer: str) -> None:
    found = await block.ask(None, "POST", PATH, body(**{**GIVEN, **change}), status=422)
    assert found["errors"][0]["source"] == {"pointer": pointer}


async def test_users_have_no_webhooks(block: Block) -> None:
    found = await block.ask("ada", "GET", PATH, status=403)
    assert found["errors"][0]["code"] == "forbidden"
    await block.ask("ada", "POST", PATH, body(**GIVEN), status=403)


async def test_a_publishable_key_alone_is_not_enough(block: Block) -> None:
    answer = await block.http.get(PATH, headers={"X-Api-Key": block.keys.publishable})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (401, "unauthorized")


async def test_environments_have_webhooks_of_their_own(block: Block) -> None:
    made = await create(block)
    keys = await create_keys(block.scope, block.keys.app.id, Environment.TEST)
    headers = {"X-Api-Key": keys.secret}
    listed = await block.ask(None, "GET", PATH, headers=headers)
    assert listed["data"] == []
    await block.ask(None, "GET", f"{PATH}/{made['id']}", headers=headers, status=404)
    plain = body(**{**GIVEN, "url": "http://example.com"})
    await block.ask(None, "POST", PATH, plain, headers=headers, status=201)


async def test_a_test_event_is_in_the_list_of_events_and_can_be_sent_again(block: Block) -> None:
    made = await create(block)
    path = f"{PATH}/{made['id']}"
    sent = (await block.ask(None, "POST", f"{path}/test", {}, status=202))["data"]["attributes"]
    assert sent["event"] == "webhook.test"
    second = (await block.ask(None, "POST", f"{path}/test", status=202))["data"]["attributes"]
    listed = await block.ask(None, "GET", f"{path}/events?limit=1")
    assert [one["id"] for one in listed["data"]] == [sent["event_id"]]
    assert listed["data"][0]["attributes"]["data"] == {"webhook_id": made["id"]}
    assert listed["meta"] == {"has_more": True, "last": sent["event_id"]}
    rest = await block.ask(None, "GET", f"{path}/events?after={listed['meta']['last']}")
    assert [one["id"] for one in rest["data"]] == [second["event_id"]]
    assert rest["meta"]["has_more"] is False
    again = await block.ask(None, "POST", f"{path}/events/{sent['event_id']}/replay", status=202)
    assert again["data"]["attributes"]["event_id"] == sent["event_id"]
    more = await block.ask(None, "POST", f"{path}/deliveries/{sent['delivery_id']}/replay", status=202)
    assert more["data"]["id"] != again["data"]["id"]
    deliveries = await block.ask(None, "GET", f"{path}/deliveries")
    assert deliveries["data"] == []  # nothing sends here


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/events?after=evt_unknown"),
        ("POST", "/events/evt_unknown/replay"),
        ("POST", "/events/a%00b/replay"),
        ("POST", "/deliveries/unknown/replay"),
    ],
)
async def test_unknown_events_and_deliveries_are_not_found(block: Block, method: str, path: str) -> None:
    made = await create(block)
    await block.ask(None, method, f"{PATH}/{made['id']}{path}", status=404)


async def test_an_inactive_webhook_is_sent_nothing(block: Block) -> None:
    made = await create(block, active=False)
    await block.ask(None, "POST", f"{PATH}/{made['id']}/test", status=409)
