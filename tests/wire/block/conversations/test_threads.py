"""Conversations and contexts over REST (`realtime-block.md` 18.6, 18.8)."""

from __future__ import annotations

import asyncio
import json

from parley.accounts.keys import create_keys
from parley.accounts.model import Environment
from parley.base.ids import new_uuid
from tests.wire.block.conversations.conftest import Say, Talk
from tests.wire.block.serving import Block


async def test_participants_hear_of_a_new_conversation(block: Block):
    ben = block.person("ben").id
    body = {
        "participants": [ben, {"user_unique_id": "guest with spaces", "role": "guest"}],
        "name": "Launch",
        "reference": "launch",
        "metadata": {"a": 1},
        "payload": {"b": 2},
        "notify_roles": ["agent"],
    }
    made = (await block.ask("ada", "POST", "/conversations", {"conversation": body}, status=201))["data"]
    attributes = made["attributes"]
    assert made["type"] == "Conversation"
    assert set(attributes["participants"]) == {block.person("ada").id, ben, "guest with spaces"}
    for name in ("name", "reference", "metadata", "payload", "notify_roles"):
        assert attributes[name] == body[name]
    (told,) = [one for one in block.published if one.channel == f"inbox:{ben}"]
    assert told.event == "new_conversation"
    assert json.loads(told.data)["unique_id"] == made["id"]


async def test_the_first_conversation_of_a_reference_is_addressed_by_it(block: Block, talk: Talk):
    first, second = await talk("ada", reference="order-7"), await talk("ada", reference="order-7")
    by_text = await block.ask("ada", "GET", "/contexts/order-7")
    assert by_text["data"]["id"] == first
    again = await block.ask("ada", "GET", f"/contexts/{second}")
    assert again["data"]["attributes"]["reference"] == "order-7"


async def test_opening_includes_what_is_asked_for(block: Block, say: Say, talk: Talk):
    context = await talk("ada", "ben", name="Launch")
    await say("ada", context, "We decided to launch in May.")
    bare = await block.ask("ada", "GET", f"/conversations/{context}", params={"include": "messages,summary"})
    assert bare["included"] == []
    await block.ask("ada", "GET", f"/conversations/{context}/summary")
    await say("ada", context, "Or in June.")
    full = await block.ask(
        "ada", "GET", f"/conversations/{context}", params={"include": "messages,summary,conversation"}
    )
    included = {one["type"]: one["attributes"] for one in full["included"]}
    assert included["ConversationSummary"]["status"] == "stale"
    assert included["ConversationSummary"]["overall_summary"]
    assert "content" not in included["ConversationSummary"]
    assert included["Conversation"]["name"] == "Launch"


async def test_an_unknown_conversation_is_not_found(block: Block):
    for context in (new_uuid(), "nothing", "a" * 201, "%00"):
        await block.ask("ada", "GET", f"/conversations/{context}", status=404)


async def test_meta_replaces_extend_adds_and_archives_are_restored(block: Block, talk: Talk):
    context = await talk("ada", "ben", metadata={"a": 1}, payload={"b": 2, "c": 3})
    path = f"/conversations/{context}"
    meta = await block.ask("ben", "PUT", f"{path}/meta", {"metadata": {"x": 1}})
    assert meta["data"]["attributes"]["metadata"] == {"x": 1}
    extended = await block.ask("ben", "PUT", f"{path}/extend", {"data": {"c": 4, "d": 5}})
    assert extended["data"]["attributes"]["payload"] == {"b": 2, "c": 4, "d": 5}
    archived = await block.ask("ben", "PUT", f"{path}/archive", {})
    assert archived["data"]["attributes"]["status"] == "archived"
    mine = f"/users/{block.person('ben').id}/conversations"
    assert (await block.ask("ben", "GET", mine, params={"status": "active"}))["data"] == []
    restored = await block.ask("ben", "PUT", f"{path}/restore", {})
    assert restored["data"]["attributes"]["status"] == "active"
    await block.ask("eve", "PUT", f"{path}/archive", {}, status=404)


