"""Fan-out: one prepared frame to every socket on a topic."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

SLICE = 500
"""Writes in one turn of the loop, once a topic is large."""
LARGE = 2_000
"""Members above which a topic is written in slices.

10,000 writes hold the loop for 50 to 70 ms, 500 for 3 ms.
"""
MAX_WAITING_BYTES = 1 << 20
"""Of one topic; what comes on top is written at once, which slows its publisher instead of filling memory."""


class Reader(Protocol):
    """What the hub asks of a member; `sockets.Socket` and `sse.EventStream` are readers."""

    @property
    def is_open(self) -> bool:
        """Whether writing makes sense at all."""
        ...

    def write_now(self, prepared: bytes) -> bool:
        """Write without waiting; False when the reader is closed or has fallen behind."""
        ...


class _Topic:
    __slots__ = ("joins", "members", "waiting", "waiting_bytes", "walk")

    def __init__(self) -> None:
        self.joins = 0
        self.members: dict[Reader, int] = {}  # with the number of its join
        self.waiting: list[bytes] = []
        self.waiting_bytes = 0
        self.walk: _Walk | None = None

    def awaits(self, reader: Reader, walk: _Walk) -> bool:
        """Whether it is still the member that it was when the walk began, and has not left and come again."""
        return self.members.get(reader, walk.joins + 1) <= walk.joins


@dataclass(slots=True)
class _Walk:
    """A large topic's members who still need this data."""

    data: bytes
    readers: tuple[Reader, ...]
    joins: int
    position: int = 0


class Hub:
    """Topics and who reads them. All members of a topic get the same bytes.

    Members that need another form of the same thing (another dialect, another encoding) belong on another
    topic, so that each form is encoded once.

    A member that falls behind is parked: off its topics, which the hub remembers. Its session hears of it
    through `lagging`; after `lagging(False)` it calls `restore` and fetches what the named topics had
    meanwhile from the store. Nothing is ever awaited, no member can slow another.
    """

    def __init__(self) -> None:
        self._topics: dict[str, _Topic] = {}
        self._joined: dict[Reader, set[str]] = {}
        self._parked: set[Reader] = set()
        self._dirty: list[str] = []
        self.parked_total = 0
        """Times a member was parked, since the start: for metrics."""

    def __len__(self) -> int:
        """Topics with members."""
        return len(self._topics)

    def count(self, topic: str) -> int:
        """Members of a topic, without parked ones."""
        found = self._topics.get(topic)
        return len(found.members) if found else 0

    def join(self, topic: str, reader: Reader) -> None:
        """Get what is published on `topic` from now on, and nothing published before.

        Joining twice is fine.
        """
        topics = self._joined.setdefault(reader, set())
        if topic in topics:
            return
        topics.add(topic)
        if reader not in self._parked:
            self._admit(topic, reader)

    def leave(self, topic: str, reader: Reader) -> None:
        """Get nothing more of it; what was published in this turn of the loop may be lost too."""
        topics = self._joined.get(reader)
        if topics is None or topic not in topics:
            return
        topics.discard(topic)
        self._expel(topic, reader)
        if not topics:
            self.drop(reader)

    def drop(self, reader: Reader) -> None:
        """Leave everything. A session calls this in `closed`."""
        for topic in self._joined.pop(reader, ()):
            self._expel(topic, reader)
        self._parked.discard(reader)

    def restore(self, reader: Reader) -> list[str]:
        """Put a parked reader back on its topics; says which, for it to catch up.

        Empty when it was not parked.
        """
        if reader not in self._parked:
            return []
        self._parked.discard(reader)
        topics = sorted(self._joined.get(reader, ()))
        for topic in topics:
            self._admit(topic, reader)
        return topics

    def publish(self, topic: str, frame: bytes) -> None:
        """Write to all members at the end of this turn, together with what else this turn brings for the
        topic.

        `frame` is ready for the wire (`frames.encode_text`, `sse.event`), one frame or several joined.
        """
        found = self._topics.get(topic)
        if found is None:
            return
        if not found.waiting and found.walk is None:
            self._mark_dirty(topic)
        found.waiting.append(frame)
        found.waiting_bytes += len(frame)
        if found.waiting_bytes > MAX_WAITING_BYTES:
            self._finish(found)

    def publish_except(self, topic: str, frame: bytes, but: Reader) -> None:
        """Write to all members but one, now, behind what was published before."""
        found = self._topics.get(topic)
        if found is None:
            return
        self._finish(found)
        readers = tuple(reader for reader in found.members if reader is not but)
        self._write(found, _Walk(frame, readers, found.joins), len(readers))

    def _mark_dirty(self, topic: str) -> None:
        if not self._dirty:
            asyncio.get_running_loop().call_soon(self._flush)
        self._dirty.append(topic)

    def _flush(self) -> None:
        dirty, self._dirty = self._dirty, []
        for topic in dirty:
            found = self._topics.get(topic)
            if found is not None and found.walk is None:
                self._begin(topic, found)

    def _begin(self, topic: str, found: _Topic) -> None:
        if not found.waiting:
            return
        walk = self._collect(found)
        if len(walk.readers) <= LARGE:
            self._write(found, walk, len(walk.readers))
            return
        found.walk = walk
        self._step(topic, found)

    def _step(self, topic: str, found: _Topic) -> None:
        """One slice; then other work gets its turn. What is published meanwhile waits for the end of the
        walk, so that no member sees two frames in the wrong order."""
        walk = found.walk
        if walk is None:  # finished early, because too much waited
            return
        self._write(found, walk, SLICE)
        if walk.position < len(walk.readers):
            asyncio.get_running_loop().call_soon(self._step, topic, found)
            return
        found.walk = None
        if found.waiting:
            self._mark_dirty(topic)

    def _finish(self, found: _Topic) -> None:
        """Write everything that waits, now."""
        if found.walk is not None:
            walk, found.walk = found.walk, None
            self._write(found, walk, len(walk.readers))
        if found.waiting:
            walk = self._collect(found)
            self._write(found, walk, len(walk.readers))

    @staticmethod
    def _collect(found: _Topic) -> _Walk:
        data = found.waiting[0] if len(found.waiting) == 1 else b"".join(found.waiting)
        found.waiting = []
        found.waiting_bytes = 0
        return _Walk(data, tuple(found.members), found.joins)

    def _write(self, found: _Topic, walk: _Walk, number: int) -> None:
        data, end = walk.data, walk.position + number
        # Removed after the loop: writing must not change what is being walked.
        if walk.position == 0 and end >= len(walk.readers):
            slow = [reader for reader in walk.readers if not reader.write_now(data)]
        else:
            readers = walk.readers[walk.position : end]
            slow = [reader for reader in readers if found.awaits(reader, walk) and not reader.write_now(data)]
        walk.position = end
        for reader in slow:
            if reader.is_open:
                self._park(reader)
            else:
                self.drop(reader)

    def _park(self, reader: Reader) -> None:
        self._parked.add(reader)
        self.parked_total += 1
        for topic in self._joined.get(reader, ()):
            self._expel(topic, reader)

    def _admit(self, topic: str, reader: Reader) -> None:
        found = self._topics.setdefault(topic, _Topic())
        if found.waiting and found.walk is None:
            self._begin(topic, found)  # what waits was published before this reader joined
        elif found.waiting:
            self._finish(found)
        found.joins += 1
        found.members[reader] = found.joins

    def _expel(self, topic: str, reader: Reader) -> None:
        found = self._topics.get(topic)
        if found is None:
            return
        found.members.pop(reader, None)
        if not found.members:
            del self._topics[topic]
