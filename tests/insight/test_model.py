"""Stats and the tidying of what engines write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.base.text import storable
from parley.insight.model import (
    MAX_ITEM_CHARS,
    ConversationSummary,
    normalised,
    stats,
    tidy,
    tidy_items,
    time_span,
)

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("lasted", "told"),
    [
        (timedelta(), "0s"),
        (timedelta(milliseconds=900), "0s"),
        (timedelta(seconds=45), "45s"),
        (timedelta(seconds=60), "1m"),
        (timedelta(minutes=3, seconds=5), "3m 5s"),
        (timedelta(hours=2, minutes=15, seconds=59), "2h 15m"),
        (timedelta(hours=2, seconds=59), "2h"),
        (timedelta(days=3, hours=4, minutes=59), "3d 4h"),
        (timedelta(days=400), "400d"),
        (timedelta(seconds=-5), "0s"),
    ],
)
def test_time_spans_have_their_two_largest_units(lasted: timedelta, told: str) -> None:
    assert time_span(START, START + lasted) == told


def test_a_conversation_without_messages_lasted_no_time() -> None:
    assert stats(0, 0, None, None).time_span == "0s"


def test_stats_are_those_of_the_whole_conversation() -> None:
    counted = stats(47, 4, START, START + timedelta(hours=2, minutes=15))
    assert (counted.total_messages, counted.participants, counted.time_span) == (47, 4, "2h 15m")


def test_the_same_said_twice_is_told_once() -> None:
    assert tidy_items(["Call the bank.", " ", "call the  bank", "Pay"]) == ["Call the bank.", "Pay"]


def test_overlong_texts_end_with_an_ellipsis() -> None:
    (item,) = tidy_items(["x" * 10_000])
    assert len(item) == MAX_ITEM_CHARS
    assert item.endswith("…")


@given(st.text(st.characters(exclude_categories=[]), max_size=50), st.integers(1, 60))
def test_tidied_texts_can_be_stored(text: str, limit: int) -> None:
    tidied = tidy(text, limit)
    assert storable(tidied)
    assert len(tidied) <= limit


@pytest.mark.parametrize(
    ("one", "other"), [("Send the report!", "send   the report"), ("STRASSE", "straße"), ("👍", "👍 ")]
)
def test_case_punctuation_and_spacing_make_no_difference(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


def test_key_points_are_the_decisions_when_there_are_none() -> None:
    summary = ConversationSummary(
        overall_summary="s", categories=[], action_items=[], key_decisions=["d"], sentiment="neutral"
    )
    assert summary.points == ["d"]
