"""What counts as unread, for whom, and until when (`realtime-block.md` 16.5)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from parley.conversations.threads import store as threads_store
from tests.wire.block.conversations.conftest import Say, Talk
from tests.wire.block.serving import Block


async def unread(block: Block, who: str, **params: Any) -> dict[str, Any]:
    found = await block.ask(who, "GET", f"/users/{block.person(who).id}/unread-summary", params=params)
    return found["data"]["attributes"]


async def count(block: Block, who: str) -> int:
    return (await unread(block, who))["total_unread"]


async def test_a_message_is_unread_by_everybody_but_its_sender(block: Block, say: Say, talk: Talk):
    context = await talk("ada", "ben", "cem")
    await say("ada", context, "Hello")
    await say("ben", context, "Hi")
    assert [await count(block, who) for who in ("ada", "ben", "cem")] == [1, 1, 2]


async def test_opening_a_conversation_reads_it(block: Block, say: Say, talk: Talk):
    context = await talk("ada", "ben")
    for text in ("One", "Two"):
        await say("ada", context, text)
    opened = await block.ask("ben", "GET", f"/conversations/{context}")
    assert (opened["meta"]["unreadCount"], opened["meta"]["totalMessages"]) == (2, 2)
    assert await count(block, "ben") == 0
    again = await block.ask("ben", "GET", f"/conversations/{context}")
    assert again["meta"]["unreadCount"] == 0
    assert all(one["attributes"]["read_by"] == [block.person("ben").id] for one in again["data"])
    (receipt,) = [one for one in block.published if one.event == "read_receipt"]
    told = json.loads(receipt.data)
    assert told["message_unique_id"] == again["data"][0]["id"]
    assert (told["user_name"], told["read_count"]) == ("ben", 2)


async def test_lists_summaries_and_servers_do_not_read(block: Block, say: Say, talk: Talk):
    context = await talk("ada", "ben")
    sent = await say("ada", context, "Hello")
    for who, path in [
        ("ben", f"/messages/context/{context}"),
        ("ben", f"/messages/{sent['unique_id']}"),
        ("ben", f"/conversations/{context}/messages/{sent['unique_id']}"),
        ("ben", f"/conversations/{context}/summary"),
        (None, f"/conversations/{context}"),
    ]:
        await block.ask(who, "GET", path)
        assert await count(block, "ben") == 1, path


async def test_a_message_is_read_once_and_can_be_unread_again(block: Block, say: Say, talk: Talk):
    context = await talk("ada", "ben", roles={"ben": "manager"})
    sent = await say("ada", context, "Hello")
    path = f"/conversations/{context}/messages/{sent['unique_id']}"
    receipt = (await block.ask("ben", "PUT", f"{path}/read", {}))["data"]["attributes"]
    assert receipt == {
        "message_unique_id": sent["unique_id"],
        "context_unique_id": context,
        "user_unique_id": block.person("ben").id,
        "user_name": "ben",
        "role_name": "manager",
        "read_at": "2026-01-01T00:00:00.000Z",
    }
    await block.ask("ben", "PUT", f"{path}/read", {})
    assert await count(block, "ben") == 0
    assert block.events(f"conversation:{context}") == ["message", "read_receipt"]
    for _ in range(2):
        await block.ask("ben", "PUT", f"{path}/unread", {})
        assert await count(block, "ben") == 1
    await block.ask("ben", "PUT", f"/conversations/{context}/messages/read_all", {}, status=204)
    assert await count(block, "ben") == 0
    await block.ask("eve", "PUT", f"{path}/read", {}, status=404)


async def test_a_server_reads_for_the_user_it_names(block: Block, say: Say, talk: Talk):
    context = await talk("ada", "ben")
    sent = await say("ada", context, "Hello")
    path = f"/conversations/{context}/messages/{sent['unique_id']}/read"
    await block.ask(None, "PUT", path, {}, status=401)
    await block.ask("ada", "PUT", path, {"user_unique_id": block.person("ben").id}, status=403)
    await block.ask(None, "PUT", path, {"user_unique_id": block.person("ben").id})
    assert await count(block, "ben") == 0


async def test_deleting_an_unread_message_lowers_the_count(block: Block, say: Say, talk: Talk):
    context = await talk("ada", "ben", "cem")
    first = await say("ada", context, "One")
    await say("ada", context, "Two")
    await block.ask("cem", "GET", f"/conversations/{context}")
    await block.ask("ada", "DELETE", f"/messages/{first['unique_id']}", status=204)
    assert [await count(block, who) for who in ("ben", "cem")] == [1, 0]
    await block.ask("ada", "PUT", f"/messages/{first['unique_id']}/recover", {})
    assert [await count(block, who) for who in ("ben", "cem")] == [2, 0]


async def test_roles_of_a_message_go_before_those_of_the_conversation(block: Block, say: Say, talk: Talk):
    for who, role in (("ben", "agent"), ("cem", "customer")):
        block.person(who, role=role)
        await block.ask(who, "GET", "/users")
    context = await talk("ada", "ben", "cem", "dan", roles={"dan": "customer"}, notify_roles=["agent"])
    everybody = ("ben", "cem", "dan")
    await say("ada", context, "For agents")
    assert [await count(block, who) for who in everybody] == [1, 0, 0]
    await say("ada", context, "For customers", notify_roles=["customer"])
    assert [await count(block, who) for who in everybody] == [1, 1, 1]
    seen = await block.ask("cem", "GET", f"/messages/context/{context}")
    assert len(seen["data"]) == 2


async def test_whoever_makes_a_conversation_may_say_their_own_role(block: Block, say: Say, talk: Talk):
    context = await talk("ada", "ben", roles={"ada": "agent", "ben": "customer"})
    await say(None, context, "For agents", notify_roles=["agent"])
    assert [await count(block, who) for who in ("ada", "ben")] == [1, 0]


async def test_a_role_of_the_token_counts_as_it_is_now(block: Block, say: Say, talk: Talk):
    block.person("ada", role="agent")
    context = await talk("ada", "ben")
    block.person("ada", role="manager")
    await block.ask("ada", "GET", "/users")
    await say("ben", context, "For agents", notify_roles=["agent"])
    await say("ben", context, "For managers", notify_roles=["manager"])
    assert await count(block, "ada") == 1


async def test_counts_stay_right_when_much_happens_at_once(block: Block, say: Say, talk: Talk):
    context = await talk("ada", "ben", "cem")
    sent = await asyncio.gather(*(say("ada", context, str(number)) for number in range(12)))
    path = f"/conversations/{context}/messages"
    await asyncio.gather(
        *(
            block.ask("ben", "PUT", f"{path}/{one['unique_id']}/read", {})
            for one in sent[:6]
            for _ in range(2)
        ),
        *(block.ask("ada", "DELETE", f"/messages/{one['unique_id']}", status=204) for one in sent[9:]),
        say("cem", context, "More"),
    )
    assert [await count(block, who) for who in ("ada", "ben", "cem")] == [1, 4, 9]
    await asyncio.gather(*(block.ask("ben", "GET", f"/conversations/{context}") for _ in range(3)))
    assert await count(block, "ben") == 0


async def test_nothing_counts_as_read_that_was_not_shown(
    block: Block, say: Say, talk: Talk, monkeypatch: pytest.MonkeyPatch
):
    context = await talk("ada", "ben")
    await say("ada", context, "Before")
    members = threads_store.members

    async def meanwhile(*args: Any) -> dict[str, list[str]]:
        monkeypatch.setattr(threads_store, "members", members)
        await say("ada", context, "Meanwhile")
        return await members(*args)

    monkeypatch.setattr(threads_store, "members", meanwhile)
    opened = await block.ask("ben", "GET", f"/conversations/{context}")
    assert len(opened["data"]) + await count(block, "ben") == 2


async def test_the_summary_has_both_shapes(block: Block, say: Say, talk: Talk, clock):
    alpha = await talk("ada", "ben", reference="alpha", payload={"project": 7})
    beta = await talk("ada", "ben", reference="beta")
    await talk("ada", "ben", reference="read")
    await say("ada", alpha, "One")
    clock.advance(60)
    for text in ("Two", "Three"):
        await say("ada", beta, text)
    assert await unread(block, "ben") == {
        "total_unread": 3,
        "conversations": [
            {"conversation_uid": beta, "unread_count": 2, "last_message_at": "2026-01-01T00:01:00.000Z"},
            {"conversation_uid": alpha, "unread_count": 1, "last_message_at": "2026-01-01T00:00:00.000Z"},
        ],
        "user_unique_id": block.person("ben").id,
        "group_by": "reference",
        "buckets": [
            {"key": "beta", "unread_count": 2, "conversation_count": 1, "conversation_payload": None},
            {"key": "alpha", "unread_count": 1, "conversation_count": 1, "conversation_payload": None},
        ],
        "total_unread_count": 3,
        "total_conversation_count": 2,
    }
    everything = await unread(block, "ben", has_unread="false")
    assert everything["total_conversation_count"] == 3


async def test_the_summary_is_grouped_and_filtered(block: Block, say: Say, talk: Talk):
    one = await talk("ada", "ben", payload={"project": 7, "tier": "gold"}, source_type="crm")
    other = await talk("ada", "ben", payload={"project": "7"})
    bare = await talk("ada", "ben")
    for context in (one, other, bare):
        await say("ada", context, "Hello")
    by_project = await unread(block, "ben", group_by="payload:project")
    (bucket,) = by_project["buckets"]
    assert (bucket["key"], bucket["conversation_count"]) == ("7", 2)
    assert bucket["conversation_payload"]["project"] in (7, "7")
    by_type = await unread(block, "ben", group_by="source_type")
    assert {(each["key"], each["unread_count"]) for each in by_type["buckets"]} == {("crm", 1), ("", 2)}
    assert (await unread(block, "ben", group_by="nonsense"))["group_by"] == "reference"
    gold = await unread(block, "ben", **{"custom[tier]": "gold", "custom[project]": "7"})
    assert [each["conversation_uid"] for each in gold["conversations"]] == [one]
    assert gold["total_unread_count"] == 1


async def test_bad_keys_are_refused(block: Block):
    path = f"/users/{block.person('ben').id}/unread-summary"
    refused = await block.ask("ben", "GET", path, params={"group_by": "payload:a-b"}, status=422)
    assert refused["errors"][0]["code"] == "rt-076540"
    await block.ask("ben", "GET", path, params={"custom[a b]": "x"}, status=422)


async def test_what_others_have_not_read_is_nobody_elses_business(block: Block, talk: Talk):
    await talk("ada", "ben")
    ben = block.person("ben").id
    for path in ("unread-summary", "conversations", "mygroups/conversations", "conversations/summary"):
        refused = await block.ask("ada", "GET", f"/users/{ben}/{path}", status=403)
        assert refused["errors"][0]["code"] == "forbidden"
        await block.ask(None, "GET", f"/users/{ben}/{path}")


async def test_conversations_of_a_user_are_filtered_by_what_is_unread(block: Block, say: Say, talk: Talk):
    quiet, busy = await talk("ada", "ben"), await talk("ada", "ben")
    for text in ("One", "Two"):
        await say("ada", busy, text)
    path = f"/users/{block.person('ben').id}/conversations"
    both = await block.ask("ben", "GET", path, params={"sort": "-unread_count"})
    assert [one["unique_id"] for one in both["data"]] == [busy, quiet]
    (only,) = (await block.ask("ben", "GET", path, params={"has_unread": "true"}))["data"]
    assert (only["context"], only["meta"]["unreadCount"]) == (busy, 2)
    assert only["attributes"]["last_message"] == "Two"
    assert (await block.ask("ben", "GET", path, params={"min_new_messages": "3"}))["data"] == []
