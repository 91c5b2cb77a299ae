"""`parley serve` as a process of its own, that can be killed and started again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 40.0
PROGRAM = Path(sys.executable).with_name("parley")


class ParleyServer:
    """A server on a data folder; the address stays the same over restarts."""

    def __init__(self, data: Path, *, rtp_ports: str) -> None:
        self.data = data
        self.account_id = secrets.token_hex(16)
        self.api_token = secrets.token_urlsafe(32)
        self.url = ""
        self._rtp_ports = rtp_ports
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """Everything the server printed."""
        return self.data.with_suffix(".log")

    @property
    def pid(self) -> int:
        """Of the running server."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start, and wait until it has said that it listens."""
        port = urlsplit(self.url).port or 0
        command = [str(PROGRAM), "serve", "--data", str(self.data), "--port", str(port)]
        command += ["--rtp-ports", self._rtp_ports, "--log-level", "debug"]
        environment = os.environ | {
            "PARLEY_BOOTSTRAP_ACCOUNT_ID": self.account_id,
            "PARLEY_BOOTSTRAP_TOKEN": self.api_token,
        }
        seen = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - takes a millisecond
                command, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        async with asyncio.timeout(START_TIMEOUT_S):
            while not (found := re.search(rb"Start page +(\S+)/\n", self.log.read_bytes()[seen:])):
                if self._process.poll() is not None:
                    raise RuntimeError(f"The server ended:\n{self.log.read_text(errors='replace')[-4000:]}")
                await asyncio.sleep(0.05)
        self.url = found[1].decode()

    async def stop(self) -> None:
        """End it in an orderly way."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """End it as a power cut would, its children included."""
        children = self.children()
        await self._end(signal.SIGKILL)
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

    async def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            await asyncio.to_thread(process.wait, STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)
            raise

    def children(self) -> list[int]:
        """Process ids of its children."""
        listed = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        found = {int(pid) for pid in listed.read_text().split()}
        for task in Path(f"/proc/{self.pid}/task").iterdir():  # a thread may have started it
            with contextlib.suppress(FileNotFoundError):
                found |= {int(pid) for pid in (task / "children").read_text().split()}
        return sorted(found)

    def janus(self) -> int:
        """Process id of the media engine."""
        return next(pid for pid in self.children() if _program(pid) == "janus")


def _program(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except FileNotFoundError:
        return ""
