"""Finding the examples of a Markdown page.

A comment before a fenced Python or shell block says what the tests do with it::

    <!-- run -->
    <!-- not run: it needs a public host name -->

The comment is invisible in the rendered page. On one page the Python blocks form one program, in order; each
shell block is a program of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUNNABLE = frozenset({"python", "bash", "sh", "shell", "console"})
_FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<language>[\w-]*)")
_MARK = re.compile(r"^\s*<!-- (?P<run>run|not run: (?P<reason>\S.*)) -->\s*$")


@dataclass(frozen=True, slots=True)
class Example:
    """One fenced block."""

    page: Path
    line: int
    """Number of its first line inside the fence."""
    language: str
    text: str
    run: bool
    reason: str
    """Why it is not run; empty when it is, or when nobody said."""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """README and the written pages of the documentation."""
    written = (path for path in (ROOT / "docs").rglob("*.md") if "reference" not in path.parts)
    return [ROOT / "README.md", *sorted(written)]


def examples_in(page: Path, text: str | None = None) -> list[Example]:
    """The Python and shell blocks of a page, in order.

    Raises:
        ValueError: a fence is not closed.
    """
    lines = (page.read_text(encoding="utf-8") if text is None else text).splitlines()
    found: list[Example] = []
    mark: re.Match[str] | None = None
    number = 0
    while number < len(lines):
        fence = _FENCE.match(lines[number])
        if fence is None:
            if lines[number].strip():
                mark = _MARK.match(lines[number])
            number += 1
            continue
        start = number + 1
        closing = re.compile(rf"^ *{fence['ticks']}`*\s*$")
        number = next((n for n in range(start, len(lines)) if closing.match(lines[n])), -1)
        if number < 0:
            raise ValueError(f"{page}:{start}: the block is not closed")
        if fence["language"] in RUNNABLE:
            body = [line.removeprefix(fence["indent"]) for line in lines[start:number]]
            found.append(
                Example(
                    page=page,
                    line=start + 1,
                    language=fence["language"],
                    text="\n".join(body) + "\n",
                    run=mark is not None and mark["reason"] is None,
                    reason=(mark["reason"] or "") if mark else "",
                )
            )
        mark = None
        number += 1
    return found


def python_program(page: Path) -> str:
    """All Python examples of a page that run, at the line numbers that they have on the page."""
    program: list[str] = []
    for example in examples_in(page):
        if example.run and example.language == "python":
            program += [""] * (example.line - 1 - len(program)) + example.text.splitlines()
    return "\n".join(program) + "\n" if program else ""
