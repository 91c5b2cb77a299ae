"""The way back of a client whose transports went with the server or the media engine.

The official client finds out by ICE, for one transport after the other: 3 to 8 s after the loss a connection
counts as disconnected, and 2 s later the client asks for a transport in its place. When its socket was lost
as well, it asks to join again (room.3) long before that. Then it begins media anew (media.16), in a way that
depends on what it believes of its transports by then (SDK 2, `MediaNodeClient`; `rtk-client-protocol.md` 9):

- Both are healthy: it publishes on dead ones, is refused, and switches its camera and microphone off.
- One is new: it closes both and opens both once more. But the timer that runs for an old transport is not
  stopped by that: it goes off in the middle, closes the newest transport, and what was being published on it
  is switched off.
- A new send transport is connected: it publishes on it already, and closing it has the same effect.

Only a client that has asked for both transports and got neither starts afresh undisturbed. So the answer to
room.3 waits for both requests, and theirs wait for media.16.
"""

from __future__ import annotations

import asyncio
import contextlib
from enum import Enum

SECOND_TIMEOUT_S = 7.0
"""How much later than the first transport the second may be asked for; seen: up to 4 s."""
BEGIN_TIMEOUT_S = 1.0
"""How long after the latest answer to room.3 a request for a transport still waits for media.16."""


class Direction(Enum):
    """The two transports of a peer."""

    SEND = "send"
    RECEIVE = "receive"


class Return:
    """One peer's way back; made when the loss is known."""

    def __init__(self, first_timeout_s: float, *, is_joining: bool) -> None:
        """Begin to wait.

        Args:
            first_timeout_s: a client that has asked for no transport by then will not.
            is_joining: whether its socket was lost too, so that room.3 comes.
        """
        self.is_joining = is_joining
        self._deadline = asyncio.get_running_loop().time() + first_timeout_s
        self._asked: set[Direction] = set()
        self._first = asyncio.Event()
        self._both = asyncio.Event()
        self._begun = asyncio.Event()

    @property
    def is_complete(self) -> bool:
        """Both transports were asked for."""
        return self._both.is_set()

    def ask(self, direction: Direction) -> None:
        """The client asks for a transport."""
        self._asked.add(direction)
        self._first.set()
        if len(self._asked) == len(Direction):
            self._both.set()

    async def until_asked(self) -> None:
        """Wait for both transports to be asked for, as long as that is likely to happen."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._deadline):
                await self._first.wait()
            async with asyncio.timeout(SECOND_TIMEOUT_S):
                await self._both.wait()

    async def until_begun(self) -> None:
        """Wait for media.16; not for ever, because the peer may be refused or never join."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._deadline + SECOND_TIMEOUT_S + BEGIN_TIMEOUT_S):
                await self._begun.wait()

    def begin(self) -> None:
        """The client begins media anew."""
        self._begun.set()
