"""Janus as `MediaEngine`: the child, its control connection and its rooms, brought up together."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from parley.media.child import DEFAULT_BACKOFF, Backoff, Supervisor
from parley.media.janus.admin import JanusAdmin
from parley.media.janus.client import JanusClient
from parley.media.janus.config import DEFAULT_OPTIONS, JanusOptions, admin_path
from parley.media.janus.process import JanusProcess, require_version
from parley.media.janus.videoroom import JanusRoom
from parley.media.ports import DEFAULT_ROOM_OPTIONS, EngineStatus, MediaRoom, MediaUnavailable, RoomOptions

log = logging.getLogger(__name__)


FAREWELL_TIMEOUT_S = 2.0
"""For telling browsers that their connections end, when the engine is stopped."""


class _Run:
    """One life of Janus: everything in it ends with it."""

    def __init__(self, process: JanusProcess, client: JanusClient) -> None:
        self.process = process
        self.client = client
        self.rooms: dict[str, JanusRoom] = {}
        self.creating = asyncio.Lock()
        self._background: set[asyncio.Task[None]] = set()

    @classmethod
    async def bring_up(cls, options: JanusOptions) -> _Run:
        process = await JanusProcess.start(options)
        try:
            client = await JanusClient.connect(process.socket_path, process.keys.api)
        except BaseException:
            await process.stop()
            raise
        client.admin = JanusAdmin(admin_path(process.socket_path), process.keys.admin)
        run = cls(process, client)
        try:
            require_version(client.version)
        except MediaUnavailable:
            await run.stop()
            raise
        log.info("Janus %s runs with pid %d", client.version, process.child.pid)
        return run

    async def wait(self) -> None:
        """Return when the child or the connection is gone."""
        ends = [asyncio.create_task(self.process.wait()), asyncio.create_task(self.client.wait_lost())]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)

    async def stop(self) -> None:
        """End the connection, then the child."""
        try:
            for task in self._background:
                task.cancel()
            await asyncio.gather(*self._background, return_exceptions=True)
            await self.client.close()
        finally:
            await self.process.stop()

    def lose_rooms(self) -> None:
        """Tell every transport that it is gone."""
        for room in list(self.rooms.values()):
            room.lose()

    def forget(self, room_id: str) -> None:
        """The room was closed."""
        self.rooms.pop(room_id, None)

    def run_in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Own a small task, such as a detach, until it ends or this run is stopped."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


class JanusEngine:
    """See `parley.media.ports.MediaEngine`."""

    def __init__(
        self, options: JanusOptions = DEFAULT_OPTIONS, *, backoff: Backoff = DEFAULT_BACKOFF
    ) -> None:
        self._options = options
        self._listeners: list[Callable[[], None]] = []
        self._supervisor: Supervisor[_Run] = Supervisor("Janus", self._bring_up, self._on_down, backoff)
        self._last_run: _Run | None = None

    async def start(self) -> None:
        """Bring Janus up, and again whenever it ends.

        Raises:
            MediaUnavailable: not installed or not startable; the message says what to do.
        """
        await self._supervisor.start()

    async def stop(self) -> None:
        """End every room and Janus; may be called twice. Transports end silently."""
        run = self._supervisor.current
        if run is not None:
            with contextlib.suppress(TimeoutError):  # it hangs; killing it ends the rooms as well
                async with asyncio.timeout(FAREWELL_TIMEOUT_S):
                    await asyncio.gather(*(room.close() for room in list(run.rooms.values())))
        await self._supervisor.stop()

    async def open_room(self, room_id: str, options: RoomOptions = DEFAULT_ROOM_OPTIONS) -> MediaRoom:
        """Create the room, or return the existing one of that id.

        Raises:
            MediaUnavailable: Janus is not running right now.
            MediaError: Janus refuses.
        """
        run = self._supervisor.current
        if run is None:
            raise MediaUnavailable("The media engine is not running.", detail=self._supervisor.last_error)
        async with run.creating:
            room = run.rooms.get(room_id)
            if room is None:
                room = await JanusRoom.create(
                    run.client,
                    run.process.keys,
                    room_id,
                    options,
                    run.run_in_background,
                    run.process.captures_folder,
                )
                if self._supervisor.current is not run:
                    raise MediaUnavailable("The media engine ended while the room was made.")
                run.rooms[room_id] = room
                room.on_end = functools.partial(run.forget, room_id)
            return room

    def on_lost(self, callback: Callable[[], None]) -> None:
        """Call back whenever all rooms and transports were lost at once (after their `on_closed`)."""
        self._listeners.append(callback)

    @property
    def pid(self) -> int | None:
        """Of the running Janus."""
        run = self._supervisor.current
        return None if run is None else run.process.child.pid

    def status(self) -> EngineStatus:
        """The present state; never raises."""
        run = self._supervisor.current
        if run is None:
            detail = self._supervisor.last_error or "Janus has not been started."
            return EngineStatus("janus", None, False, detail)
        transports = sum(room.transport_count for room in run.rooms.values())
        return EngineStatus(
            "janus",
            run.client.version,
            True,
            f"Janus {run.client.version} is running.",
            rooms=len(run.rooms),
            transports=transports,
        )

    async def _bring_up(self) -> _Run:
        run = await _Run.bring_up(self._options)
        self._last_run = run
        return run

    def _on_down(self) -> None:
        if self._last_run is not None:
            self._last_run.lose_rooms()
        for callback in list(self._listeners):
            try:
                callback()
            except Exception:
                log.exception("A listener for the loss of the media engine failed")
