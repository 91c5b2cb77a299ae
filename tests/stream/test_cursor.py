"""Positions that clients carry."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.base.errors import Invalid
from parley.stream.cursor import Cursor

EPOCHS = st.text("abcXYZ019", min_size=1, max_size=32)


@given(EPOCHS, st.integers(0, (1 << 63) - 1))
def test_cursor_survives_the_way_to_a_client_and_back(epoch: str, offset: int) -> None:
    assert Cursor.parse(Cursor(epoch, offset).format()) == (epoch, offset)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "e-",
        "-1",
        "e-01",
        "e--1",
        "e-1 ",
        "e-1\n",
        "e f-1",
        "e-9223372036854775808",
        "x" * 33 + "-1",
        "e-\uff11",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        Cursor.parse(text, field="after")
    assert refused.value.field == "after"


@pytest.mark.parametrize("cursor", [Cursor("", 1), Cursor("e-f", 1), Cursor("e", -1), Cursor("e", 1 << 63)])
def test_impossible_position_has_no_form(cursor: Cursor) -> None:
    with pytest.raises(ValueError, match="not a cursor"):
        cursor.format()


@given(st.text(max_size=40))
def test_parsing_never_fails_in_another_way(text: str) -> None:
    with contextlib.suppress(Invalid):
        assert Cursor.parse(text).format() == text
