"""Private database and bus servers for tests: started on a unix socket in a fresh folder, removed afterwards.

Both are context managers that skip the asking test, with the reason, when the binaries are not installed::

    @pytest.fixture(scope="session")
    def postgres() -> Iterator[PostgresServer]:
        with postgres_server() as server:
            yield server

    async def test_something(postgres: PostgresServer) -> None:
        connection = await asyncpg.connect(postgres.url(postgres.create_database()))

`stop()`, `start()`, `pause()` and `resume()` are there for outage tests. No TCP port is opened, so suites can
run side by side.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

START_TIMEOUT_S = 60.0  # initdb and the first start on a loaded two-core machine
STOP_TIMEOUT_S = 10.0


class _Server:
    """A child process that can be stopped and started again on the same folder."""

    crash: ClassVar[signal.Signals] = signal.SIGKILL
    """Ends it without time to tidy up."""

    def __init__(self, folder: Path, command: list[str], *, account: pwd.struct_passwd | None = None) -> None:
        self.folder = folder
        self._command = command
        self._account = account
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def socket_path(self) -> Path:
        raise NotImplementedError

    def _answers(self) -> bool:
        """Whether the server takes requests now."""
        raise NotImplementedError

    def start(self) -> None:
        """Start and wait until it answers."""
        log = self.folder / "log"
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, **_as_user(self._account)
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{self._command[0]} did not start:\n{log.read_text(errors='replace')}")
            time.sleep(0.01)

    def stop(self, how: signal.Signals | None = None) -> None:
        """End the process, by default as a crash would."""
        if self._process is None:
            return
        self.resume()
        self._process.send_signal(how or self.crash)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(STOP_TIMEOUT_S)
        self._process = None
        with contextlib.suppress(FileNotFoundError):
            self.socket_path.unlink()

    def restart(self) -> None:
        """Crash and start again."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze the process: connections stay open and nobody answers."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Undo `pause`."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)

    def _connects(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.settimeout(1)
                probe.connect(str(self.socket_path))
                return True
        except OSError:
            return False


class RedisServer(_Server):
    """One redis-server that keeps nothing on disk: after `restart()` it is empty."""

    @property
    def socket_path(self) -> Path:
        return self.folder / "redis.sock"

    @property
    def url(self) -> str:
        """For `redis.asyncio.from_url` and `RedisBus`."""
        return f"unix://{self.socket_path}"

    def _answers(self) -> bool:
        return self._connects()


class PostgresServer(_Server):
    """One PostgreSQL cluster; superuser `parley`, no password, not safe against power loss."""

    crash = (
        signal.SIGQUIT
    )  # "immediate": recovers from its log at the next start; SIGKILL would orphan its workers

    @property
    def socket_path(self) -> Path:
        return self.folder / ".s.PGSQL.5432"

    def url(self, database: str = "postgres") -> str:
        """A libpq URL; asyncpg takes it as it stands."""
        return f"postgresql://parley@/{database}?host={self.folder}&port=5432"

    def create_database(self) -> str:
        """Make an empty database (UTF-8) and return its name."""
        name = f"t_{uuid.uuid4().hex[:12]}"
        self.run_sql(f'CREATE DATABASE "{name}"')
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database, closing its connections."""
        self.run_sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def run_sql(self, statement: str, database: str = "postgres") -> str:
        """Run one statement with psql; returns its unaligned output."""
        psql = Path(self._command[0]).with_name("psql")
        done = subprocess.run(
            [str(psql), "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", self.url(database), "-c", statement],
            check=False,
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_S,
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    def _answers(self) -> bool:
        probe = Path(self._command[0]).with_name("pg_isready")
        command = [str(probe), "-q", "-h", str(self.folder), "-p", "5432"]
        return (
            self._connects() and not subprocess.run(command, check=False, timeout=START_TIMEOUT_S).returncode
        )


@contextlib.contextmanager
def redis_server() -> Iterator[RedisServer]:
    """A running, empty redis-server; skips when it is not installed."""
    binary = shutil.which("redis-server") or shutil.which("valkey-server")
    if binary is None:
        pytest.skip("redis-server is not installed")
    with _folder() as folder:
        options = {
            "port": "0",
            "unixsocket": str(folder / "redis.sock"),
            "save": "",
            "appendonly": "no",
            "dir": str(folder),
        }
        arguments = [word for key, value in options.items() for word in (f"--{key}", value)]
        server = RedisServer(folder, [binary, *arguments])
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A running PostgreSQL with an empty cluster; skips when it is not installed."""
    binaries = _postgres_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL server binaries are not installed")
    account = _unprivileged_account()
    with _folder() as folder:
        if account is not None:
            os.chown(folder, account.pw_uid, account.pw_gid)
        subprocess.run(
            [
                binaries / "initdb",
                "-D",
                folder / "data",
                "-U",
                "parley",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C",
                "--no-sync",
            ],
            check=True,
            capture_output=True,
            timeout=START_TIMEOUT_S * 2,
            cwd=folder,
            **_as_user(account),
        )
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(folder),
            "port": "5432",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "autovacuum": "off",
            "shared_buffers": "32MB",
            "max_connections": "60",
        }
        arguments = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        server = PostgresServer(
            folder, [str(binaries / "postgres"), "-D", str(folder / "data"), *arguments], account=account
        )
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A short path: unix socket addresses hold 107 bytes, which pytest's own folders can exceed."""
    folder = Path(tempfile.mkdtemp(prefix="parley-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _postgres_binaries() -> Path | None:
    """The newest installed version; distributions keep server binaries off the path."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    on_path = shutil.which("initdb")
    if on_path:
        found.append(Path(on_path).resolve().parent)
    return max(found, key=lambda path: [int(n) for n in re.findall(r"\d+", str(path))], default=None)


def _unprivileged_account() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root, so root hands it to another account."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    pytest.skip("PostgreSQL refuses root and there is no other account")


def _as_user(account: pwd.struct_passwd | None) -> dict[str, Any]:
    return {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
