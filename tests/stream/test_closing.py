"""The table of close codes, and that nobody sends a code that is not in it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from parley.stream.closing import Close, comes_back
from parley.stream.frames import decode_close, encode_close

SOURCE = Path(__file__).parents[2] / "src" / "parley"
NEVER_SENT = {Close.NO_CODE, Close.BROKEN}


def test_a_code_is_used_as_a_number() -> None:
    assert decode_close(encode_close(Close.RTK_REMOVED, "bye")[2:]) == (4001, "bye")


@pytest.mark.parametrize("code", sorted(set(Close) - NEVER_SENT))
def test_every_code_may_be_sent(code: Close) -> None:
    assert decode_close(encode_close(code)[2:])[0] == code


@pytest.mark.parametrize(
    ("code", "may"),
    [(1000, False), (1006, True), (1008, False), (1012, True), (4001, False), (4401, True), (4403, False)],
)
def test_a_client_knows_whether_to_come_back(code: int, may: bool) -> None:
    assert comes_back(code) is may


def test_an_unknown_code_of_an_application_is_a_decision_and_any_other_is_passing() -> None:
    assert not comes_back(4999)
    assert comes_back(3999)


def test_every_code_has_a_sentence_and_only_those_who_come_back_are_told_how() -> None:
    for code in Close:
        assert code.meaning.endswith(".")
        assert code.comes_back or not code.how
    assert len({code.meaning for code in Close}) == len(Close)


def _numbers(node: ast.AST) -> Iterator[int]:
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and type(part.value) is int and 1000 <= part.value <= 4999:
            yield part.value


def _sent(tree: ast.Module) -> Iterator[int]:
    """Numbers given to `close`, `encode_close` and `Violation`, and constants called CLOSE_…"""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("close", "drop", "encode_close", "Violation", "_Close"):
                for argument in node.args:
                    yield from _numbers(argument)
        elif isinstance(node, ast.Assign) and any("CLOSE_" in ast.unparse(target) for target in node.targets):
            yield from _numbers(node.value)


def test_no_code_is_sent_that_is_not_in_the_table() -> None:
    used = {
        number: path.relative_to(SOURCE)
        for path in SOURCE.rglob("*.py")
        if "CLOSE" in (text := path.read_text()) or "close(" in text or "Violation(" in text
        for number in _sent(ast.parse(text))
    }
    assert used
    assert {number: path for number, path in used.items() if number not in set(Close)} == {}
