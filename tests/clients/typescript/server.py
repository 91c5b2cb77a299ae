"""`parley serve` with an app of the Real Time Block, to be killed and started again on the same address."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from tests.clients.apps import make_unlimited_app

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 40.0
PROGRAM = Path(sys.executable).with_name("parley")


class BlockServer:
    """A server on a data folder; without `rtp_ports` it has no media engine."""

    def __init__(self, data: Path, *, rtp_ports: str | None = None) -> None:
        self.data = data
        self._media = ["--no-media"] if rtp_ports is None else ["--rtp-ports", rtp_ports]
        self.url = ""
        self.secret_key = ""
        self.publishable_key = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """Everything the server printed."""
        return self.data.with_suffix(".log")

    @property
    def is_running(self) -> bool:
        """Whether it has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    async def start(self) -> None:
        """Start, and wait until it has said that it listens; the first time, make keys."""
        port = urlsplit(self.url).port or 0
        command = [str(PROGRAM), "serve", "--data", str(self.data), "--port", str(port)]
        command += [*self._media, "--no-demo", "--log-level", "debug"]
        seen = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - takes a millisecond
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        async with asyncio.timeout(START_TIMEOUT_S):
            while not (found := re.search(rb"Start page +(\S+)/\n", self.log.read_bytes()[seen:])):
                if self._process.poll() is not None:
                    raise RuntimeError(f"The server ended:\n{self.log.read_text(errors='replace')[-4000:]}")
                await asyncio.sleep(0.05)
        self.url = found[1].decode()
        if not self.secret_key:
            await self._make_keys()

    async def _make_keys(self) -> None:
        command = ["keys", "create", "--data", str(self.data), "--dialect", "block", "--json"]
        process = await asyncio.create_subprocess_exec(
            str(PROGRAM), *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, problems = await asyncio.wait_for(process.communicate(), START_TIMEOUT_S)
        assert process.returncode == 0, problems.decode()
        made = json.loads(out)
        self.secret_key, self.publishable_key = made["secret_key"], made["publishable_key"]

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it; with SIGKILL as a power cut would."""
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


@asynccontextmanager
async def controls(server: BlockServer) -> AsyncIterator[str]:
    """An address by which a suite kills (`/kill`), stops (`/stop`) and starts (`/start`) the server.

    `/app` makes an app without limits, and tells its keys.
    """

    async def control(request: web.Request) -> web.Response:
        action = request.match_info["action"]
        if action == "app":
            return web.json_response((await make_unlimited_app(server.data))._asdict())
        if action == "start":
            await server.start()
        else:
            await server.stop(signal.SIGKILL if action == "kill" else signal.SIGTERM)
        return web.Response()

    app = web.Application()
    app.router.add_post("/{action:app|kill|stop|start}", control)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
