"""Webhooks as REST takes and shows them (`realtimekit.md` 14.1)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from parley.accounts.scope import AppScope
from parley.base.clock import ManualClock
from parley.base.errors import Invalid, NotFound
from parley.webhooks.signing import Signer, new_private_key
from parley.wire.realtimekit import webhooks
from parley.wire.realtimekit.webhook_events import EVENT_NAMES

BODY: dict[str, Any] = {
    "name": "Calls",
    "url": "https://hooks.example/calls?key=1",
    "events": ["meeting.started", "meeting.ended"],
}
UNKNOWN = "5b0c0a9e-2f7d-4b53-9a0f-1f6a2d3e4c55"


async def test_a_created_webhook_is_shown_in_full(app_scope: AppScope) -> None:
    made = await webhooks.create_webhook(app_scope, BODY)
    shown = msgspec.to_builtins(made)
    assert shown == {
        **BODY,
        "id": made.id,
        "enabled": True,
        "created_at": "2026-01-01T00:00:00.000Z",
        "updated_at": "2026-01-01T00:00:00.000Z",
    }
    assert await webhooks.get_webhook(app_scope, made.id) == made
    assert await webhooks.list_webhooks(app_scope) == [made]


async def test_ids_of_paths_may_be_written_in_capitals(app_scope: AppScope) -> None:
    made = await webhooks.create_webhook(app_scope, BODY)
    assert await webhooks.get_webhook(app_scope, made.id.upper()) == made


async def test_put_enables_unless_told_otherwise(app_scope: AppScope) -> None:
    made = await webhooks.create_webhook(app_scope, {**BODY, "enabled": False})
    assert not made.enabled
    assert (await webhooks.replace_webhook(app_scope, made.id, BODY)).enabled
    assert not (await webhooks.replace_webhook(app_scope, made.id, {**BODY, "enabled": False})).enabled


async def test_patch_changes_what_it_names(app_scope: AppScope, clock: ManualClock) -> None:
    made = await webhooks.create_webhook(app_scope, BODY)
    clock.advance(1.5)
    after = await webhooks.edit_webhook(app_scope, made.id, {"enabled": False, "name": None, "unknown": 1})
    assert (after.enabled, after.name, after.url, after.events) == (False, made.name, made.url, made.events)
    assert (after.created_at, after.updated_at) == (made.created_at, "2026-01-01T00:00:01.500Z")


async def test_delete_answers_with_what_was_deleted(app_scope: AppScope) -> None:
    made = await webhooks.create_webhook(app_scope, BODY)
    assert await webhooks.delete_webhook(app_scope, made.id) == made
    assert await webhooks.list_webhooks(app_scope) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("webhook_id", "error"), [("not-a-uuid", Invalid), (UNKNOWN, NotFound)])
async def test_the_id_is_checked_before_the_body(app_scope: AppScope, webhook_id: str, error) -> None:
    """Order of checks (1.4): a wrong body of an unknown webhook is not found, not invalid."""
    for call in (
        webhooks.get_webhook(app_scope, webhook_id),
        webhooks.replace_webhook(app_scope, webhook_id, {"name": 1}),
        webhooks.edit_webhook(app_scope, webhook_id, {"name": 1}),
        webhooks.delete_webhook(app_scope, webhook_id),
    ):
        with pytest.raises(error) as raised:
            await call
        if error is Invalid:
            assert raised.value.message == '"id" must be a valid GUID'


@pytest.mark.parametrize("name", EVENT_NAMES)
def test_every_published_event_can_be_subscribed_to(name: str) -> None:
    assert webhooks.read_input({**BODY, "events": [name]}).events == [name]


def test_there_is_a_list_of_event_names() -> None:
    assert webhooks.list_event_names() == list(EVENT_NAMES)


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
def test_http_urls_are_taken(url: str) -> None:
    assert webhooks.read_input({**BODY, "url": url}).url == url


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"name": None}, "name", '"name" is required'),
        ({"name": ""}, "name", '"name" is not allowed to be empty'),
        ({"name": "  "}, "name", '"name" is not allowed to be empty'),
        ({"name": 5}, "name", '"name" must be a string'),
        ({"name": "a\x00b"}, "name", '"name" must be a string'),
        ({"name": "\ud800"}, "name", '"name" must be a string'),
        ({"name": "n" * 257}, "name", "at most 256"),
        ({"url": None}, "url", '"url" is required'),
        ({"events": None}, "events", '"events" is required'),
        ({"events": []}, "events", "at least 1"),
        ({"events": "meeting.started"}, "events", "must be an array"),
        ({"events": ["meeting.started", "meeting.begun"]}, "events[1]", "must be one of"),
        ({"events": [None]}, "events[0]", "must be one of"),
        ({"events": [["meeting.started"]]}, "events[0]", "must be one of"),
        ({"enabled": "true"}, "enabled", '"enabled" must be a boolean'),
        ({"enabled": 1}, "enabled", '"enabled" must be a boolean'),
        *[
            ({"url": url}, "url", "valid uri")
            for url in (
                "hooks.example",
                "/hook",
                "",
                5,
                "ftp://hooks.example/",
                "javascript:alert(1)",
                "http://",
                "http:///path",
                "http://:80/",
                "http://a b/",
                "http://a/\r\nHost: b",
                "http://a\x00/",
                "http://[::1/",
                "http://a:port/",
                "http://a:0/",
                "http://a:70000/",
                " http://a/",
            )
        ],
        ({"url": "http://a/" + "p" * 2048}, "url", "at most 2048"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(Invalid) as raised:
        webhooks.read_input({**BODY, **change})
    assert raised.value.field == field
    assert message in raised.value.message


@pytest.mark.parametrize("field", ["name", "url", "events"])
def test_what_is_missing_is_named(field: str) -> None:
    with pytest.raises(Invalid) as raised:
        webhooks.read_input({key: value for key, value in BODY.items() if key != field})
    assert raised.value.message == f'"{field}" is required'


def test_an_edit_is_checked_as_well() -> None:
    with pytest.raises(Invalid):
        webhooks.read_edit({"url": "ftp://a/"})
    with pytest.raises(Invalid):
        webhooks.read_edit({"events": []})


def test_the_key_is_published_for_receivers() -> None:
    signer = Signer(new_private_key())
    published = webhooks.published_key(signer)
    assert published == {"success": True, "data": {"publicKey": signer.public_key_pem}, "message": ""}
