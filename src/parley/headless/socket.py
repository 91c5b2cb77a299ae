"""The socket of the client protocol: envelopes with requests, answers and notices (section 5)."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp
import msgspec
from google.protobuf.message import DecodeError, Message
from yarl import URL

from parley.base.tasks import cancel_and_wait
from parley.headless.errors import CannotJoin, ConnectionLost, RequestRefused
from parley.stream.closing import comes_back
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import REQUEST_FAILED, Media

CONNECT_TIMEOUT_S = 5.0
REQUEST_TIMEOUT_S = 20.0
WATCHDOG_S = 30.0
"""The server pings more often; when nothing at all came for this long the connection is dead."""
CLOSE_TIMEOUT_S = 2.0
MAX_FRAME_BYTES = 8 * 1024 * 1024
PING, PONG = "2", "3"
CAPABILITY_PING = "2"
"""Makes the server ping (the client answers)."""

Answer = TypeVar("Answer", bound=Message)
Notified = Callable[[int, bytes], None]


_PASSING = frozenset({408, 425, 429})
"""Statuses below 500 that say nothing about the request itself."""


@dataclass(frozen=True, slots=True)
class Loss:
    """How a connection ended."""

    reason: str
    """In words."""
    may_return: bool
    """Whether connecting again makes sense (`stream.closing`)."""


class ProtocolSocket:
    """One connection. `run` reads until the end; requests made after it raise `ConnectionLost`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, peer_id: str, on_notice: Notified) -> None:
        self._socket = socket
        self._peer_id = peer_id
        self._on_notice = on_notice
        self._numbers = itertools.count(1)
        self._pending: dict[str, asyncio.Future[bytes]] = {}
        self._reader = asyncio.create_task(self._read(), name=f"socket of {peer_id}")
        self.ended: asyncio.Future[Loss] = asyncio.get_running_loop().create_future()
        """Resolves once, when the connection is over."""

    @classmethod
    async def connect(
        cls,
        http: aiohttp.ClientSession,
        base: URL,
        *,
        token: str,
        meeting_id: str,
        peer_id: str,
        on_notice: Notified,
    ) -> ProtocolSocket:
        """Open the socket; `on_notice` gets event number and payload of what the server pushes.

        Raises:
            CannotJoin: refused, or nobody answers.
        """
        url = (base / "ws").with_scheme("wss" if base.scheme == "https" else "ws")
        always = dict.fromkeys(
            ("useMediaV2", "joinWithDetails", "useCfWorker", "useStartSession", "ping"), "true"
        )
        query = {"roomID": meeting_id, "peerID": peer_id, "authToken": token, **always}
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                socket = await http.ws_connect(
                    url.with_query(query | {"capabilities": CAPABILITY_PING}), max_msg_size=MAX_FRAME_BYTES
                )
        except aiohttp.WSServerHandshakeError as error:
            raise CannotJoin(_refusal(error.status), is_final=is_final_status(error.status)) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            reason = str(error) or "no answer in time"
            raise CannotJoin(f"The socket of {base} cannot be opened: {reason}", is_final=False) from error
        return cls(socket, peer_id, on_notice)

    async def request(
        self,
        event: int,
        message: Message | None,
        answer_type: type[Answer],
        *,
        timeout: float = REQUEST_TIMEOUT_S,
    ) -> Answer:
        """Ask, and return the answer.

        Raises:
            RequestRefused: the server answered with an error.
            ConnectionLost: the connection ended, or there was no answer in time.
        """
        if self.ended.done():
            raise ConnectionLost(self.ended.result().reason)
        request_id = f"{self._peer_id}-{next(self._numbers):06x}"
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._pending[request_id] = future
        try:
            await self._send(event, message, request_id)
            async with asyncio.timeout(timeout):
                payload = await future
        except TimeoutError as error:
            raise ConnectionLost(
                f"The server did not answer request {event} within {timeout:g} s."
            ) from error
        finally:
            self._pending.pop(request_id, None)
        answer = answer_type()
        try:
            answer.ParseFromString(payload)
        except DecodeError as error:
            raise RequestRefused("The server's answer is malformed.", event=event) from error
        return answer

    async def tell(self, event: int, message: Message | None) -> None:
        """Send what is not answered.

        Raises:
            ConnectionLost: the connection ended.
        """
        if self.ended.done():
            raise ConnectionLost(self.ended.result().reason)
        await self._send(event, message, f"{self._peer_id}-{next(self._numbers):06x}")

    async def close(self) -> None:
        """Close intentionally (code 1000); may be called twice."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._socket.close()
        except TimeoutError:
            pass
        await cancel_and_wait([self._reader])
        self._end(Loss("The connection was closed.", may_return=False))

    async def _send(self, event: int, message: Message | None, request_id: str) -> None:
        outer = pb.SocketMessage(event=event, id=request_id)
        if message is not None:
            outer.payload = message.SerializeToString()
        try:
            await self._socket.send_bytes(outer.SerializeToString())
        except (ConnectionError, aiohttp.ClientError) as error:
            raise ConnectionLost("The connection to the server was lost.") from error

    async def _read(self) -> None:
        loss = _BROKEN
        try:
            while True:
                frame = await self._socket.receive(timeout=WATCHDOG_S)
                if frame.type is aiohttp.WSMsgType.TEXT:
                    if frame.data == PING:
                        await self._socket.send_str(PONG)
                elif frame.type is aiohttp.WSMsgType.BINARY:
                    self._received(frame.data)
                else:
                    loss = _loss(frame)
                    break
        except TimeoutError:
            loss = Loss(f"The server was silent for {WATCHDOG_S:g} s.", may_return=True)
        except (ConnectionError, aiohttp.ClientError, DecodeError):
            pass
        finally:
            self._end(loss)

    def _received(self, data: bytes) -> None:
        outer = pb.SocketMessage()
        outer.ParseFromString(data)
        waiting = self._pending.get(outer.id) if outer.id else None
        if waiting is None:
            if not outer.id:
                self._on_notice(outer.event, outer.payload)
            return
        if waiting.done():
            return
        if outer.event in (REQUEST_FAILED, Media.FAILED):
            waiting.set_exception(_refused(outer.payload))
        else:
            waiting.set_result(outer.payload)

    def _end(self, loss: Loss) -> None:
        if not self.ended.done():
            self.ended.set_result(loss)
        for future in self._pending.values():
            if not future.done():
                future.set_exception(ConnectionLost(loss.reason))


_BROKEN = Loss("The connection to the server was lost.", may_return=True)


def _loss(frame: aiohttp.WSMessage) -> Loss:
    if frame.type is aiohttp.WSMsgType.CLOSE and isinstance(frame.data, int):
        said = f": {frame.extra}" if frame.extra else ""
        return Loss(f"The server closed the connection (code {frame.data}){said}.", comes_back(frame.data))
    return _BROKEN


def is_final_status(status: int) -> bool:
    """Whether the same request would be refused again."""
    return 400 <= status < 500 and status not in _PASSING


def _refusal(status: int) -> str:
    what = {
        401: "The server does not accept this token",
        403: "The server does not let this participant in (removed, perhaps)",
        404: "There is no such meeting",
    }.get(status, "The server refused the socket")
    return f"{what} (status {status})."


def _refused(payload: bytes) -> RequestRefused:
    error = pb.EdgeErrorResponse()
    try:
        error.ParseFromString(payload)
    except DecodeError:
        return RequestRefused("The server refused a request without a readable reason.", event=0)
    message, reason = error.error_message, ""
    try:  # media errors are JSON inside the text
        details: Any = msgspec.json.decode(message)
        message, reason = str(details["errorDescription"]), str(details["errorCode"])
    except (msgspec.DecodeError, KeyError, TypeError):
        pass
    return RequestRefused(message, event=error.event_id, reason=reason)
