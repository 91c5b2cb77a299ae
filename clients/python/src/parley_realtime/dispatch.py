"""Handlers and streams: who hears of what, one after the other."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self, TypeAlias

from parley_realtime.model import Item, Reload

log = logging.getLogger("parley_realtime")

Handler: TypeAlias = Callable[..., Awaitable[None] | None]
Remove: TypeAlias = Callable[[], None]
"""Takes a handler away; may be called twice."""


class Handlers:
    """Handlers by the event's name."""

    def __init__(self) -> None:
        self._by_event: dict[str, list[Handler]] = {}

    def add(self, event: str, handler: Handler) -> Remove:
        """Call it from now on."""
        handlers = self._by_event.setdefault(event, [])
        handlers.append(handler)

        def remove() -> None:
            if handler in handlers:
                handlers.remove(handler)

        return remove

    def has(self, event: str) -> bool:
        """Whether anybody wants to know."""
        return bool(self._by_event.get(event))

    async def call(self, event: str, *arguments: Any) -> None:
        """Call them in the order they were added; what one raises is logged and stops nobody."""
        for handler in tuple(self._by_event.get(event, ())):
            try:
                outcome = handler(*arguments)
                if inspect.isawaitable(outcome):
                    await outcome
            except Exception:
                log.exception("a handler of %r failed", event)


class Dispatcher:
    """Calls handlers outside of the reader, so that a handler may wait for an answer of the server."""

    def __init__(self, limit: int, drained: Callable[[], None]) -> None:
        """Prepare.

        Args:
            limit: jobs that may wait before `is_full`.
            drained: called when the number has fallen to half of that.
        """
        self._limit = limit
        self._drained = drained
        self._waiting: deque[Callable[[], Awaitable[None]]] = deque()
        self._news = asyncio.Event()
        self._was_full = False

    def is_full(self) -> bool:
        """Whether publications must wait on the server, until `drained` is called."""
        if len(self._waiting) >= self._limit:
            self._was_full = True
        return self._was_full

    def do(self, job: Callable[[], Awaitable[None]]) -> None:
        """Do this after everything before it."""
        self._waiting.append(job)
        self._news.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                await self._waiting.popleft()()
                if self._was_full and len(self._waiting) <= self._limit // 2:
                    self._was_full = False
                    self._drained()


class Stream:
    """What happens on a channel from now on, in order: `async for item in stream`.

    A reader that falls more than `limit` items behind gets a `Reload` in the place of what it missed. The
    stream ends when the channel is unsubscribed or the client disconnected, and raises when the server ended
    the subscription or the connection is lost for good; `close` ends it earlier.
    """

    def __init__(self, limit: int, closed: Callable[[Stream], None]) -> None:
        self._limit = limit
        self._closed = closed
        self._items: deque[Item] = deque()
        self._news = asyncio.Event()
        self._is_over = False
        self._error: Exception | None = None

    def put(self, item: Item) -> None:
        """Add an item."""
        if len(self._items) >= self._limit and not isinstance(item, Reload):
            self._items.clear()
            item = Reload(item.channel_id, "overflow", item.epoch, item.offset)
        self._items.append(item)
        self._news.set()

    def end(self, error: Exception | None = None) -> None:
        """No more items; what waits can still be read, then the error is raised."""
        self._is_over = True
        self._error = error
        self._news.set()

    def close(self) -> None:
        """Stop listening."""
        self._items.clear()
        self.end()
        self._closed(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        while not self._items:
            if self._error is not None:
                raise self._error
            if self._is_over:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._items.popleft()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
