"""One WebSocket: frames out in order, frames in, and whether the other end still lives."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from parley_realtime.errors import ServerRefused, refusal
from parley_realtime.model import Frame
from parley_realtime.options import Options
from parley_realtime.requests import encode

log = logging.getLogger("parley_realtime")
SUBPROTOCOL = Subprotocol("parley.realtime.v1")
INCOMING_LIMIT_BYTES = 16 << 20
"""Of one frame: a thousand members with 4 KiB each, and room."""
CLOSE_TIMEOUT_S = 2.0


class Ended(NamedTuple):
    """How a connection, or the attempt to get one, ended."""

    code: int | None
    reason: str
    error: ServerRefused | None = None
    """What the server said."""


class Link:
    """An open connection."""

    def __init__(self, socket: ClientConnection, options: Options) -> None:
        self._socket = socket
        self._options = options
        self._outgoing: deque[str] = deque()
        self._wake = asyncio.Event()
        self._heard = asyncio.Event()
        """Something has arrived since the last ping."""
        self._written = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._refusal: ServerRefused | None = None

    @classmethod
    async def open(cls, url: str, options: Options) -> Link:
        """Connect.

        Raises:
            OSError, TimeoutError, websockets.WebSocketException: no connection.
        """
        socket = await connect(
            url,
            subprotocols=[SUBPROTOCOL],
            open_timeout=options.connect_timeout_s,
            close_timeout=CLOSE_TIMEOUT_S,
            ping_interval=None,  # the protocol has its own heartbeat
            max_size=INCOMING_LIMIT_BYTES,
            compression=None,
        )
        return cls(socket, options)

    async def shake_hands(self, frame: Frame) -> Frame | Ended:
        """Say who connects; the `welcome`, or how it ended instead."""
        try:
            await self._socket.send(encode(frame))
            while True:
                told = json.loads(await self._socket.recv())
                if told["type"] == "welcome":
                    return dict(told)
                if told["type"] == "error":
                    self._refusal = refusal([told["error"]], None, told.get("retry_after"))
        except ConnectionClosed:
            return self._ended()

    def write(self, text: str) -> None:
        """Send a frame after those before it; nothing happens once the connection has ended."""
        self._outgoing.append(text)
        self._wake.set()

    def tell(self, frame: Frame) -> None:
        """Send a frame that nobody answers."""
        self.write(encode(frame))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside, at most until the connection ends."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def run(self, received: Callable[[Frame], None]) -> Ended:
        """Hand on every frame until the connection ends."""
        self.spawn(self._write_all())
        self.spawn(self._beat())
        try:
            async for text in self._socket:
                self._heard.set()
                frame = json.loads(text)
                if frame["type"] == "error" and frame.get("fatal"):
                    self._refusal = refusal([frame["error"]], None, frame.get("retry_after"))
                try:
                    received(frame)
                except Exception:  # one frame that we do not understand must not end the connection
                    log.exception("a frame of type %r could not be taken", frame["type"])
        except ConnectionClosed:
            pass
        finally:
            await self.abort()
        return self._ended()

    async def close(self) -> None:
        """End it with the closing handshake."""
        self.tell({"type": "disconnect"})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._socket.wait_closed()
                return
        self._socket.transport.abort()

    async def abort(self) -> None:
        """End it without ceremony, and everything beside it."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._socket.transport.abort()

    def _ended(self) -> Ended:
        return Ended(self._socket.close_code, self._socket.close_reason or "", self._refusal)

    async def _write_all(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._outgoing:
                    self._written += 1
                    await self._socket.send(self._outgoing.popleft())

    async def _beat(self) -> None:
        """Ping when nothing was sent for a while; without any answer the connection is given up."""
        while True:
            before = self._written
            await asyncio.sleep(self._options.heartbeat_interval_s)
            if self._written != before:
                continue
            self._heard.clear()
            self.tell({"type": "ping"})
            try:
                async with asyncio.timeout(self._options.heartbeat_timeout_s):
                    await self._heard.wait()
            except TimeoutError:
                log.info("no answer to a ping in %g s", self._options.heartbeat_timeout_s)
                self._socket.transport.abort()
                return
