"""Where rooms live: media engines by node.

A room is placed on the least loaded healthy node and keeps its place until it is closed or its node is
lost. One process has one local engine today; an engine on another host is one more entry.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections import Counter
from collections.abc import Callable, Mapping

from parley.media.ports import (
    DEFAULT_ROOM_OPTIONS,
    EngineStatus,
    MediaEngine,
    MediaRoom,
    MediaUnavailable,
    RoomOptions,
)

log = logging.getLogger(__name__)

LostRooms = Callable[[str, frozenset[str]], None]
"""Called with a node id and the ids of the rooms that were lost with it."""


class MediaPool:
    """Engines by node id; the ids are stable names chosen by the operator."""

    def __init__(self, engines: Mapping[str, MediaEngine]) -> None:
        self._engines = dict(engines)
        self._places: dict[str, str] = {}
        self._rooms: dict[str, MediaRoom] = {}
        self._listeners: list[LostRooms] = []
        for node_id, engine in self._engines.items():
            engine.on_lost(functools.partial(self._lose_node, node_id))

    async def start(self) -> None:
        """Start every engine; those that fail stay out and say why in `statuses`.

        Raises:
            MediaUnavailable: there is no engine, or none could be started (the first one's reason).
        """
        engines = list(self._engines.values())
        outcomes = await asyncio.gather(*(engine.start() for engine in engines), return_exceptions=True)
        failures = [outcome for outcome in outcomes if outcome is not None]
        for failure in failures:
            if not isinstance(failure, MediaUnavailable):
                await self.stop()
                raise failure
            log.warning("A media engine did not start: %s", failure.message)
        if len(failures) == len(engines):
            raise failures[0] if failures else MediaUnavailable("No media engine is configured.")

    async def stop(self) -> None:
        """Stop every engine; may be called twice."""
        self._places.clear()
        self._rooms.clear()
        outcomes = await asyncio.gather(
            *(engine.stop() for engine in self._engines.values()), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def open_room(self, room_id: str, options: RoomOptions = DEFAULT_ROOM_OPTIONS) -> MediaRoom:
        """The room of that id, made where its place is; the same room for every caller.

        Raises:
            MediaUnavailable: no healthy node.
            MediaError: the engine refuses.
        """
        node_id = self._places.get(room_id)
        if node_id is None or not self._engines[node_id].status().running:
            node_id = self._least_loaded()
            self._places[room_id] = node_id
        try:
            room = await self._engines[node_id].open_room(room_id, options)
        except BaseException:
            if room_id not in self._rooms and self._places.get(room_id) == node_id:
                del self._places[room_id]
            raise
        self._rooms[room_id] = room
        return room

    async def close_room(self, room_id: str) -> None:
        """Close the room and give up its place; nothing happens if there is none."""
        self._places.pop(room_id, None)
        room = self._rooms.pop(room_id, None)
        if room is not None:
            await room.close()

    def node_of(self, room_id: str) -> str | None:
        """Where the room lives, if it is open."""
        return self._places.get(room_id)

    def on_lost(self, callback: LostRooms) -> None:
        """Call back when a node lost its rooms; open them again to place them anew."""
        self._listeners.append(callback)

    def statuses(self) -> Mapping[str, EngineStatus]:
        """Each node's present state; never raises."""
        return {node_id: engine.status() for node_id, engine in self._engines.items()}

    def _least_loaded(self) -> str:
        """By transports; places that have none yet count as well, so that a burst of rooms spreads."""
        statuses = self.statuses()
        placed = Counter(self._places.values())
        healthy = [node_id for node_id, status in statuses.items() if status.running]
        if not healthy:
            reasons = " ".join(status.detail for status in statuses.values())
            raise MediaUnavailable("No media engine is running right now.", detail=reasons or None)
        return min(healthy, key=lambda node_id: (statuses[node_id].transports, placed[node_id], node_id))

    def _lose_node(self, node_id: str) -> None:
        lost = frozenset(room_id for room_id, place in self._places.items() if place == node_id)
        for room_id in lost:
            del self._places[room_id]
            self._rooms.pop(room_id, None)
        for callback in list(self._listeners):
            try:
                callback(node_id, lost)
            except Exception:
                log.exception("A listener for lost rooms failed")
