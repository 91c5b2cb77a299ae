"""`parley serve` processes that are killed and started again, behind one address."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import random
import re
import sys
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path

START_S = 120.0
STOP_S = 40.0
_ADDRESS = re.compile(r"http://localhost:(\d+)/")


class Balancer:
    """One address in front of several servers; a connection goes to any that listens."""

    def __init__(self, chance: random.Random) -> None:
        self.ports: set[int] = set()
        """Of the servers that are believed to listen."""
        self._chance = chance
        self._ends: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    async def __aenter__(self) -> Balancer:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._ends):
            task.cancel()
        await asyncio.gather(*self._ends, return_exceptions=True)

    @property
    def url(self) -> str:
        """Where clients find the servers."""
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self) -> None:
        """Break every connection, as a network does; the servers live on."""
        for task in list(self._ends):
            task.cancel()

    async def _accepted(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._ends.add(task)
        try:
            await self._join(reader, writer)
        except asyncio.CancelledError:
            pass  # cut; asyncio's own callback would call it an error
        finally:
            self._ends.discard(task)
            writer.transport.abort()

    async def _join(self, reader: StreamReader, writer: StreamWriter) -> None:
        for port in self._chance.sample(sorted(self.ports), len(self.ports)):
            with contextlib.suppress(OSError):
                theirs, ours = await asyncio.open_connection("127.0.0.1", port)
                pumps = [
                    asyncio.create_task(_pump(reader, ours)),
                    asyncio.create_task(_pump(theirs, writer)),
                ]
                try:
                    # The first end that is gone ends both: a killed server must look killed.
                    await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for pump in pumps:
                        pump.cancel()
                    ours.transport.abort()
                return


async def _pump(reader: StreamReader, writer: StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


def _serve(arguments: tuple[str, ...], environment: Mapping[str, str], log: Path) -> None:
    """`parley serve`, in a process that has imported it already."""
    os.environ.update(environment)
    with log.open("wb", buffering=0) as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    sys.argv = ["parley", "serve", *arguments]
    from parley.server.cli import main

    main()


_processes = multiprocessing.get_context("forkserver")
# A start costs two seconds of CPU, nearly all of it imports; forked from a process that has them, a fifth.
_processes.set_forkserver_preload(
    ["parley.server.cli", "parley.server.serve", "parley.store.engine.postgres", "parley.bus.redis"]
)


class Killed:
    """One place for a server process: start, kill -9, start again."""

    def __init__(
        self,
        folder: Path,
        options: tuple[str, ...],
        balancer: Balancer,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = folder
        self._options = options
        self._balancer = balancer
        self._environment = environment or {}
        self._process: ForkServerProcess | None = None
        self._port = 0
        self._lives = 0

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        assert self._process.pid is not None
        return self._process.pid

    async def start(self) -> None:
        """Start a process and wait until it listens.

        Raises:
            RuntimeError: it does not; with what it printed.
        """
        self._folder.mkdir(exist_ok=True)
        self._lives += 1
        log = self._folder / f"serve-{self._lives}.log"
        arguments = ("--data", str(self._folder), "--port", "0", "--no-demo", *self._options)
        process = self._process = _processes.Process(
            target=_serve, args=(arguments, self._environment, log), daemon=True
        )
        await asyncio.to_thread(process.start)
        try:
            async with asyncio.timeout(START_S):
                while (found := _ADDRESS.search(_text(log))) is None:
                    if process.exitcode is not None:
                        raise TimeoutError
                    await asyncio.sleep(0.02)
        except TimeoutError:
            await self.kill()
            raise RuntimeError(f"no server:\n{_text(log)}") from None
        self._port = int(found[1])
        self._balancer.ports.add(self._port)

    async def kill(self) -> None:
        """End the process as a crash would."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        await asyncio.to_thread(process.join, STOP_S)
        self._balancer.ports.discard(self._port)


def _text(log: Path) -> str:
    return log.read_text(errors="replace") if log.exists() else ""


@contextlib.asynccontextmanager
async def killed_at_the_end(servers: list[Killed]) -> AsyncIterator[None]:
    """Leave no process behind."""
    try:
        yield
    finally:
        await asyncio.gather(*(server.kill() for server in servers))
