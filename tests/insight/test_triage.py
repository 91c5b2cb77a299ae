"""Every conversation is in exactly one category, whatever an engine says."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.insight.model import EMPTY, ConversationSummary
from parley.insight.ports import DigestEntry
from parley.insight.triage import Categories, Category, category, grouped, repaired, sounds_urgent

NOW = datetime(2026, 3, 9, 12, 0, tzinfo=UTC)
RECENTLY = NOW - timedelta(hours=1)
IDS = st.sampled_from(["a", "b", "c", "d", "invented", "also invented", ""])


def entry(conversation_id: str = "a", **facts) -> DigestEntry:
    return DigestEntry(conversation_id=conversation_id, **{"last_message_at": RECENTLY, **facts})


def about(text: str, *action_items: str) -> ConversationSummary:
    return ConversationSummary(
        overall_summary=text,
        categories=[],
        action_items=list(action_items),
        key_decisions=[],
        sentiment="neutral",
    )


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, "on_track"),
        ({"unread": 1}, "pending"),
        ({"last_message": "Could you look at it? "}, "pending"),
        ({"last_message": "いつですか？"}, "pending"),  # noqa: RUF001
        ({"last_message": "I looked at it."}, "on_track"),
        ({"is_urgent": True}, "urgent"),
        ({"is_urgent": True, "unread": 3}, "urgent"),
        ({"last_message": "This is URGENT"}, "urgent"),
        ({"last_message": "Das eilt, bitte melden"}, "urgent"),
        ({"summary": about("The outage goes on.")}, "urgent"),
        ({"summary": about("All is well.", "Ben: pay the invoice asap")}, "urgent"),
        ({"summary": EMPTY}, "on_track"),
        ({"last_message_at": NOW - timedelta(days=7)}, "stale"),
        ({"last_message_at": NOW - timedelta(days=7) + timedelta(seconds=1)}, "on_track"),
        ({"last_message_at": NOW - timedelta(days=8), "is_urgent": True, "unread": 5}, "stale"),
        ({"last_message_at": None}, "stale"),
        ({"last_message_at": NOW + timedelta(minutes=5)}, "on_track"),
    ],
)
def test_categories_follow_the_rules(facts: dict, expected: Category) -> None:
    assert category(entry(**facts), NOW) == expected


@pytest.mark.parametrize("text", ["insurgent groups", "uncritically", "a blockers list", ""])
def test_parts_of_words_are_not_urgent(text: str) -> None:
    assert not sounds_urgent(text)


def test_conversations_keep_their_order_in_a_category() -> None:
    found = grouped([entry("b", unread=1), entry("a", unread=1), entry("c")], NOW)
    assert (found.pending, found.on_track) == (["b", "a"], ["c"])


@given(st.lists(IDS), st.lists(IDS), st.lists(IDS), st.lists(IDS))
def test_each_conversation_is_in_exactly_one_list(
    urgent: list[str], pending: list[str], on_track: list[str], stale: list[str]
) -> None:
    given_lists = Categories(urgent=urgent, pending=pending, on_track=on_track, stale=stale)
    found = repaired(given_lists, [entry(one) for one in "abcd"], NOW)
    assert Counter(found.in_order()) == Counter("abcd")


def test_an_engine_may_overrule_the_rules_but_invent_and_forget_nothing() -> None:
    told = Categories(urgent=["b", "x"], pending=[], on_track=["b"], stale=["a"])
    found = repaired(told, [entry("a"), entry("b"), entry("c", unread=2)], NOW)
    assert (found.urgent, found.pending, found.on_track, found.stale) == (["b"], ["c"], [], ["a"])
