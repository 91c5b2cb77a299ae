"""Every example of the documentation is run as it stands, or says why not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.examples import ROOT, Example, examples_in, pages, python_program

EXAMPLE_TIMEOUT_S = 120.0

SHELL = [
    example
    for page in pages()
    for example in examples_in(page)
    if example.run and example.language != "python"
]
PROGRAMS = [page for page in pages() if python_program(page)]


def run(argv: list[str], program: str, environment: dict[str, str], folder: Path, place: str) -> None:
    """Run a program given on standard input in an empty folder; fail with everything it printed."""
    done = subprocess.run(
        argv,
        input=program,
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=EXAMPLE_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, f"the example at {place} failed:\n{done.stdout}"


@pytest.mark.parametrize("page", PROGRAMS, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_examples_of_a_page_run(
    page: Path, example_environment: dict[str, str], tmp_path: Path
) -> None:
    run([sys.executable, "-"], python_program(page), example_environment, tmp_path, str(page))


@pytest.mark.parametrize("example", SHELL, ids=str)
def test_shell_example_runs(example: Example, example_environment: dict[str, str], tmp_path: Path) -> None:
    run(["bash", "-eu", "-o", "pipefail"], example.text, example_environment, tmp_path, str(example))


def test_every_example_is_run_or_says_why_not() -> None:
    silent = [
        str(example)
        for page in pages()
        for example in examples_in(page)
        if not example.run and not example.reason
    ]
    assert not silent, f"put `<!-- run -->` or `<!-- not run: why -->` before: {', '.join(silent)}"


PAGE = """
<!-- run -->
```python
first = 1
```

<!-- not run: it needs a host name -->
```bash
curl https://example.org
```

- in a list

    <!-- run -->

    ```python
    second = first
    ```

```text
no program
```

```sh
forgotten
```
"""


def test_marks_are_read_with_languages_lines_and_indentation() -> None:
    found = examples_in(ROOT / "page.md", PAGE)
    assert [(e.language, e.line, e.text, e.run, e.reason) for e in found] == [
        ("python", 4, "first = 1\n", True, ""),
        ("bash", 9, "curl https://example.org\n", False, "it needs a host name"),
        ("python", 17, "second = first\n", True, ""),
        ("sh", 25, "forgotten\n", False, ""),
    ]


def test_python_examples_keep_their_line_numbers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    lines = python_program(page).splitlines()
    assert (lines[3], lines[16]) == ("first = 1", "second = first")
    assert not any(lines[4:16])


def test_an_open_block_is_an_error() -> None:
    with pytest.raises(ValueError, match="not closed"):
        examples_in(ROOT / "page.md", "```python\nx = 1\n")
