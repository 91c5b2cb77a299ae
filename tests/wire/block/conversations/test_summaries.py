"""Summaries and digests over REST (`realtime-block.md` 16.1 to 16.3, 16.6)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from parley.accounts import app_settings
from parley.base.ids import new_uuid
from parley.conversations.settings import DIGEST, PROMPTS, DigestSettings, PromptSettings
from parley.insight.ports import (
    AlreadyRegistered,
    Capabilities,
    Completion,
    DigestMaterial,
    EngineUnavailable,
    Prompt,
    SummaryMaterial,
    UnknownUser,
)
from tests.waiting import until
from tests.wire.block.conversations.conftest import Say, Talk
from tests.wire.block.serving import Block


class Scribe:
    """A model that answers as it is told, and remembers what it was asked."""

    name = "scribe"
    capabilities = Capabilities(structured_output=True, is_model=True)

    def __init__(self) -> None:
        self.prompts: list[Prompt] = []
        self.registered: list[str] = []
        self.known: set[str] = set()
        self.away: Exception | None = None
        self.answers: list[str] = []
        """Given first, as they are."""
        self.free = asyncio.Event()
        self.free.set()

    async def register(self, user_id: str) -> None:
        self.registered.append(user_id)
        if user_id in self.known:
            raise AlreadyRegistered("known", reached_provider=True)
        self.known.add(user_id)

    async def complete(self, prompt: Prompt) -> Completion:
        if prompt.user_id not in self.known and prompt.user_id != "server":
            raise UnknownUser("who?", reached_provider=True)
        self.prompts.append(prompt)
        await self.free.wait()
        if self.away is not None:
            raise self.away
        if self.answers:
            return Completion(self.answers.pop(0), 7)
        return Completion(json.dumps(self._answer(prompt)), 7)

    def _answer(self, prompt: Prompt) -> dict[str, Any]:
        if isinstance(prompt.material, SummaryMaterial):
            return {
                "overall_summary": f"Summary {len(self.prompts)}",
                "categories": ["launch"],
                "action_items": ["Ben sends the budget"],
                "key_decisions": ["Launch in May"],
                "sentiment": "positive",
            }
        return {
            "summary": f"Digest {len(self.prompts)}",
            "categories": {"urgent": [], "pending": ["invented"], "on_track": [], "stale": []},
            "action_items": [],
        }


@pytest.fixture
def scribe(block: Block) -> Scribe:
    block.parts.engines.instead = made = Scribe()
    return made


Summarise = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def summarise(block: Block) -> Summarise:
    async def get(context: str, who: str | None = "ada", *, status: int = 200) -> dict[str, Any]:
        found = await block.ask(who, "GET", f"/conversations/{context}/summary", status=status)
        return found["data"]["attributes"] if status == 200 else found["errors"][0]

    return get


async def test_the_built_in_engine_summarises_without_any_setting(
    block: Block, say: Say, talk: Talk, summarise: Summarise, clock
):
    context = await talk("ada", "ben")
    await say("ada", context, "We decided to launch on the first of May.")
    clock.advance(2 * 3_600 + 15 * 60)
    await say("ben", context, "Ada, please send the budget by Friday.")
    made = await summarise(context)
    assert made["overall_summary"]
    assert made["stats"] == {"total_messages": 2, "participants": 2, "time_span": "2h 15m"}
    assert made["content"] == {
        "summary": made["overall_summary"],
        "key_points": made["key_points"],
        "action_items": made["action_items"],
    }
    assert made["sentiment"] in ("positive", "neutral", "negative", "mixed")
    assert (made["status"], made["cached"], made["from_cache"]) == ("completed", False, False)
    assert made["prompt_id"] == "conversation-summary"
    posted = await block.ask("ben", "POST", f"/conversations/{context}/summary", {})
    assert posted["data"]["attributes"] == {**made, "cached": True, "from_cache": True}


async def test_an_empty_conversation_needs_no_engine(
    block: Block, talk: Talk, summarise: Summarise, scribe: Scribe
):
    made = await summarise(await talk("ada"))
    assert (made["status"], made["overall_summary"], made["key_points"]) == ("completed", "", [])
    assert made["stats"] == {"total_messages": 0, "participants": 0, "time_span": "0s"}
    assert scribe.prompts == []
    assert (await summarise(new_uuid(), status=404))["code"] == "not_found"


async def test_what_was_taken_back_is_not_told_any_more(
    block: Block, say: Say, talk: Talk, summarise: Summarise, scribe: Scribe
):
    context = await talk("ada")
    said = await say("ada", context, "A secret")
    await summarise(context)
    await block.ask("ada", "DELETE", f"/messages/{said['unique_id']}", status=204)
    assert (await summarise(context))["overall_summary"] == ""
    assert len(scribe.prompts) == 1


async def test_authors_have_names(block: Block, say: Say, talk: Talk, summarise: Summarise, scribe: Scribe):
    context = await talk("ada", "ben")
    await block.ask("ben", "GET", "/users")
    await say("ada", context, "Hello")
    await say("ben", context, "Hi", source_alias="Benny")
    await say(None, context, "Welcome", source_id="unknown-7")
    await summarise(context)
    material = scribe.prompts[-1].material
    assert isinstance(material, SummaryMaterial)
    assert [one.author for one in material.messages] == ["ada", "Benny", "unknown-7"]


async def test_a_fresh_summary_is_not_made_again(
    say: Say, talk: Talk, summarise: Summarise, scribe: Scribe, clock
):
    context = await talk("ada")
    await say("ada", context, "Hello")
    await summarise(context)
    clock.advance(3_600)
    again = await summarise(context)
    assert (again["cached"], again["status"], len(scribe.prompts)) == (True, "completed", 1)
    assert again["tokens_used"] == 7


async def test_only_what_is_new_is_read(say: Say, talk: Talk, summarise: Summarise, scribe: Scribe, clock):
    context = await talk("ada")
    await say("ada", context, "Old")
    await summarise(context)
    clock.advance(61)
    new = await say("ada", context, "New")
    made = await summarise(context)
    material = scribe.prompts[-1].material
    assert isinstance(material, SummaryMaterial)
    assert [one.text for one in material.messages] == ["New"]
    assert material.previous is not None
    assert material.previous.overall_summary == "Summary 1"
    assert made["last_processed_message_id"] == new["unique_id"]
    assert made["message_count"] == 2


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_a_change_of_what_was_read_means_reading_everything(
    block: Block, say: Say, talk: Talk, summarise: Summarise, scribe: Scribe, clock, method: str
):
    context = await talk("ada")
    old = await say("ada", context, "Old")
    await say("ada", context, "Kept")
    await summarise(context)
    clock.advance(61)
    body = {"message": {"content": "Changed"}} if method == "PUT" else None
    status = 200 if method == "PUT" else 204
    await block.ask("ada", method, f"/messages/{old['unique_id']}", body, status=status)
    assert (await summarise(context))["cached"] is False
    material = scribe.prompts[-1].material
    assert isinstance(material, SummaryMaterial)
    assert material.previous is None
    expected = ["Changed", "Kept"] if method == "PUT" else ["Kept"]
    assert [one.text for one in material.messages] == expected


async def test_an_engine_is_asked_once_a_minute_for_a_conversation(
    block: Block, say: Say, talk: Talk, summarise: Summarise, scribe: Scribe, clock
):
    context = await talk("ada", "ben")
    await say("ada", context, "One")
    await summarise(context)
    await say("ada", context, "Two")
    answer = await block.raw("ben", "GET", f"/conversations/{context}/summary")
    found = answer.json()["data"]["attributes"]
    assert (answer.status_code, found["status"], found["cached"]) == (200, "stale", True)
    assert 0 < int(answer.headers["retry-after"]) <= 60
    assert len(scribe.prompts) == 1
    clock.advance(60)
    assert (await summarise(context))["overall_summary"] == "Summary 2"


async def test_without_an_older_summary_the_limit_is_told(
    block: Block, say: Say, talk: Talk, summarise: Summarise, scribe: Scribe, clock
):
    context = await talk("ada")
    await say("ada", context, "One")
    scribe.away = EngineUnavailable("timed out", reached_provider=True)
    assert (await summarise(context, status=503))["code"] == "service_unavailable"
    answer = await block.raw("ada", "GET", f"/conversations/{context}/summary")
    assert answer.status_code == 429
    left_s = int(answer.headers["retry-after"])
    assert left_s > 0
    assert answer.headers["x-ratelimit-limit"] == "1"
    assert answer.headers["x-ratelimit-reset"] == str(int(clock.now().timestamp()) + left_s)


async def test_a_failure_before_the_provider_does_not_count(
    say: Say, talk: Talk, summarise: Summarise, scribe: Scribe
):
    context = await talk("ada")
    await say("ada", context, "One")
    scribe.away = EngineUnavailable("no connection", reached_provider=False)
    await summarise(context, status=503)
    scribe.away = None
    assert (await summarise(context))["status"] == "completed"


async def test_an_older_summary_is_better_than_none(
    say: Say, talk: Talk, summarise: Summarise, scribe: Scribe, clock
):
    context = await talk("ada")
    await say("ada", context, "One")
    await summarise(context)
    await say("ada", context, "Two")
    clock.advance(61)
    scribe.away = EngineUnavailable("away", reached_provider=True)
    found = await summarise(context)
    assert (found["status"], found["cached"], found["overall_summary"]) == ("stale", True, "Summary 1")


async def test_answers_of_the_wrong_shape_are_asked_for_again(
    say: Say, talk: Talk, summarise: Summarise, scribe: Scribe
):
    context = await talk("ada")
    await say("ada", context, "One")
    scribe.answers = ["Sure! Here it is:", '{"overall_summary": ""}']
    made = await summarise(context)
    assert (made["overall_summary"], made["tokens_used"]) == ("Summary 3", 21)
    assert len(scribe.prompts[-1].corrections) == 2


async def test_those_who_ask_at_once_share_one_generation(
    say: Say, talk: Talk, summarise: Summarise, scribe: Scribe
):
    context = await talk("ada", "ben")
    await say("ada", context, "One")
    scribe.free.clear()
    asked = [asyncio.create_task(summarise(context, who)) for who in ("ada", "ben", "ada", "ben")]
    await until(lambda: "" if scribe.prompts else "the engine was not asked")
    await asyncio.sleep(1)  # for the others to arrive: who comes after the end is refused
    scribe.free.set()
    made = await asyncio.gather(*asked)
    assert {one["overall_summary"] for one in made} == {"Summary 1"}
    assert len(scribe.prompts) == 1


async def test_users_are_registered_once_and_again_when_they_are_forgotten(
    block: Block, say: Say, talk: Talk, summarise: Summarise, scribe: Scribe, clock
):
    ada = block.person("ada").id
    first, second = await talk("ada"), await talk("ada")
    for context in (first, second):
        await say("ada", context, "Hello")
        await summarise(context)
    assert scribe.registered == [ada]
    scribe.known.clear()
    await say("ada", first, "More")
    clock.advance(61)
    assert (await summarise(first))["status"] == "completed"
    assert scribe.registered == [ada, ada]


async def test_action_items_become_tasks_of_who_asked_and_only_once(
    block: Block, say: Say, talk: Talk, summarise: Summarise, scribe: Scribe, clock
):
    context = await talk("ada", "ben")
    for text in ("One", "Two"):
        await say("ada", context, text)
        await summarise(context)
        clock.advance(61)
    assert len(scribe.prompts) == 2
    (task,) = (await block.ask("ada", "GET", f"/conversations/{context}/tasks"))["data"]
    assert task["attributes"]["description"] == "Ben sends the budget"
    assert task["attributes"]["user_unique_id"] == block.person("ada").id
    opened = await block.ask("ada", "GET", f"/conversations/{context}", params={"include": "messages,tasks"})
    assert [one["id"] for one in opened["included"] if one["type"] == "Task"] == [task["id"]]


async def test_the_apps_own_prompt_is_used(
    block: Block, say: Say, talk: Talk, summarise: Summarise, scribe: Scribe
):
    async with block.scope.change() as change:
        await app_settings.write(change, PROMPTS, PromptSettings(conversation_summary="Ahoy {{messages}}"))
    context = await talk("ada")
    await say("ada", context, "Hello")
    await summarise(context)
    assert scribe.prompts[-1].text.startswith("Ahoy")


# --- digests --------------------------------------------------------------------------------------


async def test_chosen_conversations_come_in_the_order_of_the_request(
    block: Block, say: Say, talk: Talk, summarise: Summarise, scribe: Scribe
):
    one, empty, hidden = await talk("ada"), await talk("ada"), await talk("ben")
    for who, context in (("ada", one), ("ben", hidden)):
        await say(who, context, "Hello")
    await summarise(one)
    asked = {"context_unique_ids": [empty, hidden, one, new_uuid(), empty]}
    found = await block.ask("ada", "POST", "/conversations/digest", asked)
    attributes = found["data"]["attributes"]
    assert "summary" not in attributes
    assert [each["context_unique_id"] for each in attributes["summaries"]] == [empty, one]
    assert [each["status"] for each in attributes["summaries"]] == ["completed", "completed"]
    assert attributes["summaries"][1]["content"]["summary"] == "Summary 1"
    assert attributes["summaries"][1]["from_cache"] is True
    assert (attributes["conversations_found"], attributes["total"]) == (2, 1)
    assert len(scribe.prompts) == 1
    alias = await block.ask("ada", "POST", "/conversations/digest", {"conversation_ids": [one]})
    assert alias["data"]["attributes"]["total"] == 1


async def test_a_chosen_conversation_that_fails_says_so(block: Block, say: Say, talk: Talk, scribe: Scribe):
    context = await talk("ada")
    await say("ada", context, "Hello")
    scribe.away = EngineUnavailable("away", reached_provider=True)
    found = await block.ask("ada", "POST", "/conversations/digest", {"context_unique_ids": [context]})
    attributes = found["data"]["attributes"]
    assert attributes["summaries"][0]["status"] == "failed"
    assert isinstance(attributes["error"], str)
    assert attributes["total"] == 0


async def digest(block: Block, who: str = "ben", **params: Any) -> dict[str, Any]:
    path = f"/users/{block.person(who).id}/conversations/summary"
    found = await block.ask(who, "GET", path, params=params)
    assert found["data"]["id"].startswith("digest_")
    return found["data"]["attributes"]


async def test_a_digest_puts_every_conversation_in_one_category(block: Block, say: Say, talk: Talk, clock):
    urgent, asked = await talk("ada", "ben"), await talk("ada", "ben")
    await talk("ada", "ben")  # nothing unread in it
    await say("ada", urgent, "This is urgent: the site is down.")
    clock.advance(60)
    await say("ada", asked, "Shall we meet tomorrow?")
    found = await digest(block)
    assert found["conversations_found"] == 2
    lists = found["digest"]["categories"]
    assert sorted(lists) == ["on_track", "pending", "stale", "urgent"]
    assert lists["urgent"] == [urgent]
    assert sorted(one for some in lists.values() for one in some) == sorted([urgent, asked])
    assert found["digest"]["stats"] == {
        "total_unread_messages": 2,
        "conversations_with_unread": 2,
        "oldest_unread": "2026-01-01T00:00:00.000Z",
    }
    assert found["meta"]["cache_status"] == "fresh"
    assert found["meta"]["warming"] == {"fresh": 2, "cached": 0, "remaining": 0}
    again = await digest(block)
    assert again["meta"]["cache_status"] == "cached"
    assert again["digest"] == found["digest"]
    assert (await block.ask("ben", "GET", f"/users/{block.person('ben').id}/unread-summary"))["data"][
        "attributes"
    ]["total_unread"] == 2


async def test_a_digest_warms_ten_summaries_at_a_time(block: Block, say: Say, talk: Talk):
    for number in range(12):
        await say("ada", await talk("ada", "ben"), f"Number {number} is done.")
    first = await digest(block)
    assert first["meta"]["cache_status"] == "partial"
    assert first["meta"]["warming"] == {"fresh": 10, "cached": 0, "remaining": 2}
    second = await digest(block)
    assert second["meta"]["cache_status"] == "fresh"
    assert second["meta"]["warming"] == {"fresh": 2, "cached": 10, "remaining": 0}
    assert (await digest(block))["meta"]["cache_status"] == "cached"


async def test_a_digest_follows_the_settings_and_filters(block: Block, say: Say, talk: Talk, clock):
    old = await talk("ada", "ben", payload={"project": 7})
    await say("ada", old, "Long ago")
    clock.advance(20 * 3_600)
    new = await talk("ada", "ben", payload={"project": 8})
    await say("ada", new, "Today")
    only = await digest(block, **{"custom[project]": "8"})
    assert only["conversations_found"] == 1
    async with block.scope.change() as change:
        settings = DigestSettings(recency_days=1, unread_only=False)
        await app_settings.write(change, DIGEST, settings)
    block.parts.settings.forget(block.scope.app_id)
    assert (await digest(block))["conversations_found"] == 2
    clock.advance(3 * 3_600 + 3_000)
    await block.ask("ben", "PUT", f"/conversations/{new}/archive", {})
    assert (await digest(block))["conversations_found"] == 1
    path = f"/users/{block.person('ben').id}/conversations/summary"
    await block.ask("ben", "GET", path, params={"custom[a-b]": "x"}, status=422)


async def test_a_conversation_without_messages_keeps_no_digest_waiting(block: Block, say: Say, talk: Talk):
    async with block.scope.change() as change:
        await app_settings.write(change, DIGEST, DigestSettings(unread_only=False))
    await talk("ada", "ben")
    await say("ada", await talk("ada", "ben"), "Hello")
    found = await digest(block)
    assert (found["conversations_found"], found["meta"]["cache_status"]) == (2, "fresh")
    assert (await digest(block))["meta"]["cache_status"] == "cached"


async def test_prompts_know_the_role_of_the_user(block: Block, say: Say, talk: Talk, scribe: Scribe):
    ben = block.person("ben").id
    body = {"user": {"role_name": "agent"}}
    await block.ask(None, "POST", f"/users/{ben}/register", body, status=201)
    plain, special = await talk("ada", "ben"), await talk("ada", "ben", roles={"ben": "owner"})
    for context in (plain, special):
        await say("ada", context, "Hello")
    await block.ask(None, "GET", f"/users/{ben}/conversations/summary")
    material = scribe.prompts[-1].material
    assert isinstance(material, DigestMaterial)
    roles = {one.conversation_id: one.role for one in material.entries}
    assert roles == {plain: "agent", special: "owner"}
    others = await talk("ada", "ben", roles={"ben": "guest"})
    await say("ada", others, "Hello")
    await block.ask("ben", "POST", "/conversations/digest", {"context_unique_ids": [others]})
    assert "role: guest" in scribe.prompts[-1].text


async def test_an_empty_digest_asks_nobody(block: Block, scribe: Scribe):
    found = await digest(block)
    assert found["conversations_found"] == 0
    assert found["digest"]["categories"] == {"urgent": [], "pending": [], "on_track": [], "stale": []}
    assert found["digest"]["stats"]["oldest_unread"] is None
    assert scribe.prompts == []


async def test_a_model_writes_one_digest_a_minute_for_a_user(
    block: Block, say: Say, talk: Talk, scribe: Scribe, clock
):
    context = await talk("ada", "ben")
    await say("ada", context, "One")
    first = await digest(block)
    assert (first["digest"]["summary"], first["meta"]["tokens_used"]) == ("Digest 2", 14)
    assert first["digest"]["categories"]["pending"] == [context]
    await say("ada", context, "Two")
    stale = await digest(block)
    assert (stale["meta"]["cache_status"], stale["digest"]["summary"]) == ("stale", "Digest 2")
    clock.advance(60)
    assert (await digest(block))["meta"]["cache_status"] == "fresh"


async def test_without_an_engine_the_categories_are_still_told(
    block: Block, say: Say, talk: Talk, scribe: Scribe
):
    context = await talk("ada", "ben")
    await say("ada", context, "Shall we?")
    scribe.away = EngineUnavailable("away", reached_provider=True)
    found = await digest(block)
    assert (found["digest"]["summary"], found["meta"]["cache_status"]) == ("", "stale")
    assert found["digest"]["categories"]["pending"] == [context]
