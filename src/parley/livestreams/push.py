"""The way of a stream to an RTMP server outside.

An encoder speaks to a port of this process, and this process to the server: it looks up the name, minds the
outgoing policy for the address that it really connects to, and does TLS.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import NamedTuple
from urllib.parse import urlsplit

import structlog

from parley.base.errors import Invalid, ParleyError
from parley.base.tasks import cancel_and_wait
from parley.outgoing.http import OutgoingPolicy
from parley.outgoing.sockets import close_writer, open_socket

log = structlog.get_logger(__name__)
CONNECT_S = 10.0
CHUNK = 65_536
_PORTS = {"rtmp": 1935, "rtmps": 443}


class Target(NamedTuple):
    """An RTMP URL."""

    host: str
    port: int
    is_tls: bool
    path: str
    """From the application on, with the stream's name and any query."""
    tc_url: str
    """Without the stream's name, as the protocol wants it told."""

    @classmethod
    def of(cls, url: str) -> Target:
        """Read a URL.

        Raises:
            Invalid: it is none of RTMP.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as wrong:
            raise Invalid("The RTMP URL cannot be read.", field="rtmp_url") from wrong
        path = parts.path.strip("/") + (f"?{parts.query}" if parts.query else "")
        if parts.scheme not in _PORTS or not parts.hostname or "/" not in path:
            raise Invalid("An RTMP URL looks like rtmp://host/application/name.", field="rtmp_url")
        folders = parts.path.strip("/").split("/")
        application = "/".join(folders[: 1 if len(folders) < 3 else 2])
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        at = f"{host}:{port}" if port else host
        return cls(
            parts.hostname,
            port or _PORTS[parts.scheme],
            parts.scheme == "rtmps",
            path,
            f"{parts.scheme}://{at}/{application}",
        )


class PushRelay:
    """One way out; the encoder may come again and again."""

    def __init__(self, target: Target, policy: OutgoingPolicy) -> None:
        self._target, self._policy = target, policy
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.problem: str | None = None
        """Why the server was not reached the last time."""

    async def open(self) -> None:
        """Take the encoder's connections."""
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)

    @property
    def url(self) -> str:
        """Where the encoder pushes to."""
        assert self._server is not None
        return f"rtmp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/{self._target.path}"

    async def close(self) -> None:
        """End it; may be called twice."""
        if self._server is not None:
            self._server.close()
        await cancel_and_wait(list(self._tasks))

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer), name="rtmp relay")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await self._connect()
        except (ParleyError, OSError) as failed:
            why = failed.message if isinstance(failed, ParleyError) else str(failed)
            self.problem = f"The RTMP server {self._target.host} cannot be reached: {why}."
            await close_writer(writer)
            return
        self.problem = None
        ways = [asyncio.create_task(_carry(reader, back)), asyncio.create_task(_carry(there, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel_and_wait(ways)
            await close_writer(writer)
            await close_writer(back)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        target = self._target
        connected = await open_socket(self._policy, target.host, target.port, timeout_s=CONNECT_S)
        if not target.is_tls:
            return await asyncio.open_connection(sock=connected)
        async with asyncio.timeout(CONNECT_S):
            return await asyncio.open_connection(
                sock=connected, ssl=ssl.create_default_context(), server_hostname=target.host
            )


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
