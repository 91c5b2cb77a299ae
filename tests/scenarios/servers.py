"""Real `parley serve` processes for tests, on SQLite alone or on PostgreSQL and Redis together."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START_S, STOP_S = 120.0, 40.0
PROGRAM = str(Path(sys.executable).parent / "parley")


@dataclass
class Cluster:
    """Servers that share a database, and perhaps a bus."""

    folder: Path
    options: list[str]
    account: str = field(default_factory=lambda: secrets.token_hex(16))
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    servers: list[Server] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """Only what the servers should see."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")}
        return {
            **clean,
            "PARLEY_BOOTSTRAP_ACCOUNT_ID": self.account,
            "PARLEY_BOOTSTRAP_TOKEN": self.token,
            "PYTHONUNBUFFERED": "1",
        }

    def start(self, *options: str, port: int = 0) -> Server:
        """One more server; returns when it listens."""
        server = Server(self, [*self.options, *options, "--port", str(port)], len(self.servers))
        self.servers.append(server)
        return server

    def demo(self, kind: str = "group_call") -> dict[str, Any]:
        """A meeting with a token for each role."""
        made: dict[str, Any] = self.run("demo", "--kind", kind)
        return made

    def run(self, *words: str) -> Any:
        """A command on the data of the servers; what it printed, decoded where it prints more than a word."""
        options = [word for word in self.options if word not in ("--no-media", "--no-rate-limits")]
        if "--redis-url" in options:
            at = options.index("--redis-url")
            del options[at : at + 2]
        as_json = [] if "revoke" in words else ["--json"]
        command = [PROGRAM, *words, *as_json, *options]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True)
        return json.loads(done.stdout) if as_json else done.stdout


class Server:
    """One running process."""

    def __init__(self, cluster: Cluster, options: list[str], number: int) -> None:
        self.log = cluster.folder / f"server-{number}.log"
        with self.log.open("w") as out:
            self.process = subprocess.Popen(
                [PROGRAM, "serve", *options],
                env=cluster.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        try:
            self.url = self._wait_for_url()
        except BaseException:
            self.kill()
            raise

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rsplit(":", 1)[1])

    def _wait_for_url(self) -> str:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            text = self.log.read_text()
            found = re.search(r"Start page +(http://\S+?)/\n", text)
            if found:
                return found[1]
            assert self.process.poll() is None, f"the server ended:\n{text}"
            time.sleep(0.05)
        raise AssertionError(f"the server did not start:\n{self.log.read_text()}")

    def stop(self) -> int:
        """Ask it to end; returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait(STOP_S)


@contextmanager
def cluster(folder: Path, *options: str) -> Iterator[Cluster]:
    """Servers on one SQLite data folder (one at a time), or with the options of a shared database."""
    made = Cluster(folder, ["--data", str(folder / "data"), *options])
    try:
        yield made
    finally:
        for server in made.servers:
            if server.process.poll() is None:
                server.kill()


def master_key() -> str:
    """A secret key that all servers of a cluster share."""
    return base64.b64encode(secrets.token_bytes(32)).decode()
