"""Actions and drafts beyond what the published client shows (`realtime-block.md` 18.2, 18.3)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.wire.block.conversations.conftest import Say, Talk
from tests.wire.block.serving import Block

ACTION = {
    "action_type": "reply",
    "control_type": "button",
    "control_label": "Yes",
    "control_value": "yes",
}


async def action_of(block: Block, say: Say, context: str, **more: Any) -> str:
    sent = await say("ada", context, "Agree?", actions=[{**ACTION, **more}])
    path = f"/conversations/{context}/messages/{sent['unique_id']}/actions"
    (found,) = (await block.ask("ada", "GET", path))["data"]
    return f"{path}/{found['id']}"


async def test_the_conversation_hears_of_actions_and_answers(block: Block, say: Say, talk: Talk):
    context = await talk("ada", "ben")
    path = await action_of(block, say, context)
    body = {"message_action": {"status": "completed", "response": ["yes"]}}
    answered = (await block.ask("ben", "PUT", path, body))["data"]["attributes"]
    assert (answered["status"], answered["response"]) == ("completed", ["yes"])
    assert answered["user_unique_id"] == block.person("ben").id
    told = [one for one in block.published if one.channel == f"conversation:{context}"]
    assert [one.event for one in told] == ["message", "message_action", "message_action"]
    assert json.loads(told[-1].data) == {**answered, "object_type": "message_action"}


async def test_readers_answer_and_only_the_author_relabels(block: Block, say: Say, talk: Talk):
    path = await action_of(block, say, await talk("ada", "ben"))
    relabel = {"control_label": "No"}
    await block.ask("ben", "PUT", path, relabel, status=403)
    changed = await block.ask("ada", "PUT", path, relabel)
    assert changed["data"]["attributes"]["control_label"] == "No"
    await block.ask("eve", "GET", path, status=404)
    await block.ask("ada", "PUT", path, {"response": "x" * 33_000}, status=413)


async def test_an_action_belongs_to_its_message_and_conversation(block: Block, say: Say, talk: Talk):
    context, other = await talk("ada"), await talk("ada")
    path = await action_of(block, say, context)
    await block.ask("ada", "GET", path.replace(context, other), status=404)
    message = (await say("ada", context, "Another"))["unique_id"]
    parts = path.split("/")
    parts[4] = message
    await block.ask("ada", "GET", "/".join(parts), status=404)


@pytest.mark.parametrize(
    ("member", "limit"),
    [
        ("action_type", 50),
        ("control_type", 50),
        ("control_label", 500),
        ("control_value", 2_000),
        ("control_href", 2_000),
        ("control_help", 1_000),
        ("control_placeholder", 500),
        ("control_alt", 500),
        ("control_tag", 100),
        ("control_name", 255),
    ],
)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_members_of_actions_have_limits(block: Block, context: str, member: str, limit: int):
    def body(length: int) -> dict[str, Any]:
        return {"message": {"context_id": context, "actions": [{**ACTION, member: "x" * length}]}}

    await block.ask("ada", "POST", "/messages", body(limit), status=201)
    refused = await block.ask("ada", "POST", "/messages", body(limit + 1), status=422)
    assert refused["errors"][0]["source"] == {"pointer": f"/message/actions/0/{member}"}


async def test_a_draft_is_sent_once_however_often_it_is_published(block: Block, talk: Talk):
    context = await talk("ada", "ben")
    made = await block.ask(
        "ada", "POST", "/draft_messages", {"context_id": context, "content": "Dear"}, status=201
    )
    path = f"/draft_messages/{made['data']['id']}/publish"
    answers = await asyncio.gather(*(block.raw("ada", "PUT", path, json={}) for _ in range(4)))
    assert sorted(one.status_code for one in answers) == [200, 409, 409, 409]
    assert block.events(f"conversation:{context}") == ["message"]
    draft = (await block.ask("ada", "GET", path.removesuffix("/publish")))["data"]["attributes"]
    (message,) = (await block.ask("ben", "GET", f"/messages/context/{context}"))["data"]
    assert draft["message_unique_id"] == message["id"]


async def test_a_draft_that_cannot_be_sent_stays(block: Block, talk: Talk):
    context = await talk("ben")
    made = await block.ask(
        "ada", "POST", "/draft_messages", {"context_id": context, "content": "Dear"}, status=201
    )
    path = f"/draft_messages/{made['data']['id']}"
    await block.ask("ada", "PUT", f"{path}/publish", {}, status=404)
    draft = (await block.ask("ada", "GET", path))["data"]["attributes"]
    assert (draft["status"], draft["message_unique_id"]) == ("pending", None)
    empty = await block.ask("ada", "POST", "/draft_messages", {}, status=201)
    await block.ask("ada", "PUT", f"/draft_messages/{empty['data']['id']}/publish", {}, status=422)


async def test_drafts_are_their_authors_alone(block: Block):
    made = await block.ask("ada", "POST", "/draft_messages", {"content": "Dear"}, status=201)
    path = f"/draft_messages/{made['data']['id']}"
    for method, body in (("GET", None), ("PUT", {"content": "Mine"}), ("DELETE", None)):
        await block.ask("ben", method, path, body, status=404)
    assert (await block.ask("ben", "GET", "/draft_messages"))["data"] == []
    assert (await block.ask(None, "GET", "/draft_messages"))["meta"]["total_count"] == 1
    await block.ask("eve", "POST", "/draft_messages", {"source_id": block.person("ada").id}, status=403)
