"""One stream to one server: what comes too fast is left out, what breaks is begun again."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from parley.base.tasks import cancel_and_wait
from parley.livestreams.pushing import amf, flv
from parley.livestreams.pushing.client import Publication, PushFailed
from parley.livestreams.pushing.flv import FlvReader, Tag
from parley.livestreams.pushing.target import Target
from parley.outgoing.http import OutgoingPolicy
from parley.outgoing.sockets import close_writer

AGAIN_S = 5.0
MOST_WAITING = 600
"""Tags that the outside may be behind: eight seconds."""


class PushRelay:
    """Takes an encoder's FLV on a port of this machine, and brings it to an RTMP server."""

    def __init__(self, target: Target, policy: OutgoingPolicy, told: Callable[[str | None], None]) -> None:
        """Prepare.

        Args:
            target: the server.
            policy: whether it may be gone to.
            told: called with the reason whenever it cannot be sent, and with None when it is; must return at
                once.
        """
        self._target, self._policy, self._told = target, policy, told
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Take the encoder's connection."""
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)

    @property
    def url(self) -> str:
        """Where the encoder writes to."""
        assert self._server is not None
        return f"tcp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

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
        waiting = _Waiting()
        sending = asyncio.create_task(self._send_forever(waiting), name="rtmp push")
        try:
            tags = FlvReader(reader)
            while True:
                waiting.put(await tags.read())
        except (asyncio.IncompleteReadError, OSError, ValueError):
            pass  # the encoder has ended; another one may come
        finally:
            await cancel_and_wait([sending])
            await close_writer(writer)

    async def _send_forever(self, waiting: _Waiting) -> None:
        while True:
            try:
                await self._send(waiting)
            except PushFailed as failed:
                self._told(failed.message)
            await asyncio.sleep(AGAIN_S)

    async def _send(self, waiting: _Waiting) -> None:
        """Send until it breaks.

        Raises:
            PushFailed: it has.
        """
        publication = await Publication.begin(self._target, self._policy)
        waiting.begin()
        work = [
            asyncio.create_task(publication.watch(), name="rtmp watch"),
            asyncio.create_task(self._feed(publication, waiting), name="rtmp feed"),
        ]
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                each.result()
        finally:
            waiting.end()
            await cancel_and_wait(work)
            await publication.close()

    async def _feed(self, publication: Publication, waiting: _Waiting) -> None:
        is_told = False
        while True:
            tag = await waiting.next()
            await publication.send(tag.kind, tag.timestamp, tag.body)
            if not is_told and not tag.is_header:
                is_told = True
                self._told(None)


class _Waiting:
    """Tags on their way out. One that finds no room makes all go, up to the next key frame."""

    def __init__(self) -> None:
        self._headers: dict[int, Tag] = {}
        """What decoders need, by kind."""
        self._tags: deque[Tag] = deque()
        self._is_wanted = False
        self._needs_key = True
        self._zero: int | None = None
        """Time of the first piece of media that this connection gets."""
        self._has_some = asyncio.Event()

    def begin(self) -> None:
        """To a new connection: what decoders need, and all from the next key frame on."""
        self._tags.extend(_prepared(tag) for tag in self._headers.values())
        self._is_wanted, self._needs_key, self._zero = True, True, None
        self._has_some.set()

    def end(self) -> None:
        """There is no connection any more."""
        self._is_wanted = False
        self._tags.clear()

    def put(self, tag: Tag) -> None:
        """The next one of the encoder."""
        if tag.is_header:
            self._headers[tag.kind] = tag
        if not self._is_wanted:
            return
        if len(self._tags) >= MOST_WAITING:
            self._tags.clear()
            self._needs_key = True
        if tag.is_header:
            self._tags.append(_prepared(tag))
        elif tag.is_key_frame or not self._needs_key:
            self._needs_key = False
            self._zero = tag.timestamp if self._zero is None else self._zero
            self._tags.append(tag._replace(timestamp=max(0, tag.timestamp - self._zero)))
        self._has_some.set()

    async def next(self) -> Tag:
        """The next one to send, when there is one."""
        while not self._tags:
            self._has_some.clear()
            await self._has_some.wait()
        return self._tags.popleft()


def _prepared(tag: Tag) -> Tag:
    """A header as it is sent."""
    body = amf.encode("@setDataFrame") + tag.body if tag.kind == flv.SCRIPT else tag.body
    return Tag(tag.kind, 0, body)
