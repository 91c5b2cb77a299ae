"""A network between an upload and its storage that can break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from parley.base.tasks import cancel_and_wait

CHUNK = 64 * 1024


class Relay:
    """Carries bytes to a server, until it is told not to."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.cuts = 0
        self.cut_after: int | None = None
        """Bytes towards the server after which a connection is reset; None carries everything."""
        self.most_cuts = 1
        """Connections that are reset; the others are not."""

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        far_reader, far_writer = await asyncio.open_connection(*self._to)
        back = asyncio.create_task(self._carry(far_reader, writer, None))
        try:
            await self._carry(reader, far_writer, self.cut_after)
        finally:
            await cancel_and_wait([back])
            for each in (writer, far_writer):
                each.transport.abort()
            self._tasks.discard(task)

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int | None
    ) -> None:
        carried = 0
        try:
            while data := await reader.read(CHUNK):
                carried += len(data)
                if limit is not None and carried > limit and self.cuts < self.most_cuts:
                    self.cuts += 1
                    return
                writer.write(data)
                await writer.drain()
        except OSError:
            pass

    async def end(self) -> None:
        """Reset everything."""
        await cancel_and_wait(list(self._tasks))


@asynccontextmanager
async def relay(host: str, port: int) -> AsyncIterator[Relay]:
    """A relay to that server."""
    made = Relay(host, port)
    server = await asyncio.start_server(made.accept, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await made.end()
        await server.wait_closed()
