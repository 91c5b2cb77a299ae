from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.base.text import clean_line, storable

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)  # lone surrogates and controls, too


@given(ANY_TEXT, st.integers(1, 40))
def test_a_cleaned_line_is_short_trimmed_and_storable(text, limit):
    line = clean_line(text, limit=limit)
    assert len(line) <= limit
    assert line == line.strip()
    assert storable(line)
    assert len(line.splitlines()) <= 1


@given(ANY_TEXT, st.integers(1, 40))
def test_cleaning_twice_changes_nothing_more(text, limit):
    line = clean_line(text, limit=limit)
    assert clean_line(line, limit=limit) == line


@given(st.text(alphabet="aÜ漢 é😀", max_size=30))
def test_visible_words_are_kept(text):
    assert clean_line(text, limit=1000) == " ".join(text.split())


@pytest.mark.parametrize(
    ("text", "line"),
    [("  a\tb \n c ", "a b c"), ("a\x00b\x1bc\x7f", "abc"), ("two\u2028lines", "two lines"), ("\ud83d", "")],
)
def test_what_becomes_of_odd_characters(text, line):
    assert clean_line(text, limit=100) == line


@given(ANY_TEXT)
def test_storable_is_what_utf_8_without_nul_can_hold(text):
    try:
        holds = b"\x00" not in text.encode()
    except UnicodeEncodeError:
        holds = False
    assert storable(text) is holds
