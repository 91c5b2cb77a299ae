"""Messages over REST (`realtime-block.md` 18.1)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from parley.base.ids import new_uuid
from tests.wire.block.conversations.conftest import Say, Talk
from tests.wire.block.serving import Block


async def test_a_message_is_published_in_its_conversation_and_comes_back(
    block: Block, say: Say, context: str
):
    sent = await say("ada", context, "Hello", payload={"a": [1]}, value=2.5)
    found = (await block.ask("ada", "GET", f"/messages/{sent['unique_id']}"))["data"]
    assert found["type"] == "Message"
    assert found["id"] == sent["unique_id"]
    assert found["attributes"] == sent
    assert sent["source_id"] == block.person("ada").id
    assert (sent["payload"], sent["value"], sent["status"]) == ({"a": [1]}, 2.5, "active")
    (published,) = [one for one in block.published if one.channel == f"conversation:{context}"]
    told = json.loads(published.data)
    assert published.event == "message"
    assert told["object_type"] == "message"
    assert {name: told[name] for name in sent} == sent


async def test_a_first_message_makes_the_conversation_of_sender_and_known_recipient(
    block: Block, say: Say, context: str
):
    await block.ask("ben", "GET", "/users")  # a token makes its user known
    ada, ben = block.person("ada").id, block.person("ben").id
    await say("ada", context, "Hello", target_id=ben)
    opened = await block.ask("ben", "GET", f"/conversations/{context}")
    assert set(opened["meta"]["participants"]) == {ada, ben}
    assert block.events(f"inbox:{ben}") == ["new_conversation"]
    assert block.events(f"inbox:{ada}") == ["new_conversation"]


async def test_an_unknown_recipient_is_no_member(block: Block, say: Say, context: str):
    stranger = new_uuid()
    await say("ada", context, "Hello", target_id=stranger)
    assert (await block.ask("ada", "GET", f"/conversations/{context}"))["meta"]["participants"] == [
        block.person("ada").id
    ]


async def test_who_is_not_in_a_conversation_neither_reads_nor_writes(block: Block, say: Say, context: str):
    sent = await say("ada", context, "Hello")
    for method, path, body in [
        ("GET", f"/messages/{sent['unique_id']}", None),
        ("PUT", f"/messages/{sent['unique_id']}", {"message": {"content": "Mine"}}),
        ("DELETE", f"/messages/{sent['unique_id']}", None),
        ("GET", f"/messages/context/{context}", None),
        ("GET", f"/conversations/{context}", None),
        ("POST", "/messages", {"message": {"context_id": context, "content": "Me too"}}),
        ("POST", f"/conversations/{context}/messages", {"message": {"content": "Me too"}}),
    ]:
        refused = await block.ask("eve", method, path, body, status=404)
        assert refused["errors"][0]["code"] == "not_found"
    assert (await block.ask("eve", "GET", "/messages"))["data"] == []


async def test_a_free_text_addresses_a_conversation_as_well_as_its_id(block: Block, say: Say):
    sent = await say("ada", "Project Alpha", "Hello")
    contexts = await block.ask("ada", "GET", "/contexts")
    (context,) = contexts["data"]
    assert context["attributes"]["reference"] == "Project Alpha"
    by_id = await block.ask("ada", "GET", f"/messages/context/{context['id']}")
    by_text = await block.ask("ada", "GET", "/messages/context/Project%20Alpha")
    assert (
        [one["id"] for one in by_id["data"]] == [one["id"] for one in by_text["data"]] == [sent["unique_id"]]
    )
    assert (await block.ask("ada", "GET", "/conversations/contexts"))["data"]["contexts"] == ["Project Alpha"]


async def test_the_same_idempotency_key_sends_once(block: Block, context: str):
    body = {"message": {"context_id": context, "content": "Once", "idempotency_key": "k1"}}
    first = await block.raw("ada", "POST", "/messages", json=body)
    again = await block.raw("ada", "POST", "/messages", json=body)
    assert (first.status_code, first.headers["x-idempotency-status"]) == (201, "created")
    assert (again.status_code, again.headers["x-idempotency-status"]) == (200, "duplicate")
    assert first.json()["data"]["id"] == again.json()["data"]["id"]
    assert block.events(f"conversation:{context}") == ["message"]


async def test_the_same_idempotency_key_sends_once_however_close_the_requests_are(block: Block, context: str):
    bodies = [
        {"message": {"context_id": named, "content": "Once", "idempotency_key": "k1"}}
        for named in (context, None)
        for _ in range(6)
    ]
    answers = await asyncio.gather(*(block.raw("ada", "POST", "/messages", json=body) for body in bodies))
    assert sorted(one.status_code for one in answers) == [200] * 10 + [201] * 2
    assert len({one.json()["data"]["id"] for one in answers}) == 2


async def test_an_idempotency_key_belongs_to_a_sender_and_a_conversation(block: Block, say: Say, talk: Talk):
    one, other = await talk("ada", "ben"), await talk("ada", "ben")
    ids = {
        (await say(who, where, "Hello", idempotency_key="k"))["unique_id"]
        for who in ("ada", "ben")
        for where in (one, other)
    }
    assert len(ids) == 4


async def test_a_user_speaks_only_for_themselves_and_a_server_for_anybody(
    block: Block, say: Say, context: str
):
    ada = block.person("ada").id
    refused = await block.ask(
        "eve", "POST", "/messages", {"message": {"content": "Hi", "source_id": ada}}, status=403
    )
    assert refused["errors"][0]["code"] == "forbidden"
    sent = await say(None, context, "From a server", source_id=ada)
    assert (await block.ask("ada", "GET", f"/messages/{sent['unique_id']}"))["data"]["id"]


async def test_a_message_must_say_something(block: Block, context: str):
    refused = await block.ask("ada", "POST", "/messages", {"message": {"context_id": context}}, status=422)
    assert refused["errors"][0]["source"] == {"pointer": "/message/content"}
    for enough in ({"payload": {"x": 1}}, {"actions": [ACTION]}):
        await block.ask(
            "ada", "POST", "/messages", {"message": {"context_id": context, **enough}}, status=201
        )


async def test_a_message_that_is_too_large_is_refused(block: Block, context: str):
    message = {"context_id": context, "content": "x", "payload": {"text": "y" * 33_000}}
    refused = await block.ask("ada", "POST", "/messages", {"message": message}, status=413)
    assert refused["errors"][0]["code"] == "payload_too_large"
    await block.ask("ada", "GET", f"/conversations/{context}", status=404)


async def test_a_change_keeps_what_is_absent_and_clears_what_is_null(block: Block, say: Say, context: str):
    sent = await say("ada", context, "Hello", payload={"a": 1})
    path = f"/messages/{sent['unique_id']}"
    changed = await block.ask("ada", "PUT", path, {"message": {"content": "Hello!", "enabled": False}})
    attributes = changed["data"]["attributes"]
    assert (attributes["content"], attributes["enabled"], attributes["payload"]) == (
        "Hello!",
        False,
        {"a": 1},
    )
    assert attributes["edited"] is True
    cleared = await block.ask("ada", "PUT", path, {"message": {"payload": None, "status": "archived"}})
    attributes = cleared["data"]["attributes"]
    assert (attributes["content"], attributes["payload"], attributes["status"]) == (
        "Hello!",
        None,
        "archived",
    )
    await block.ask("ada", "PUT", path, {"message": {"content": ""}}, status=422)


async def test_only_the_sender_changes_or_deletes_a_message(block: Block, say: Say, talk: Talk):
    context = await talk("ada", "ben")
    sent = await say("ada", context, "Hello")
    path = f"/messages/{sent['unique_id']}"
    await block.ask("ben", "PUT", path, {"message": {"content": "Bye"}}, status=403)
    await block.ask("ben", "DELETE", path, status=403)
    await block.ask(None, "PUT", path, {"message": {"content": "Servers may"}})


async def test_a_deleted_message_is_in_the_trash_until_it_is_recovered(block: Block, say: Say, context: str):
    sent = await say("ada", context, "Hello")
    path = f"/messages/{sent['unique_id']}"
    assert await block.ask("ada", "DELETE", path, status=204) is None
    await block.ask("ada", "GET", path, status=404)
    assert (await block.ask("ada", "GET", f"/messages/context/{context}"))["data"] == []
    trash = await block.ask("ada", "GET", "/messages/trash/show")
    assert [one["id"] for one in trash["data"]] == [sent["unique_id"]]
    assert (await block.ask("eve", "GET", "/messages/trash/show"))["data"] == []
    recovered = await block.ask("ada", "PUT", f"{path}/recover", {})
    assert recovered["data"]["attributes"]["content"] == "Hello"
    assert (await block.ask("ada", "GET", "/messages/trash/show"))["meta"]["total_count"] == 0
    await block.ask("ada", "GET", path)


async def test_a_context_of_too_many_letters_is_refused_by_name(block: Block):
    body = {"message": {"context_id": "x" * 201, "content": "Hello"}}
    refused = await block.ask("ada", "POST", "/messages", body, status=422)
    assert refused["errors"][0]["source"] == {"pointer": "/message/context_id"}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"message": {"content": ""}}, "/message/content"),
        ({"content": ""}, "/content"),
        ({"data": {"attributes": {"content": ""}}}, "/data/attributes/content"),
    ],
)
async def test_what_is_wrong_is_pointed_at_where_it_stands(block: Block, body: dict[str, Any], pointer: str):
    refused = await block.ask("ada", "POST", "/messages", body, status=422)
    assert refused["errors"][0]["source"] == {"pointer": pointer}


async def test_an_expired_message_is_gone(block: Block, say: Say, context: str, clock):
    await say("ada", context, "Stays")
    expiring = await say("ada", context, "Goes", expires_at="2026-01-01T01:00:00+00:00")
    assert expiring["expires_at"] == "2026-01-01T01:00:00.000Z"
    thrown = await say("ada", context, "Thrown away", expires_at="2026-01-01T01:00:00+00:00")
    await block.ask("ada", "DELETE", f"/messages/{thrown['unique_id']}", status=204)
    clock.advance(3_600)
    assert (await block.ask("ada", "GET", "/messages/trash/show"))["data"] == []
    await block.ask("ada", "GET", f"/messages/{expiring['unique_id']}", status=404)
    left = await block.ask("ada", "GET", f"/messages/context/{context}")
    assert [one["attributes"]["content"] for one in left["data"]] == ["Stays"]


async def test_lists_are_filtered_sorted_and_paged(block: Block, say: Say, context: str, clock):
    for number in range(5):
        await say("ada", context, f"Message {number}", parent_id="thread" if number % 2 else None)
        clock.advance(1)
    newest = await block.ask("ada", "GET", "/messages", params={"context_id": context, "records": 2})
    assert [one["attributes"]["content"] for one in newest["data"]] == ["Message 4", "Message 3"]
    assert newest["meta"] == {
        "current_page": 1,
        "page": 1,
        "per_page": 2,
        "total_pages": 3,
        "totalPages": 3,
        "total_count": 5,
        "totalRecords": 5,
    }
    oldest = await block.ask(
        "ada", "GET", "/messages", params={"sort": "created_at", "page": 3, "records": 2}
    )
    assert [one["attributes"]["content"] for one in oldest["data"]] == ["Message 4"]
    answers = await block.ask("ada", "GET", "/messages/parent/thread", params={"sort": "created_at:asc"})
    assert [one["attributes"]["content"] for one in answers["data"]] == ["Message 1", "Message 3"]
    none = await block.ask("ada", "GET", "/messages", params={"target_id": new_uuid()})
    assert none["meta"]["total_pages"] == 0
    await block.ask("ada", "GET", "/messages", params={"sort": "secret"}, status=422)


async def test_messages_of_one_instant_are_ordered_by_insertion(block: Block, say: Say, context: str):
    for number in range(4):
        await say("ada", context, str(number))
    found = await block.ask("ada", "GET", f"/messages/context/{context}")
    assert [one["attributes"]["content"] for one in found["data"]] == ["3", "2", "1", "0"]


async def test_a_message_between_two_parties_is_seen_by_them(block: Block, say: Say):
    sent = await say("ada", None, "Psst", target_id=block.person("ben").id)
    path = f"/messages/{sent['unique_id']}"
    await block.ask("ben", "GET", path)
    await block.ask("eve", "GET", path, status=404)
    mine = await block.ask("ben", "GET", "/messages", params={"target_id": block.person("ben").id})
    assert [one["id"] for one in mine["data"]] == [sent["unique_id"]]


async def test_actions_come_with_their_message(block: Block, context: str):
    body = {"message": {"context_id": context, "content": "Agree?", "actions": [ACTION, ACTION]}}
    sent = await block.ask("ada", "POST", "/messages", body, status=201)
    linked = sent["data"]["relationships"]["message_actions"]["data"]
    assert [one["id"] for one in sent["included"]] == [one["id"] for one in linked]
    assert {one["type"] for one in sent["included"]} == {"MessageAction"}
    assert sent["included"][0]["attributes"]["control_label"] == "Yes"
    assert sent["included"][0]["attributes"]["status"] == "pending"


async def test_an_address_for_some_roles_is_shown_to_them_alone(block: Block, say: Say, talk: Talk):
    context = await talk("ada", "ben", "cem", "dan", roles={"dan": "manager"})
    block.person("ben", role="manager")
    sent = await say(
        "ada", context, "Look", notification_url="https://a.example/", notification_url_roles=["manager"]
    )
    path = f"/messages/{sent['unique_id']}"
    seen = {
        who: (await block.ask(who, "GET", path))["data"]["attributes"]["notification_url"]
        for who in ("ada", "ben", "cem", "dan", None)
    }
    assert seen == {
        "ada": "https://a.example/",
        "ben": "https://a.example/",
        "dan": "https://a.example/",
        "cem": None,
        None: "https://a.example/",
    }
    assert b"a.example" not in b"".join(one.data for one in block.published)


async def test_a_batch_sends_what_can_be_sent(block: Block, context: str):
    ada = block.person("ada").id
    item = {"conversation_unique_id": context, "content": "One", "source_id": ada, "idempotency_key": "1"}
    batch = [
        item,
        {**item, "content": "Again"},
        {**item, "content": None, "idempotency_key": None},
        {"content": "Nowhere"},
        "nonsense",
        {**item, "content": "Two", "idempotency_key": None, "notify_roles": ["manager"]},
    ]
    told = await block.ask(None, "POST", "/messages/batch", {"batch": {"messages": batch}})
    attributes = told["data"]["attributes"]
    assert {name: attributes[name] for name in ("total", "created", "duplicates", "failed")} == {
        "total": 6,
        "created": 2,
        "duplicates": 1,
        "failed": 3,
    }
    assert [one["conversation_unique_id"] for one in attributes["failed_items"]] == [context, "", ""]
    assert all(one["error"] for one in attributes["failed_items"])
    assert (attributes["emails_sent"], attributes["emails_skipped"]) == (0, 2)
    found = await block.ask("ada", "GET", f"/messages/context/{context}")
    assert [one["attributes"]["content"] for one in found["data"]] == ["Two", "One"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_addresses_that_a_browser_would_run_are_refused(block: Block, context: str):
    bad = "java\nscript:alert(1)"
    for member in ({"notification_url": bad}, {"actions": [{**ACTION, "control_href": bad}]}):
        message = {"context_id": context, "content": "Click", **member}
        await block.ask("ada", "POST", "/messages", {"message": message}, status=422)
    item = {"conversation_unique_id": context, "content": "Click", "notification_url": bad}
    told = await block.ask(None, "POST", "/messages/batch", {"batch": {"messages": [item]}})
    assert told["data"]["attributes"]["failed"] == 1


async def test_a_large_batch_keeps_the_order_of_each_conversation(block: Block):
    ada = block.person("ada").id
    batch = [
        {"conversation_unique_id": f"talk {number % 2}", "content": str(number), "source_id": ada}
        for number in range(120)
    ]
    batch[77]["content"] = ""
    told = await block.ask(None, "POST", "/messages/batch", {"batch": {"messages": batch}})
    assert (told["data"]["attributes"]["created"], told["data"]["attributes"]["failed"]) == (119, 1)
    page = {"sort": "created_at", "records": 100}
    for which in (0, 1):
        found = await block.ask("ada", "GET", f"/messages/context/talk%20{which}", params=page)
        expected = [str(number) for number in range(which, 120, 2) if number != 77]
        assert [one["attributes"]["content"] for one in found["data"]] == expected
    assert block.events(f"inbox:{ada}") == ["new_conversation"] * 2
    assert [one.event for one in block.published].count("message") == 119


async def test_a_batch_needs_its_scope_and_has_a_limit(block: Block):
    refused = await block.ask("ada", "POST", "/messages/batch", {"batch": {"messages": []}}, status=403)
    assert refused["errors"][0]["code"] == "forbidden"
    block.person("ada", scope="conversations:read conversations:batch")
    await block.ask("ada", "POST", "/messages/batch", {"batch": {"messages": []}})
    await block.ask(None, "POST", "/messages/batch", {"batch": {"messages": [{}] * 2_001}}, status=422)


async def test_scopes_are_needed(block: Block):
    block.person("ada", scope="conversations:read")
    await block.ask("ada", "GET", "/messages")
    await block.ask("ada", "POST", "/messages", {"message": {"content": "Hi"}}, status=403)


ACTION = {
    "action_type": "reply",
    "control_type": "button",
    "control_label": "Yes",
    "control_value": "yes",
}
