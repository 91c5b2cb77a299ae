"""The client's own suites in Node: against nothing, and against a server."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.clients.typescript.conftest import PACKAGE, node
from tests.clients.typescript.server import BlockServer, controls

DEADLINE_S = 480.0
KILLS = {"recovery.test.ts", "restart.test.ts"}
SUITES = [
    pytest.param(path.name, marks=[pytest.mark.faults] if path.name in KILLS else [])
    for path in sorted((PACKAGE / "test" / "server").glob("*.test.ts"))
]


async def vitest(project: str, *arguments: str, **environment: str) -> None:
    """Run a project of the client's tests; what failed is what it printed."""
    program = node()
    assert program is not None
    process = await asyncio.create_subprocess_exec(
        program,
        str(PACKAGE / "node_modules" / "vitest" / "vitest.mjs"),
        *("run", "--project", project, "--reporter", "verbose", *arguments),
        cwd=PACKAGE,
        env={
            **os.environ,
            "PATH": f"{Path(program).parent}:{os.environ['PATH']}",
            "NO_COLOR": "1",
            **environment,
        },
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(DEADLINE_S):
            told, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, told.decode(errors="replace")


async def test_there_are_suites():
    assert SUITES


async def test_the_parts_do_what_they_say():
    await vitest("unit")


@pytest.mark.parametrize("suite", SUITES)
async def test_a_suite_passes_against_the_server(server: BlockServer, suite: str):
    async with controls(server) as address:
        await vitest(
            "server",
            f"test/server/{suite}",
            PARLEY_URL=server.url,
            PARLEY_SECRET_KEY=server.secret_key,
            PARLEY_PUBLISHABLE_KEY=server.publishable_key,
            PARLEY_CONTROLS=address,
        )
