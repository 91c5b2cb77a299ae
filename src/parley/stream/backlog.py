"""What one socket has not been able to write yet, in order: frames that nobody asked for, and long answers.

Frames are kept as they were given, so that a frame on its way to many slow readers is in memory once. They
are counted, those in the transport included; see `sockets.Outbound` for how many there may be. Long answers
are not: they are made when there is room for them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from parley.stream import frames

CHUNK_BYTES = 64 << 10


class Answer:
    """A long answer: text messages, made when there is room for them."""

    __slots__ = ("_begun", "_texts", "is_over")

    def __init__(self, texts: Iterator[bytes]) -> None:
        self._texts = texts
        self._begun = b""
        self.is_over = False
        """Nothing is left of it."""

    def begin(self) -> bytes:
        """The beginning, which is taken again unless that is all."""
        begun = self.take()
        if not self.is_over:
            self._begun = begun
        return begun

    def take(self) -> bytes:
        """The next frames, `CHUNK_BYTES` of them or a little more."""
        if self._begun:
            begun, self._begun = self._begun, b""
            return begun
        taken: list[bytes] = []
        size = 0
        while size < CHUNK_BYTES:
            text = next(self._texts, None)
            if text is None:
                self.is_over = True
                break
            taken.append(frames.encode_text(text))
            size += len(taken[-1])
        return b"".join(taken)


class Backlog:
    """What is still to be written, in order."""

    __slots__ = (
        "_answers",
        "_handed",
        "_handed_frames",
        "_parts",
        "is_paused",
        "waiting_bytes",
        "waiting_frames",
    )

    def __init__(self) -> None:
        self._parts: deque[bytes | Answer] = deque()
        self._answers = 0
        self._handed: Sequence[bytes] = ()
        """Frames that are counted, of which the transport has some left."""
        self._handed_frames: int | None = 0
        """In `_handed`; None until somebody needs to know."""
        self.is_paused = False
        """Nothing more for now: the peer has to read first."""
        self.waiting_bytes = 0
        """Of frames, without what the transport has."""
        self.waiting_frames = 0

    def __bool__(self) -> bool:
        """Whether there is, or may be, something left that the transport has not got."""
        return bool(self._parts)

    @property
    def has_answer(self) -> bool:
        """Whether a long answer waits, the rest of one included."""
        return self._answers > 0

    def add(self, data: bytes, number: int) -> None:
        """So many frames that nobody asked for."""
        self.waiting_bytes += len(data)
        self.waiting_frames += number
        self._parts.append(data)

    def add_answer(self, answer: Answer) -> None:
        """A long answer."""
        self._parts.append(answer)
        self._answers += 1

    def handed(self, data: bytes) -> None:
        """The transport has got these frames, and nothing else."""
        self._handed, self._handed_frames = (data,), None

    def unsent_bytes(self, in_transport: int) -> int:
        """Of frames that are counted, when the transport has that many bytes of anything."""
        return self.waiting_bytes + (in_transport if self._handed else 0)

    def has_more_than(self, limit: int, in_transport: int) -> bool:
        """Whether more frames than that are not wholly written, when the transport has that many bytes."""
        if self.waiting_frames > limit:
            return True
        if self._handed_frames is None:
            self._handed_frames = sum(frames.count(part) for part in self._handed)
        if self.waiting_frames + self._handed_frames <= limit:
            return False
        return self.waiting_frames + frames.count_last(self._handed, in_transport) > limit

    def take(self) -> Sequence[bytes]:
        """The next frames, `CHUNK_BYTES` of them or a little more; empty at the end."""
        while self._parts and isinstance(answer := self._parts[0], Answer):
            data = answer.take()
            if answer.is_over:
                self._parts.popleft()
                self._answers -= 1
            if data:
                self._handed, self._handed_frames = (), 0
                return (data,)
        taken: list[bytes] = []
        size = number = 0
        while self._parts and size < CHUNK_BYTES:
            part = self._parts[0]
            if isinstance(part, Answer):
                break
            self._parts.popleft()
            taken.append(part)
            size += len(part)
            number += frames.count(part)
        self.waiting_bytes -= size
        self.waiting_frames -= number
        self._handed, self._handed_frames = taken, number
        return taken

    def before_answers(self) -> list[bytes]:
        """What a connection that is closed in order still sends: nothing that comes behind a gap."""
        found: list[bytes] = []
        for part in self._parts:
            if isinstance(part, Answer):
                break
            found.append(part)
        return found
