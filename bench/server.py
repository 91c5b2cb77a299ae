"""Servers to be measured: `parley serve`, and peers, as processes on free loopback ports."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

START_S = 60.0
STOP_S = 10.0
_ADDRESS = re.compile(rb"https?://[\w.\[\]:]+?:(\d+)")


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    pid: int
    port: int


@dataclass(frozen=True, slots=True)
class ParleyServer(Server):
    """A running Parley."""

    account_id: str
    token: str
    data: Path

    @property
    def url(self) -> str:
        """Where browsers find it."""
        return f"http://localhost:{self.port}"


@contextlib.asynccontextmanager
async def process(command: Sequence[str], environment: dict[str, str], log: Path) -> AsyncIterator[Server]:
    """Run a server that prints its address; ended with SIGTERM.

    Raises:
        RuntimeError: it ended, or printed no address in time; with what it printed.
    """
    with log.open("wb") as errors:
        child = await asyncio.create_subprocess_exec(
            *command,
            env=os.environ | environment | {"PYTHONUNBUFFERED": "1"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
    assert child.stdout is not None
    printed = b""
    drain: asyncio.Task[None] | None = None
    try:
        try:
            async with asyncio.timeout(START_S):
                while (found := _ADDRESS.search(printed)) is None or not printed.endswith(b"\n"):
                    line = await child.stdout.readline()
                    if not line:
                        break
                    printed += line
        except TimeoutError:
            found = None
        if found is None:
            raise RuntimeError(f"{command[0]} did not start:\n{printed.decode()}{_text(log)}")
        drain = asyncio.create_task(_discard(child.stdout))  # a full pipe would stop the server
        yield Server(child.pid, int(found[1]))
    finally:
        if child.returncode is None:
            child.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(child.wait(), STOP_S)
            except TimeoutError:
                child.kill()
                await child.wait()
        if drain is not None:
            await drain


def _text(log: Path) -> str:
    return log.read_text(errors="replace")


async def _discard(stream: asyncio.StreamReader) -> None:
    while await stream.read(65536):
        pass


@contextlib.asynccontextmanager
async def parley(
    data: Path, *flags: str, account: tuple[str, str] | None = None
) -> AsyncIterator[ParleyServer]:
    """`parley serve` on that data folder, with an account (id and API token), which is made when absent."""
    account_id, token = account or (secrets.token_hex(16), secrets.token_urlsafe(32))
    environment = {"PARLEY_BOOTSTRAP_ACCOUNT_ID": account_id, "PARLEY_BOOTSTRAP_TOKEN": token}
    command = [
        str(Path(sys.executable).with_name("parley")),
        "serve",
        "--data",
        str(data),
        "--port",
        "0",
        *flags,
    ]
    async with process(command, environment, data.with_suffix(".log")) as server:
        yield ParleyServer(server.pid, server.port, account_id, token, data)