async def test_a_deleted_conversation_takes_its_messages_with_it(block: Block, say: Say, talk: Talk):
    context = await talk("ada", "ben")
    sent = await say("ben", context, "Hello")
    await block.ask("ben", "DELETE", f"/conversations/{context}", status=403)
    await block.ask("ada", "DELETE", f"/conversations/{context}", status=204)
    for who in ("ada", "ben"):
        await block.ask(who, "GET", f"/conversations/{context}", status=404)
        await block.ask(who, "GET", f"/messages/{sent['unique_id']}", status=404)
        assert (await block.ask(who, "GET", "/messages"))["data"] == []
        assert (await block.ask(who, "GET", "/conversations/contexts"))["data"]["contexts"] == []
    unread = await block.ask("ada", "GET", f"/users/{block.person('ada').id}/unread-summary")
    assert unread["data"]["attributes"]["total_unread"] == 0
    body = {"message": {"context_id": context, "content": "Anybody?"}}
    await block.ask("ada", "POST", "/messages", body, status=404)
    await block.ask("ben", "PUT", f"/conversations/{context}/restore", {}, status=404)
    await block.ask("ada", "PUT", f"/conversations/{context}/restore", {})
    await block.ask("ben", "GET", f"/messages/{sent['unique_id']}")


async def test_one_conversation_comes_of_first_messages_at_once(block: Block, say: Say):
    ada = block.person("ada").id
    sent = await asyncio.gather(*(say(None, "race", str(number), source_id=ada) for number in range(8)))
    assert len({one["conversation_unique_id"] for one in sent}) == 1
    assert block.events(f"inbox:{ada}") == ["new_conversation"]
    numbers = [
        json.loads(one.data)["content"] for one in block.published if one.channel.startswith("conversation:")
    ]
    found = await block.ask(None, "GET", "/messages/context/race", params={"sort": "created_at"})
    assert [one["attributes"]["content"] for one in found["data"]] == numbers


async def test_a_context_is_a_conversation_before_its_first_message(block: Block, say: Say):
    made = await block.ask("ada", "POST", "/contexts", {"context": {"name": "Course"}}, status=201)
    context = made["data"]["id"]
    assert block.published == []
    await say("ada", context, "Welcome")
    opened = await block.ask("ada", "GET", f"/conversations/{context}")
    assert opened["meta"]["totalMessages"] == 1
    await block.ask("eve", "PUT", f"/contexts/{context}", {"context": {"name": "Mine"}}, status=404)


async def test_a_payload_does_not_grow_without_end(block: Block, talk: Talk):
    path = f"/conversations/{await talk('ada')}/extend"
    half = "x" * (20 << 10)
    await block.ask("ada", "PUT", path, {"data": {"one": half}})
    await block.ask("ada", "PUT", path, {"data": {"one": half}})
    refused = await block.ask("ada", "PUT", path, {"data": {"two": half}}, status=413)
    assert refused["errors"][0]["code"] == "payload_too_large"


async def test_another_app_and_another_environment_see_nothing(block: Block, say: Say, context: str):
    sent = await say("ada", context, "Secret")
    others = await create_keys(block.scope, block.scope.app_id, Environment.TEST)
    headers = {"X-Api-Key": others.secret}
    for path in (f"/messages/{sent['unique_id']}", f"/conversations/{context}", f"/contexts/{context}"):
        answer = await block.http.get(path, headers=headers)
        assert answer.status_code == 404
    # The same id is free there.
    body = {"message": {"context_id": context, "content": "Ours", "source_id": block.person("ada").id}}
    assert (await block.http.post("/messages", headers=headers, json=body)).status_code == 201
    found = await block.ask("ada", "GET", f"/messages/context/{context}")
    assert [one["attributes"]["content"] for one in found["data"]] == ["Secret"]
