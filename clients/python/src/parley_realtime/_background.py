"""The thread behind `parley_realtime.blocking`."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from parley_realtime import client
from parley_realtime.dispatch import Handler, Remove, Stream
from parley_realtime.model import Item
from parley_realtime.options import TokenSource

T = TypeVar("T")
END_TIMEOUT_S = 30.0


class Background:
    """An event loop on a thread of its own, and a thread for handlers."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._handlers = ThreadPoolExecutor(1, thread_name_prefix="parley handlers")
        # A daemon: a program that forgets to close the client can end nevertheless.
        self._thread = threading.Thread(target=self._loop.run_forever, name="parley client", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it there and wait; interrupting the waiting cancels it.

        Raises:
            RuntimeError: called there, or after the end.
        """
        if threading.current_thread() is self._thread or not self._thread.is_alive():
            work.close()
            raise RuntimeError("The client is closed, or the call was made on its own thread.")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def call(self, work: Callable[[], T]) -> T:
        """The same for a function."""

        async def called() -> T:
            return work()

        return self.run(called())

    def handler(self, handler: Handler) -> Handler:
        """A handler that is called on the handlers' thread, while the loop goes on."""

        async def handed_over(*arguments: Any) -> None:
            await self._loop.run_in_executor(self._handlers, partial(handler, *arguments))

        return handed_over

    def source(self, source: TokenSource | None) -> TokenSource | None:
        """A source of tokens that may be a plain function, which may take its time."""
        if source is None or inspect.iscoroutinefunction(source):
            return source

        async def asked() -> str:
            token = await asyncio.to_thread(source)
            return await token if inspect.isawaitable(token) else token

        return asked

    def remover(self, remove: Remove) -> Remove:
        """For use on any thread."""
        return lambda: self.call(remove)

    def end(self) -> None:
        """Stop both threads; nothing may be run afterwards."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(END_TIMEOUT_S)
        self._handlers.shutdown(wait=False)
        self._loop.close()

    @property
    def has_ended(self) -> bool:
        """Whether it was stopped."""
        return not self._thread.is_alive()


class Twin(Generic[T]):
    """A blocking view of an object of the asyncio client."""

    def __init__(self, twin: T, background: Background) -> None:
        self._twin = twin
        self._background = background


class StreamTwin(Twin[Stream]):
    """What a stream needs beside its methods."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Item:
        found = self._background.run(_next(self._twin))
        if found is None:
            raise StopIteration
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._background.call(self._twin.close)


class ClientTwin(Twin[client.Client]):
    """What the client needs beside its methods: the thread, and its end."""

    def __init__(self, make: Callable[[], client.Client]) -> None:
        background = Background()
        try:
            twin = background.call(make)
        except BaseException:
            background.end()
            raise
        super().__init__(twin, background)

    def _end(self) -> None:
        if self._background.has_ended:
            return
        try:
            self._background.run(self._twin.close())
        finally:
            self._background.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()


async def _next(stream: Stream) -> Item | None:
    """StopAsyncIteration cannot leave a coroutine."""
    async for item in stream:
        return item
    return None
