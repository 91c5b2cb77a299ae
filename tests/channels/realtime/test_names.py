"""Names of channels, and what their first word says."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.channels.realtime.names import (
    FeatureChoice,
    Features,
    InvalidChannel,
    Kind,
    check_name,
    features_of,
    kind_of,
)

LETTERS = "abcXYZ019_-=@.,;"


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "public:x",
        "presence:chat:room-1",
        "a:b:c",
        "user@example.com",
        "x=1;y=2,z_3",
        "a" * 200,
        "-",
        ".",
    ],
)
def test_names_are_words_between_colons(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *("", "public:", ":x", "a::b", "a:", "*", "chat:*", "a b", " a", "a\n", "a\x00", "é", "a/b", "a#b"),
        *("\u0661", "\ud800", "a" * 201, "🎉", None, 7, ["a"], b"a"),
    ],
)
def test_nothing_else_is_a_name(name: object) -> None:
    with pytest.raises(InvalidChannel):
        check_name(name)


@given(st.lists(st.text(LETTERS, min_size=1, max_size=20), min_size=1, max_size=8).map(":".join))
def test_every_list_of_words_is_a_name(name: str) -> None:
    assert check_name(name) == name


@given(st.text())
def test_no_text_breaks_the_check(name: str) -> None:
    with contextlib.suppress(InvalidChannel):
        assert re.fullmatch(r"[\w=@.,;:-]{1,200}", check_name(name), re.ASCII)


@pytest.mark.parametrize(
    ("name", "kind", "features"),
    [
        ("public:x", Kind.PUBLIC, Features()),
        ("private:x", Kind.PRIVATE, Features()),
        ("presence:x", Kind.PRESENCE, Features(presence=True)),
        ("chat:x", Kind.CHAT, Features(presence=True)),
        ("notifications:x", Kind.NOTIFICATIONS, Features(client_publish=False)),
        ("conversation:x", Kind.CONVERSATION, Features(presence=True, client_publish=False)),
        ("inbox:x", Kind.INBOX, Features(client_publish=False)),
        ("other:x", Kind.OTHER, Features()),
        ("public", Kind.OTHER, Features()),
        ("Public:x", Kind.OTHER, Features()),
        ("publicity:x", Kind.OTHER, Features()),
    ],
)
def test_the_first_word_says_what_works(name: str, kind: Kind, features: Features) -> None:
    assert (kind_of(name), features_of(name)) == (kind, features)


def test_an_app_may_say_otherwise() -> None:
    own = {
        "chat": FeatureChoice(presence=False, history=False),
        "games": FeatureChoice(presence=True),
        "notifications": FeatureChoice(history=False),
    }
    assert features_of("chat:x", own) == Features(presence=False, history=False)
    assert features_of("games", own) == Features(presence=True)
    assert features_of("notifications:x", own) == Features(client_publish=False, history=False)
    assert features_of("presence:x", own) == Features(presence=True)
