"""Runs suites of the published client."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest

from parley.accounts.keys import NewKeys
from tests.wire.block.serving import Person

FOLDER = Path(__file__).parent
DEADLINE_S = 60.0


class Served(Protocol):
    """An app on a server."""

    @property
    def origin(self) -> str: ...

    @property
    def keys(self) -> NewKeys: ...

    def person(self, name: str) -> Person: ...


def node() -> str:
    """Node of the virtual environment, or the system's."""
    beside = Path(sys.executable).parent / "node"
    found = str(beside) if beside.exists() else shutil.which("node")
    if found is None:
        pytest.skip("no Node.js")
    if not (FOLDER / "node_modules" / "@23blocks").exists():
        pytest.skip("the published client is not installed: npm ci in tests/wire/block/client")
    return found


async def run_suite(
    block: Served, suite: str, *, people: Sequence[str] = (), services: Sequence[str] = (), **given: Any
) -> Any:
    """What a suite told.

    Args:
        block: where the client calls.
        suite: the name of its file.
        people: names of those who must have tokens.
        services: of the client, or single methods (`users.list`); every one must have been called, and have
            answered.
        given: what the suite needs to know beside keys and people.
    """
    told, called, known = await _run(block, suite, people, given)
    expected = {one for one in known if one in services or one.partition(".")[0] in services}
    assert expected, f"the client has none of {services}"
    assert expected <= called, f"never called: {', '.join(sorted(expected - called))}"
    return told


async def methods_of_the_client(block: Served) -> set[str]:
    """Every method of every service of the client."""
    return (await _run(block, "methods", (), {}))[2]


async def _run(
    block: Served, suite: str, people: Sequence[str], given: dict[str, Any]
) -> tuple[Any, set[str], set[str]]:
    named = {name: block.person(name) for name in people}
    knows = {
        "sk": block.keys.secret,
        "pk": block.keys.publishable,
        "people": {name: {"id": one.id, "token": one.token} for name, one in named.items()},
        **given,
    }
    process = await asyncio.create_subprocess_exec(
        node(),
        str(FOLDER / "run.mjs"),
        *(suite, block.origin),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            out, problems = await process.communicate(json.dumps(knows).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, problems.decode()
    answer = json.loads(out)
    return answer["told"], set(answer["called"]), set(answer["known"])
