"""An HTTP proxy on the loopback for libraries that open connections themselves (`design.md` section 7).

A library that resolves names on its own cannot be told which addresses it may use, but it can be given a
proxy. This one knows `CONNECT` (RFC 9110 section 9.3.6) and nothing else: https goes through, each connection
only to an address that the policy allows at that moment, redirects included, and plain http does not.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import re
import secrets
from collections.abc import Callable
from types import TracebackType
from typing import Self

from parley.base.tasks import cancel_and_wait
from parley.outgoing.http import OutgoingPolicy
from parley.outgoing.ports import AddressRefused, OutgoingError
from parley.outgoing.sockets import close_writer, open_socket

MAX_HEAD_BYTES = 8 * 1024
HEAD_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 10.0
QUIET_TIMEOUT_S = 300.0
"""A connection on which nothing is sent or received for so long is closed."""
CHUNK_BYTES = 256 * 1024
_CONNECT = re.compile(rb"CONNECT \[?([^\s\[\]]+?)\]?:(\d{1,5}) HTTP/1\.[01]\r\n")
_AUTHORIZATION = re.compile(rb"\r\nproxy-authorization: *basic +([A-Za-z0-9+/=]+)\r\n", re.IGNORECASE)


class Gate:
    """The proxy, open as long as its block runs; nobody without its password is let through."""

    def __init__(self, policy: OutgoingPolicy, *, most_received: int) -> None:
        """Prepare.

        Args:
            policy: looked at for each connection.
            most_received: bytes that all servers together may send, until `expect` adds some: the library
                may keep whatever comes in memory.
        """
        self._policy = policy
        self._left = most_received
        self._password = secrets.token_urlsafe(24)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.failure: OutgoingError | AddressRefused | None = None
        """Why the newest connection could not be made; None when it could."""

    @property
    def url(self) -> str:
        """What the library is to be given."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return f"http://gate:{self._password}@127.0.0.1:{port}"

    def expect(self, size: int) -> None:
        """Let servers send that many bytes more."""
        self._left += size

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0, limit=CHUNK_BYTES)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await cancel_and_wait(list(self._tasks))
        await self._server.wait_closed()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer), name="outgoing gate")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            # Whatever a peer does ends its own connection and nothing else.
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
                async with asyncio.timeout(HEAD_TIMEOUT_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                await self._answer(head, reader, writer)
        finally:
            await close_writer(writer)

    async def _answer(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked, given = _CONNECT.match(head), _AUTHORIZATION.search(head)
        expected = base64.b64encode(f"gate:{self._password}".encode())
        if given is None or not hmac.compare_digest(given[1], expected):
            writer.write(b'HTTP/1.1 407 No password\r\nProxy-Authenticate: Basic realm="gate"\r\n\r\n')
            return
        if asked is None or len(head) > MAX_HEAD_BYTES:
            writer.write(b"HTTP/1.1 405 CONNECT only\r\nAllow: CONNECT\r\n\r\n")
            return
        host, port = asked[1].decode("ascii", "replace"), int(asked[2])
        try:
            opened = await open_socket(self._policy, host, port, timeout_s=CONNECT_TIMEOUT_S)
        except (AddressRefused, OutgoingError) as failure:
            self.failure = failure
            status = b"403 Not allowed" if isinstance(failure, AddressRefused) else b"502 No connection"
            writer.write(b"HTTP/1.1 " + status + b"\r\n\r\n")
            return
        if self._left >= 0:
            self.failure = None
        far_reader, far_writer = await asyncio.open_connection(sock=opened, limit=CHUNK_BYTES)
        try:
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            await _relay(reader, writer, far_reader, far_writer, self._received)
        finally:
            await close_writer(far_writer)

    def _received(self, size: int) -> bool:
        """Count what a server sent; False when it is too much."""
        self._left -= size
        if self._left < 0:
            self.failure = OutgoingError("it sends more than was asked for")
        return self._left >= 0


async def _relay(
    near_reader: asyncio.StreamReader,
    near_writer: asyncio.StreamWriter,
    far_reader: asyncio.StreamReader,
    far_writer: asyncio.StreamWriter,
    received: Callable[[int], bool],
) -> None:
    """Carry bytes both ways until either side has ended, or nothing has moved for `QUIET_TIMEOUT_S`."""
    async with asyncio.timeout(QUIET_TIMEOUT_S) as quiet:
        ways = [
            asyncio.create_task(_carry(near_reader, far_writer, quiet, lambda size: True)),
            asyncio.create_task(_carry(far_reader, near_writer, quiet, received)),
        ]
        try:
            done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in done:
                way.result()
        finally:
            await cancel_and_wait(ways)


async def _carry(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    quiet: asyncio.Timeout,
    may_pass: Callable[[int], bool],
) -> None:
    loop = asyncio.get_running_loop()
    while (data := await reader.read(CHUNK_BYTES)) and may_pass(len(data)):
        quiet.reschedule(loop.time() + QUIET_TIMEOUT_S)
        writer.write(data)
        await writer.drain()
        quiet.reschedule(loop.time() + QUIET_TIMEOUT_S)
