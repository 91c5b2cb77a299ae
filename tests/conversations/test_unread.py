"""Grouping and filtering of what is unread, without a database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.base.errors import Invalid
from parley.conversations.threads.store import Overview
from parley.conversations.threads.unread import InvalidGrouping, buckets_of, check_keys, grouping, matches

NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
VALUES = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["a", "7", ""])
OVERVIEWS = st.lists(
    st.builds(
        Overview,
        id=st.uuids().map(str),
        unread_count=st.integers(0, 50),
        last_message_at=st.none() | st.datetimes(timezones=st.just(UTC)),
        reference=st.none() | st.sampled_from(["x", "y"]),
        source=st.none() | st.just("crm"),
        source_type=st.none(),
        source_alias=st.just("alias"),
        payload=st.none() | st.dictionaries(st.sampled_from(["k", "other"]), VALUES, max_size=2),
    ),
    max_size=8,
)


def overview(unread: int, payload: dict[str, Any] | None = None, **more: Any) -> Overview:
    return Overview("id", unread, NOON, more.get("reference"), None, None, None, payload)


@given(OVERVIEWS, st.sampled_from(["reference", "source", "source_type", "source_alias"]))
def test_every_conversation_is_in_one_bucket_of_a_fixed_column(found: list[Overview], by: str):
    made = buckets_of(found, by, None)
    assert sum(bucket.conversation_count for bucket in made) == len(found)
    assert sum(bucket.unread_count for bucket in made) == sum(one.unread_count for one in found)
    assert [bucket.unread_count for bucket in made] == sorted(
        (bucket.unread_count for bucket in made), reverse=True
    )
    assert len({bucket.key for bucket in made}) == len(made)


@given(OVERVIEWS)
def test_conversations_without_the_key_are_in_no_bucket(found: list[Overview]):
    made = buckets_of(found, "payload", "k")
    having = [one for one in found if (one.payload or {}).get("k") is not None]
    assert sum(bucket.conversation_count for bucket in made) == len(having)
    assert all(bucket.conversation_payload is not None for bucket in made)


def test_values_are_compared_as_texts():
    assert matches({"n": 7, "t": "7", "b": True, "l": [1]}, {"n": "7", "t": "7", "b": "true", "l": "[1]"})
    assert not matches({"n": None}, {"n": "null"})
    assert not matches(None, {"n": ""})
    assert matches(None, {})


def test_equals_are_ordered_by_the_most_recent():
    early = overview(1, reference="early")._replace(last_message_at=NOON.replace(hour=1))
    never = overview(1, reference="never")._replace(last_message_at=None)
    made = buckets_of([never, early, overview(1, reference="late")], "reference", None)
    assert [bucket.key for bucket in made] == ["late", "early", "never"]


@pytest.mark.parametrize("wanted", ["payload:", "payload:a b", "payload:a.b", "payload:" + "x" * 101])
def test_no_payload_has_such_a_key(wanted: str):
    with pytest.raises(InvalidGrouping):
        grouping(wanted)
    with pytest.raises(Invalid):
        check_keys({wanted.removeprefix("payload:"): "x"}, field="?custom")


@pytest.mark.parametrize(
    ("wanted", "by", "key"),
    [
        (None, "reference", None),
        ("source_type", "source_type", None),
        ("id", "reference", None),
        ("payload:project_1", "payload", "project_1"),
    ],
)
def test_groupings(wanted: str | None, by: str, key: str | None):
    assert grouping(wanted) == (by, key)
