"""What a pattern opens, and what clients may ask for (the table of 1.5)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.base.errors import Invalid
from parley.channels.realtime.grants import (
    Grant,
    Grants,
    Op,
    check_grants,
    client_may_ask,
    default_grants,
    of_user,
)
from parley.channels.realtime.names import check_name, kind_of

GUARDED = ("private:", "presence:", "conversation:", "inbox:")
names = st.lists(st.text("ab-", min_size=1, max_size=4), min_size=1, max_size=3).map(":".join)
prefixed = st.tuples(st.sampled_from(["", "public:", "chat:", *GUARDED]), names).map("".join)
patterns = st.lists(st.one_of(prefixed, st.just("*"), st.just(":")), min_size=1, max_size=4).map("".join)


@pytest.mark.parametrize(
    ("pattern", "name", "is_covered"),
    [
        ("chat:room", "chat:room", True),
        ("chat:room", "chat:rooms", False),
        ("chat:*", "chat:a", True),
        ("chat:*", "chat:a:b:c", True),
        ("chat:*", "presence:chat:room-1", False),
        ("chat:*", "chat", False),
        ("a*b", "ab", False),
        ("a*b", "axb", True),
        ("a**b", "axb", False),
        ("a**b", "axyb", True),
        ("*", "anything:at-all", True),
        ("*", "private:x", False),
        ("*", "presence:x", False),
        ("*", "conversation:x", False),
        ("*", "inbox:x", False),
        ("p*", "private:x", False),
        ("priv*:x", "private:x", False),
        ("private*", "private:x", False),
        ("private:*", "private:x", True),
        ("presence:chat:*", "presence:chat:1", True),
        ("presence:chat:*", "presence:room", False),
        ("*:room", "chat:room", True),
        ("a.c", "abc", False),
    ],
)
def test_a_star_stands_for_one_or_more_characters(pattern: str, name: str, is_covered: bool) -> None:
    assert Grant(pattern).covers(name) is is_covered


@given(prefixed)
def test_a_name_covers_itself(name: str) -> None:
    assert Grant(check_name(name)).covers(name)


@given(patterns, prefixed)
def test_guarded_channels_are_opened_by_their_own_word_only(pattern: str, name: str) -> None:
    if Grant(pattern).covers(name) and name.startswith(GUARDED):
        assert pattern.startswith(f"{kind_of(name).value}:")


def test_a_pattern_of_many_stars_comes_to_an_end() -> None:
    """As a regular expression it tried every way to share a name between its stars, for ever."""
    assert not Grant("*a" * 99).covers("a" * 199 + "b")
    assert Grant("*a" * 99).covers("ba" * 99)
    assert not Grant("*" * 200).covers("a" * 199)


@given(st.text("a*", max_size=8), st.text("ab", min_size=1, max_size=10))
def test_patterns_are_matched_as_a_regular_expression_would(pattern: str, name: str) -> None:
    expression = "".join(".+" if each == "*" else each for each in pattern)
    assert Grant(pattern).covers(name) is (re.fullmatch(expression, name) is not None)


def test_operations_are_granted_one_by_one() -> None:
    grants = Grants([Grant("chat:*", frozenset({Op.SUBSCRIBE})), Grant("chat:a", frozenset({Op.HISTORY}))])
    assert grants.allow("chat:a", Op.SUBSCRIBE)
    assert grants.allow("chat:a", Op.HISTORY)
    assert not grants.allow("chat:b", Op.HISTORY)
    assert not grants.allow("chat:a", Op.PUBLISH)


@pytest.mark.parametrize("wrong", ["", "a" * 201, "a b", "é", "a\n", "{x}"])
def test_malformed_patterns_are_named(wrong: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_grants([Grant("chat:*"), Grant(wrong)])
    assert refused.value.field == "channels.1"


def test_a_token_has_at_most_100_patterns() -> None:
    check_grants([Grant("a")] * 100)
    with pytest.raises(Invalid):
        check_grants([Grant("a")] * 101)


def test_default_grants_are_the_users_own() -> None:
    assert [grant.pattern for grant in default_grants("u1")] == [
        "public:*",
        "chat:*",
        "notifications:u1",
        "inbox:u1",
    ]
    for hostile in ("*", "a*", "", "a b", "\x00"):
        assert [grant.pattern for grant in default_grants(hostile)] == ["public:*", "chat:*"]
    assert of_user(["x:{user_id}:*", "y"], "u1") == ["x:u1:*", "y"]


@given(patterns, st.lists(patterns, max_size=3), prefixed)
def test_what_clients_may_ask_for_opens_nothing_beyond_the_apps_rule(
    pattern: str, allowed: list[str], name: str
) -> None:
    if client_may_ask(pattern, "u1", allowed) and Grant(pattern).covers(name):
        assert any(Grant(each).covers(name) for each in allowed)


@given(patterns, prefixed)
def test_without_a_rule_clients_ask_for_nothing_private(pattern: str, name: str) -> None:
    if client_may_ask(pattern, "u1") and Grant(pattern).covers(name):
        assert not name.startswith("private:")
        assert not name.startswith("presence:") or name.startswith("presence:chat:")
        assert not name.startswith("inbox:") or name == "inbox:u1"
