"""Frames that wait for their answers, over as many connections as it takes."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

from parley_realtime.errors import (
    ConnectionEnded,
    ConnectionLost,
    QueueFull,
    RealtimeError,
    RequestTimeout,
    TooLarge,
    refusal,
)
from parley_realtime.model import Frame

FRAME_LIMIT_BYTES = 64 << 10


def encode(frame: Frame) -> str:
    """A frame as it is sent.

    Raises:
        TypeError, ValueError: it holds what JSON cannot say.
    """
    return json.dumps(frame, separators=(",", ":"), allow_nan=False)


class Request:
    """One frame and its answer."""

    __slots__ = ("answer", "answered", "is_repeatable", "is_sent", "lost", "text")

    def __init__(self, text: str, *, is_repeatable: bool) -> None:
        self.text = text
        self.is_repeatable = is_repeatable
        """Whether sending it again changes nothing more."""
        self.is_sent = False
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.answered: Callable[[Any], None] | None = None
        """Told of the result before the next frame is read."""
        self.lost: Callable[[], None] | None = None
        """Told when there will be no answer."""


class Requests:
    """All requests of a client, in the order they were made."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Request] = {}
        self.is_open = False
        """Whether an answer can be hoped for."""

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, frame: Frame, *, is_repeatable: bool) -> tuple[int, Request]:
        """Take a frame in; `unsent` yields it.

        Raises:
            ConnectionEnded: nobody would ever send it.
            QueueFull: too many wait.
            TooLarge: the server would close the connection.
        """
        if not self.is_open:
            raise ConnectionEnded("Not connected.")
        if len(self._waiting) >= self._limit:
            raise QueueFull(f"{self._limit} requests wait already.")
        number = next(self._numbers)
        text = encode({"id": number, **frame})
        if len(text.encode()) > FRAME_LIMIT_BYTES:
            raise TooLarge(
                f"A frame has at most {FRAME_LIMIT_BYTES} bytes.", code="payload_too_large", status=413
            )
        request = Request(text, is_repeatable=is_repeatable)
        self._waiting[number] = request
        return number, request

    async def wait(
        self, number: int, request: Request, timeout_s: float, client_id: str | None = None
    ) -> Any:
        """The result.

        Raises:
            ServerRefused: the server said no.
            ConnectionLost, ConnectionEnded, RequestTimeout: see there.
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await request.answer
        except TimeoutError:
            raise RequestTimeout(f"No answer in {timeout_s:g} s.", client_id=client_id) from None
        finally:
            self.forget(number)

    def forget(self, number: int) -> None:
        """Nobody waits for it any more."""
        request = self._waiting.pop(number, None)
        if request is not None and request.lost is not None:
            request.lost()

    def unsent(self) -> Iterator[Request]:
        """Those that have to be sent, in order; they count as sent then."""
        for request in self._waiting.values():
            if not request.is_sent:
                request.is_sent = True
                yield request

    def answered(self, frame: Frame) -> bool:
        """Take an `ack` or `error`; False when nobody waits for it."""
        number = frame.get("id")
        request = self._waiting.pop(number, None) if isinstance(number, int) else None
        if request is None:
            return False
        if frame["type"] == "ack":
            if request.answered is not None:
                request.answered(frame["result"])
            if not request.answer.done():
                request.answer.set_result(frame["result"])
        else:
            if request.lost is not None:
                request.lost()
            if not request.answer.done():
                request.answer.set_exception(refusal([frame["error"]], None, frame.get("retry_after")))
        return True

    def connection_lost(self) -> None:
        """Keep what can be sent again, fail the rest."""
        for number, request in list(self._waiting.items()):
            if not request.is_sent:
                continue
            if request.is_repeatable:
                request.is_sent = False
            else:
                self._fail(number, ConnectionLost("The connection broke before the answer."))

    def fail_all(self, error: RealtimeError) -> None:
        """Nothing will be sent any more."""
        for number in list(self._waiting):
            self._fail(number, error)

    def _fail(self, number: int, error: RealtimeError) -> None:
        request = self._waiting.pop(number)
        if request.lost is not None:
            request.lost()
        if not request.answer.done():
            request.answer.set_exception(error)
            request.answer.exception()  # whoever waits raises it; nobody need
