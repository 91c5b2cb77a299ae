"""`parley` as a process: the command line, and a server that can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

START_TIMEOUT_S = 120.0  # migrations on a loaded two-core machine
STOP_TIMEOUT_S = 40.0
ACCOUNT = "0123456789abcdef0123456789abcdef"
TOKEN = "a-token-for-scripts-0123456789"


class Finished(NamedTuple):
    """A command that ended."""

    code: int
    out: str
    err: str


def environment(**variables: str) -> dict[str, str]:
    """This process's, without settings of Parley."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")}
    return {**kept, **variables}


async def parley(*arguments: str, **variables: str) -> Finished:
    """Run a command to its end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from parley.server.cli import main; main()",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(**variables),
    )
    out, err = await asyncio.wait_for(process.communicate(), START_TIMEOUT_S)
    assert process.returncode is not None
    return Finished(process.returncode, out.decode(), err.decode())


class RunningServer:
    """`parley serve`, listening."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, log: Path) -> None:
        self.process = process
        self.url = url
        self._log = log

    @property
    def log(self) -> str:
        """Everything it wrote so far, addresses included."""
        return self._log.read_text(errors="replace")

    async def kill(self) -> None:
        """End it without time to tidy up."""
        self.process.kill()
        await asyncio.wait_for(self.process.wait(), STOP_TIMEOUT_S)

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop; returns its exit status."""
        if self.process.returncode is None:
            self.process.send_signal(how)
        return await asyncio.wait_for(self.process.wait(), STOP_TIMEOUT_S)


@contextlib.asynccontextmanager
async def serving(data: Path, *options: str) -> AsyncIterator[RunningServer]:
    """A server on a free port and a data folder, without media; killed at the end if it still runs."""
    data.mkdir(exist_ok=True)  # noqa: ASYNC240 - nothing else runs yet
    log = data / "serve.log"
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "from parley.server.cli import main; main()",
            *("serve", "--data", str(data), "--port", "0", "--no-media", "--no-demo", *options),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=environment(PARLEY_BOOTSTRAP_ACCOUNT_ID=ACCOUNT, PARLEY_BOOTSTRAP_TOKEN=TOKEN),
        )
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while not (found := re.search(r"Start page\s+http://localhost:(\d+)/", log.read_text())):
                assert process.returncode is None, log.read_text()
                await asyncio.sleep(0.02)
        yield RunningServer(process, f"http://127.0.0.1:{found[1]}", log)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
