"""Every example of the client's README runs."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from tests.clients.python.conftest import Served

README = Path(__file__).parents[3] / "clients" / "python" / "README.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
LIMIT_S = 30.0


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 5


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
async def test_an_example_runs(served: Served, number: int) -> None:
    known = {
        "server": served.url,
        "pk_key": served.publishable,
        "sk_key": served.secret,
        "app_id": served.app_id,
        "user_token": served.user_token("ann"),
    }
    code = compile(EXAMPLES[number], f"{README}, example {number + 1}", "exec")
    # In a thread, because examples bring their own event loop.
    async with asyncio.timeout(LIMIT_S):
        await asyncio.to_thread(exec, code, known)
