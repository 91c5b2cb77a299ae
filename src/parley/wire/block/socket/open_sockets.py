"""Whose sockets are open, on this server process or another (`realtime-block.md` 10).

REST asks where somebody shows what was signed for a socket: that is of no use to others, or after its end.
"""

from __future__ import annotations

import asyncio
import secrets

import msgspec

from parley.base.ids import AppId
from parley.bus import Bus, Subscription
from parley.wire.block.socket.session import Sessions

TOPIC = "sockets.open"
ANSWER_S = 1.0
"""How long other processes have; only "no" takes so long."""
ASKED_LIMIT = 1_000
"""Questions under way; what is asked beyond is answered with "no"."""


class _Ask(msgspec.Struct, frozen=True, array_like=True, tag="a"):
    number: str
    app_id: AppId
    user_id: str
    socket_id: str


class _Yes(msgspec.Struct, frozen=True, array_like=True, tag="y"):
    number: str


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Ask | _Yes).decode


class OpenSockets:
    """The open sockets of all processes."""

    def __init__(self, sessions: Sessions, bus: Bus | None) -> None:
        """Take the sessions of this process, and what the others are asked through; None = there are none."""
        self._sessions = sessions
        self._bus = bus
        self._asked: dict[str, asyncio.Future[None]] = {}
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        """Begin to answer others."""
        if self._bus is not None:
            self._subscription = await self._bus.subscribe(TOPIC, self._heard)

    async def stop(self) -> None:
        """Answer no more."""
        if self._subscription is not None:
            await self._subscription.close()

    async def is_open(self, app_id: AppId, user_id: str, socket_id: str) -> bool:
        """Whether that is an open socket of the user."""
        if self._sessions.is_open(app_id, user_id, socket_id):
            return True
        if self._bus is None or len(self._asked) >= ASKED_LIMIT:
            return False
        number = secrets.token_hex(8)
        yes = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            self._bus.publish(TOPIC, _encode(_Ask(number, app_id, user_id, socket_id)))
            async with asyncio.timeout(ANSWER_S):
                await yes
        except TimeoutError:
            return False
        finally:
            del self._asked[number]
        return True

    def _heard(self, payload: bytes) -> None:
        message = _decode(payload)
        if isinstance(message, _Yes):
            asked = self._asked.get(message.number)
            if asked is not None and not asked.done():
                asked.set_result(None)
        elif self._bus is not None and self._sessions.is_open(
            message.app_id, message.user_id, message.socket_id
        ):
            self._bus.publish(TOPIC, _encode(_Yes(message.number)))
