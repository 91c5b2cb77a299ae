"""Digests of several conversations."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from parley.insight.answers import Unusable
from parley.insight.digest import (
    ChosenItem,
    Warmth,
    chosen_digest,
    digest_by_rule,
    digest_stats,
    make_digest,
    merged_action_items,
    parse_digest,
    to_warm,
)
from parley.insight.engines.openai import OpenAiEngine
from parley.insight.model import EMPTY, MAX_ITEMS, ConversationSummary
from parley.insight.ports import DigestEntry, DigestMaterial, EngineUnavailable
from parley.insight.triage import grouped
from parley.outgoing.http import OutgoingHttp
from tests.insight.provider import Provider, fails, says
from tests.insight.talks import START

NOW = START + timedelta(hours=2)


def about(text: str, *action_items: str) -> ConversationSummary:
    return ConversationSummary(
        overall_summary=text,
        categories=[],
        action_items=list(action_items),
        key_decisions=[],
        sentiment="neutral",
    )


GARDEN = DigestEntry(
    conversation_id="garden",
    title="Garden",
    role="owner",
    summary=about("The fence is painted.", "Ada: buy paint", "Ben: call the neighbours"),
    last_message_at=START,
)
ROOF = DigestEntry(
    conversation_id="roof",
    title="Roof",
    role="guest",
    summary=about("Rain comes in.", "Cleo: cover the hole asap", "ben: CALL the neighbours!"),
    unread=4,
    oldest_unread_at=START - timedelta(days=1),
    last_message_at=START,
)
QUIET = DigestEntry(conversation_id="quiet", unread=1, last_message_at=START - timedelta(days=20))
MATERIAL = DigestMaterial((GARDEN, ROOF, QUIET), NOW)


def answer(**changed: object) -> str:
    lists = {"urgent": ["roof"], "pending": ["garden"], "on_track": [], "stale": ["quiet"]}
    return json.dumps(
        {"summary": "Rain.", "categories": lists, "action_items": ["Cover the hole"], **changed}
    )


@pytest.fixture
def engine(provider: Provider, http: OutgoingHttp) -> OpenAiEngine:
    provider.will(says(answer()))
    return OpenAiEngine(http, url=provider.url, model="test-model", timeout_s=30)


async def test_the_engine_sees_every_conversation_with_the_users_role(
    engine: OpenAiEngine, provider: Provider
) -> None:
    await make_digest(engine, MATERIAL, user_id="u")
    text = provider.asked[0]["messages"][1]["content"]
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert [(one["id"], one["role"], one["unread"]) for one in lines] == [
        ("garden", "owner", 0),
        ("roof", "guest", 4),
        ("quiet", "", 1),
    ]


async def test_a_valid_answer_is_taken(engine: OpenAiEngine) -> None:
    made = await make_digest(engine, MATERIAL, user_id="u")
    assert made.value.summary == "Rain."
    assert made.value.categories.urgent == ["roof"]
    assert made.value.action_items == ["Cover the hole"]
    assert (made.tokens_used, made.engine) == (42, "openai:test-model")


async def test_an_answer_of_the_wrong_shape_is_corrected(engine: OpenAiEngine, provider: Provider) -> None:
    provider.will(says(answer(categories=["roof"])), says(answer()))
    made = await make_digest(engine, MATERIAL, user_id="u")
    assert made.attempts == 2
    assert "$.categories" in provider.asked[1]["messages"][-1]["content"]


async def test_without_conversations_no_engine_is_asked(engine: OpenAiEngine, provider: Provider) -> None:
    made = await make_digest(engine, DigestMaterial((), NOW), user_id="u")
    assert (made.value.summary, made.value.categories.in_order(), made.attempts) == ("", [], 0)
    assert provider.asked == []


async def test_a_failing_engine_says_so(engine: OpenAiEngine, provider: Provider) -> None:
    provider.will(fails(503))
    with pytest.raises(EngineUnavailable):
        await make_digest(engine, MATERIAL, user_id="u")


def test_without_an_engine_rules_decide_and_there_is_no_text() -> None:
    found = digest_by_rule(MATERIAL)
    assert found.summary == ""
    assert found.categories.named() == [
        ("urgent", ["roof"]),
        ("pending", []),
        ("on_track", ["garden"]),
        ("stale", ["quiet"]),
    ]


def test_action_items_are_merged_with_the_most_urgent_first() -> None:
    assert merged_action_items(MATERIAL.entries, grouped(MATERIAL.entries, NOW)) == [
        "Cleo: cover the hole asap",
        "ben: CALL the neighbours!",
        "Ada: buy paint",
    ]


def test_there_are_at_most_twenty_action_items() -> None:
    many = DigestEntry(conversation_id="m", summary=about("s", *(f"item {n}" for n in range(20))))
    more = DigestEntry(conversation_id="n", summary=about("s", *(f"thing {n}" for n in range(20))))
    assert len(digest_by_rule(DigestMaterial((many, more), NOW)).action_items) == MAX_ITEMS


def test_action_items_come_from_the_summaries_when_the_engine_has_none() -> None:
    assert parse_digest(answer(action_items=[]), MATERIAL).action_items[0] == "Cleo: cover the hole asap"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        answer(summary=None),
        answer(action_items=["a"] * 21),
        answer(categories={"urgent": ["roof"]}),
        answer(categories={"urgent": [1], "pending": [], "on_track": [], "stale": []}),
    ],
)
def test_answers_of_another_shape_are_refused(text: str) -> None:
    with pytest.raises(Unusable):
        parse_digest(text, MATERIAL)


def test_only_conversations_with_unread_messages_are_counted() -> None:
    counted = digest_stats(MATERIAL.entries)
    assert (counted.total_unread_messages, counted.conversations_with_unread) == (5, 2)
    assert counted.oldest_unread == START - timedelta(days=1)


def test_nothing_unread_has_no_oldest() -> None:
    assert digest_stats([GARDEN]).oldest_unread is None


@pytest.mark.parametrize(("limit", "count"), [(0, 0), (-1, 0), (3, 3), (10, 10), (50, 10)])
def test_never_more_than_ten_summaries_are_made_for_a_digest(limit: int, count: int) -> None:
    known = [Warmth(f"c{n}", False, START + timedelta(minutes=n)) for n in range(30)]
    assert to_warm(known, limit) == [f"c{29 - n}" for n in range(count)]


def test_current_summaries_are_not_made_again() -> None:
    assert to_warm([Warmth("a", True, NOW), Warmth("b", False, START)], 10) == ["b"]


def test_chosen_conversations_keep_the_order_of_the_request() -> None:
    found = {
        "a": ChosenItem(conversation_id="a", status="completed", summary=about("text"), message_count=3),
        "b": ChosenItem(conversation_id="b", status="completed", summary=EMPTY),
        "c": ChosenItem(conversation_id="c", status="failed"),
    }
    made = chosen_digest(["c", "hidden", "a", "b", "a"], found)
    assert [one.conversation_id for one in made.items] == ["c", "a", "b"]
    assert (made.conversations_found, made.total, made.error) == (3, 1, None)
