"""Message servers that Parley's channels are compared with: fetched at the first use, started on free ports.

Python ones come from the environment of `bench.peers`, Socket.IO from npm, NATS as the Debian package (which
is unpacked, not installed), and the C loop is compiled here.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from bench import peers
from bench.server import START_S, Server, process

HERE = Path(__file__).parent
INSTALL_LIMIT_S = 120
NODE_PACKAGES = ("socket.io@4.8.4",)


class NotHere(Exception):
    """A peer cannot be had on this machine; the text says why."""


def _folder(name: str) -> Path:
    folder = peers.ENVIRONMENT.parent / "bench-peers-realtime" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _run(command: list[str], folder: Path) -> None:
    try:
        subprocess.run(
            command, cwd=folder, check=True, timeout=INSTALL_LIMIT_S, capture_output=True, text=True
        )
    except FileNotFoundError:
        raise NotHere(f"{command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise NotHere(f"{command[0]} took longer than {INSTALL_LIMIT_S} s") from None
    except subprocess.CalledProcessError as failed:
        raise NotHere(f"{command[0]} failed: {failed.stderr.strip()[-200:]}") from None


def nats_program() -> Path:
    """nats-server.

    Raises:
        NotHere: it is not installed, and there is no Debian package of it.
    """
    installed = shutil.which("nats-server")
    if installed:
        return Path(installed)
    folder = _folder("nats")
    program = folder / "usr" / "sbin" / "nats-server"
    if not program.exists():
        print("fetching nats-server ...", file=sys.stderr)
        _run(["apt-get", "download", "nats-server"], folder)
        package = next(folder.glob("nats-server_*.deb"), None)
        if package is None:
            raise NotHere("no Debian package of nats-server")
        _run(["dpkg-deb", "-x", package.name, "."], folder)
        if not program.exists():  # newer packages put it elsewhere
            found = next(folder.rglob("nats-server"), None)
            if found is None:
                raise NotHere("the Debian package holds no nats-server")
            program.parent.mkdir(parents=True, exist_ok=True)
            program.symlink_to(found)
    return program


def node_modules() -> Path:
    """A folder with Socket.IO.

    Raises:
        NotHere: no node or no npm, or npm cannot install it.
    """
    folder = _folder("node")
    stamp = folder / "installed"
    wanted = " ".join(NODE_PACKAGES)
    if not stamp.exists() or stamp.read_text() != wanted:
        if shutil.which("node") is None:
            raise NotHere("node is not installed")
        print("installing Socket.IO ...", file=sys.stderr)
        (folder / "package.json").write_text('{"private": true}')
        _run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", *NODE_PACKAGES], folder)
        stamp.write_text(wanted)
    return folder


def send_loop_program() -> Path:
    """The loop in C.

    Raises:
        NotHere: there is no C compiler.
    """
    source = HERE / "send_loop.c"
    program = _folder("c") / "send_loop"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        _run(["cc", "-O2", "-o", str(program), str(source)], program.parent)
    return program


@contextlib.asynccontextmanager
async def socket_io(logs: Path) -> AsyncIterator[Server]:
    """Socket.IO on Node, websocket transport only."""
    folder = node_modules()
    script = folder / "socket_io.mjs"  # beside its packages, where node looks for them
    shutil.copyfile(HERE / "socket_io.mjs", script)
    async with process(["node", str(script)], {}, logs / "socket_io.log") as server:
        yield server


@contextlib.asynccontextmanager
async def nats(logs: Path) -> AsyncIterator[Server]:
    """nats-server with its WebSocket listener."""
    program = nats_program()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = logs / "nats.conf"
    settings.write_text(
        f"listen: 127.0.0.1:-1\nwebsocket {{ host: 127.0.0.1, port: {port}, no_tls: true }}\n"
        "max_connections: 16000\nmax_pending: 512MB\n"
    )
    # It prints its address on stderr in its own form; this says it where `process` looks for it.
    command = [
        "sh",
        "-c",
        f'echo "http://127.0.0.1:{port}"; exec "$0" "$@"',
        str(program),
        "-c",
        str(settings),
    ]
    async with process(command, {}, logs / "nats.log") as server:
        await _listening(port)
        yield server


async def _listening(port: int) -> None:
    async with asyncio.timeout(START_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


@contextlib.asynccontextmanager
async def send_loop(logs: Path) -> AsyncIterator[Server]:
    """One `send()` per delivery, in C: the floor of whoever does not join messages."""
    async with process([str(send_loop_program())], {}, logs / "send_loop.log") as server:
        yield server


@contextlib.asynccontextmanager
async def of_python(script: str, logs: Path) -> AsyncIterator[Server]:
    """A script of `bench/peers` in the peers' environment.

    Raises:
        NotHere: the packages cannot be installed.
    """
    try:
        program = peers.python()
    except (subprocess.SubprocessError, OSError) as failed:
        raise NotHere(f"the peers' packages cannot be installed: {failed}") from failed
    async with process([str(program), str(HERE / script)], {}, logs / f"{script}.log") as server:
        yield server
