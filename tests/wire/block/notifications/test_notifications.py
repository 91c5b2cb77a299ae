"""Notifications, web notifications and sources over REST."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wire.block.client.driver import run_suite
from tests.wire.block.serving import Block


async def create(block: Block, who: str | None, **members: Any) -> dict[str, Any]:
    body = {"notification": {"content": "Hi", **members}}
    made = await block.ask(who, "POST", "/notifications", body, status=201)
    assert made["data"]["type"] == "Notification"
    attributes: dict[str, Any] = made["data"]["attributes"]
    return attributes


async def test_a_notification_is_published_to_its_target(block: Block) -> None:
    ada = block.person("ada")
    made = await create(block, "bob", target_id=ada.id, expires_at="2036-01-02T03:04:05+02:00")
    assert made["created_by"] == block.person("bob").id
    assert made["expires_at"] == "2036-01-02T01:04:05.000Z"
    assert block.events(f"notifications:{ada.id}") == ["notification"]


@pytest.mark.parametrize(
    ("members", "pointer"),
    [
        ({"content": ""}, "/notification/content"),
        ({"content": None}, "/notification/content"),
        ({"target_id": 7}, "/notification/target_id"),
        ({"url": "javascript:alert(1)"}, "/notification/url"),
        ({"expires_at": "tomorrow"}, "/notification/expires_at"),
        ({"expires_at": "2036-01-02T03:04:05"}, "/notification/expires_at"),
    ],
)
async def test_a_wrong_field_is_named(block: Block, members: dict[str, Any], pointer: str) -> None:
    body = {"notification": {"content": "Hi", **members}}
    found = await block.ask("ada", "POST", "/notifications", body, status=422)
    assert found["errors"][0]["source"] == {"pointer": pointer}


async def test_bodies_may_be_bare_or_json_api(block: Block) -> None:
    for body in ({"content": "Hi"}, {"data": {"type": "x", "attributes": {"content": "Hi"}}}):
        await block.ask(None, "POST", "/notifications", body, status=201)


async def test_a_nul_anywhere_is_refused(block: Block) -> None:
    body = {"notification": {"content": "Hi", "payload": {"deep": ["a\0b"]}}}
    await block.ask("ada", "POST", "/notifications", body, status=422)


async def test_strangers_are_told_that_there_is_nothing(block: Block) -> None:
    made = await create(block, "ada", target_id=block.person("bob").id)
    path = f"/notifications/{made['unique_id']}"
    await block.ask("eve", "GET", path, status=404)
    await block.ask("eve", "PUT", f"{path}/read", {}, status=404)
    await block.ask("eve", "DELETE", path, status=404)
    await block.ask("ada", "PUT", f"{path}/read", {}, status=403)


async def test_a_token_needs_the_scopes(block: Block) -> None:
    block.person("ada", scope="notifications:read")
    await block.ask("ada", "GET", "/notifications")
    await block.ask("ada", "POST", "/notifications", {"content": "Hi"}, status=403)
    block.person("bob", scope="conversations:read")
    await block.ask("bob", "GET", "/notifications", status=403)


async def test_a_bulk_has_its_limit(block: Block) -> None:
    body = {"web_notification": {"title": "Hi", "recipient_unique_ids": ["x"] * 1001}}
    await block.ask(None, "POST", "/web_notifications/bulk", body, status=422)


async def test_nobody_unknown_is_notified(block: Block) -> None:
    body = {"web_notification": {"title": "Hi", "recipient_unique_id": "nobody"}}
    found = await block.ask(None, "POST", "/web_notifications", body, status=422)
    assert found["errors"][0]["source"] == {"pointer": "/web_notification/recipient_unique_id"}


async def test_a_user_reads_all_of_their_own(block: Block) -> None:
    found = await block.ask("ada", "PUT", "/web_notifications/read_all", {})
    assert found == {"updated": 0}
    body = {"recipient_unique_id": block.person("bob").id}
    await block.ask("ada", "PUT", "/web_notifications/read_all", body, status=403)
    await block.ask(None, "PUT", "/web_notifications/read_all", {}, status=401)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_client_manages_notifications(block: Block) -> None:
    told = await run_suite(
        block, "notifications", people=["ada", "bob"], services=["notifications", "sources"]
    )
    ada = block.person("ada").id
    assert told == {
        "created": {"content": "Shipped", "status": "pending", "targetId": ada, "payload": {"order": 7}},
        "by target": 2,
        "unread": 2,
        "read": "active",
        "unread then": 1,
        "unread again": "pending",
        "updated": {"content": "Delivered", "status": "archived"},
        "source": {"name": "Order seven", "sourceType": "order", "externalId": "7"},
        "gone": {"status": 404, "code": "not_found"},
        "total": 1,
    }
    assert block.events(f"notifications:{ada}") == ["notification", "notification"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_client_manages_web_notifications(block: Block) -> None:
    for name in ("ada", "bob"):
        await block.ask(name, "GET", "/users")
    told = await run_suite(block, "web_notifications", people=["ada", "bob"], services=["webNotifications"])
    ada = block.person("ada").id
    assert told == {
        "sent": {"recipient": ada, "title": "Hello", "type": "general", "priority": "high", "tags": ["a"]},
        "bulk": {"sent": 2, "failed": 1},
        "listed": 2,
        "read": True,
        "clicked": True,
        "unread": 1,
        "updated": 1,
        "gone": {"status": 404, "code": "not_found"},
    }
