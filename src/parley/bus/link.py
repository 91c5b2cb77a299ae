"""One connection to Redis for publish and subscribe: RESP3, pipelined, remade when it breaks.

redis-py's own pub/sub client measured ten times the CPU per message. This knows four commands and no more;
everything rare goes through redis-py.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, cast

import hiredis
from redis.asyncio.connection import parse_url

log = logging.getLogger("parley.bus")

CONNECT_S = 5.0
BACKOFF_S = (0.05, 2.0)
"""First and longest pause between attempts; each is drawn between half and the whole."""
MAX_BUFFER_BYTES = 8 << 20
"""Written but not taken by Redis; beyond it publishes are refused."""
MAX_UNANSWERED = 100_000
"""Commands written but not answered; beyond it publishes are refused."""


class Link:
    """Keeps a connection alive and tells when it comes and goes."""

    def __init__(
        self,
        url: str,
        *,
        on_up: Callable[[], None],
        on_message: Callable[[bytes, bytes], None],
        on_subscribed: Callable[[bytes], None],
        on_down: Callable[[Iterable[bytes]], None],
        health_s: float,
    ) -> None:
        """`on_down` gets the channels of publishes whose fate is unknown, one entry each.

        Raises:
            ValueError: the URL is not one of redis://, rediss:// or unix://.
        """
        self._options: dict[str, Any] = dict(parse_url(url))
        self._tls = url.startswith("rediss://")
        self._on_up = on_up
        self._on_message = on_message
        self._on_subscribed = on_subscribed
        self._on_down = on_down
        self._health_s = health_s
        self._connection: _Connection | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def is_up(self) -> bool:
        """Whether commands reach Redis now."""
        return self._connection is not None

    def start(self) -> None:
        """Connect and stay connected until `close`."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="bus link")

    async def close(self) -> None:
        """End the connection and the task."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def subscribe(self, channels: Iterable[bytes]) -> None:
        """Confirmed one by one through `on_subscribed`. Does nothing while down."""
        self._command(b"SUBSCRIBE", channels)

    def unsubscribe(self, channels: Iterable[bytes]) -> None:
        """Does nothing while down."""
        self._command(b"UNSUBSCRIBE", channels)

    def publish(self, messages: Iterable[tuple[bytes, bytes]]) -> bool:
        """Write all in one go; False when they were refused, because the link is down or Redis too slow."""
        connection = self._connection
        if connection is None or connection.is_full:
            return False
        packed = []
        for channel, data in messages:
            packed.append(_pack(b"PUBLISH", channel, data))
            connection.unanswered.append(channel)
        connection.write(b"".join(packed))
        return True

    def _command(self, name: bytes, channels: Iterable[bytes]) -> None:
        words = (name, *channels)
        if self._connection is not None and len(words) > 1:
            self._connection.write(_pack(*words))

    async def _run(self) -> None:
        pause_s, reported = BACKOFF_S[0], False
        while True:
            try:
                connection = await self._connect()
            except (OSError, hiredis.HiredisError, TimeoutError) as error:
                if not reported:  # once per outage, not per attempt
                    log.warning("the bus cannot reach Redis: %s", error)
                    reported = True
                await asyncio.sleep(pause_s * random.uniform(0.5, 1))  # noqa: S311 - jitter, no secret
                pause_s = min(pause_s * 2, BACKOFF_S[1])
                continue
            pause_s, reported = BACKOFF_S[0], False
            self._connection = connection
            try:
                self._on_up()
                await self._watch(connection)
            finally:
                self._connection = None
                connection.abort()
                self._on_down(channel for channel in connection.unanswered if channel)
            log.warning("the bus lost Redis")

    async def _watch(self, connection: _Connection) -> None:
        """Return when the connection is gone, or answers nothing for a whole interval."""
        while not connection.lost.done():
            connection.heard = False
            if not connection.unanswered:
                connection.unanswered.append(b"")
                connection.write(_pack(b"PING"))
            await asyncio.wait([connection.lost], timeout=self._health_s)
            if connection.unanswered and not connection.heard:
                return

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()

        def make() -> _Connection:
            return _Connection(loop, self._on_message, self._on_subscribed)

        async with asyncio.timeout(CONNECT_S):
            if "path" in self._options:
                _, connection = await loop.create_unix_connection(make, self._options["path"])
            else:
                _, connection = await loop.create_connection(
                    make,
                    self._options.get("host", "localhost"),
                    self._options.get("port", 6379),
                    ssl=ssl.create_default_context() if self._tls else None,
                )
            try:
                await connection.hello(self._options.get("username"), self._options.get("password"))
            except BaseException:
                connection.abort()
                raise
            return connection


class _Connection(asyncio.Protocol):
    """Bytes in and out; answers are matched with commands by order."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_message: Callable[[bytes, bytes], None],
        on_subscribed: Callable[[bytes], None],
    ) -> None:
        self._on_message = on_message
        self._on_subscribed = on_subscribed
        self._reader = hiredis.Reader()
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._greeting: asyncio.Future[Any] = loop.create_future()
        self.lost: asyncio.Future[None] = loop.create_future()
        self.heard = True
        self.unanswered: deque[bytes] = deque()
        """Channels of publishes without an answer; empty bytes for a ping. Bounded by `is_full`."""

    @property
    def is_full(self) -> bool:
        return (
            len(self.unanswered) >= MAX_UNANSWERED
            or self._transport.get_write_buffer_size() > MAX_BUFFER_BYTES
            or self._transport.is_closing()
        )

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def abort(self) -> None:
        self._transport.abort()

    async def hello(self, username: str | None, password: str | None) -> None:
        """Ask for RESP3, which lets one connection publish and subscribe, and say who we are."""
        words: tuple[bytes, ...] = (b"HELLO", b"3")
        if password is not None:
            words += (b"AUTH", (username or "default").encode(), password.encode())
        self.write(_pack(*words))
        answer = await self._greeting
        if isinstance(answer, Exception):
            raise answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.heard = True
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not False:
                self._replied(reply)
        except hiredis.ProtocolError as error:
            log.error("Redis sent what is not RESP: %s", error)
            self._transport.abort()

    def _replied(self, reply: Any) -> None:
        if isinstance(reply, hiredis.PushNotification):
            if reply[0] == b"message":
                self._on_message(reply[1], reply[2])
            elif reply[0] == b"subscribe":
                self._on_subscribed(reply[1])
        elif not self._greeting.done():
            self._greeting.set_result(reply)
        else:
            if isinstance(reply, hiredis.ReplyError):
                log.error("Redis refused a command of the bus: %s", reply)
            if self.unanswered:
                self.unanswered.popleft()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._greeting.done():
            self._greeting.set_result(ConnectionError("closed during the greeting"))
        if not self.lost.done():
            self.lost.set_result(None)


def _pack(*words: bytes) -> bytes:
    """One command; the annotation of hiredis knows commands of one word only."""
    return cast("bytes", hiredis.pack_command(cast("Any", words)))
