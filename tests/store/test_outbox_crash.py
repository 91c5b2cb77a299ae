from __future__ import annotations

import asyncio
import random
import signal
import sys
from pathlib import Path

import pytest

from tests.store.outbox_victim import note
from tests.store.rows import ids

pytestmark = pytest.mark.faults


async def test_each_committed_change_is_seen_once_although_processes_are_killed(
    store, database_url, tmp_path
):
    """Killed after a random number of commits, at any place between commit and dispatch; then drained."""
    await store.database.close()  # SQLite has one server process at a time
    dice = random.Random(11)
    for run in range(4):
        victim = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.store.outbox_victim",
            database_url,
            str(run),
            str(tmp_path / "blobs"),
            stdout=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        assert victim.stdout is not None
        async with asyncio.timeout(30):
            await victim.stdout.readexactly(dice.randrange(1, 120))
            victim.send_signal(signal.SIGKILL)
            await victim.stdout.read()
            await victim.wait()
    await store.database.open()
    store.outbox.consume(note)
    await store.outbox.drain()
    stored = await ids(store.database)
    changed = sorted(row.removeprefix("change/") for row in stored if row.startswith("change/"))
    seen = sorted(row.removeprefix("seen/") for row in stored if row.startswith("seen/"))
    assert {row.split("/")[0] for row in changed} == {"0", "1", "2", "3"}
    assert seen == changed
