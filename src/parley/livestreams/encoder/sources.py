"""A live stream's sound and pictures at an instant a little behind the present.

The little is `DELAY_MS`: what comes later than that is lost, what comes out of order within it is put in
order. Instants are milliseconds of the wall clock, found from the RTP timestamps as in `compositor.timing`.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator

from parley.compositor import vp8
from parley.compositor.audio import CODEC_DELAY, RATE, DecodedSound, Samples
from parley.compositor.rtp import Packet, Timed
from parley.compositor.timing import Counter
from parley.compositor.video import FREEZE_MS, Decoded

DELAY_MS = 300.0
HEARD_MS = 1_000.0
"""A microphone counts as on for so long after its last packet."""
_WINDOW_S = 4
"""After so long a delay that has grown for good is followed."""
_ROUND = 1 << 16
_RESTART = 1_000
"""Packets by which the sequence numbers jump when a sender begins anew."""
_PER_MS = RATE / 1000
_ASK_AGAIN_MS = 1_000.0


class LiveClock:
    """When what is in a packet was captured, later by the least delay of the last seconds."""

    def __init__(self, rate: int) -> None:
        self._rate, self._counter = rate, Counter(rate)
        self._stretch = -1
        self._least: deque[tuple[int, float]] = deque()
        """Second of the content, and the least offset in it."""

    def wall_ms(self, arrived_ms: float, packet: Packet) -> float:
        """Of one packet, in the order of arrival."""
        place = self._counter.place(arrived_ms, packet.ssrc, packet.timestamp)
        if place.stretch != self._stretch:
            self._stretch = place.stretch
            self._least.clear()
        content_ms = place.ticks * 1000 / self._rate
        offset, second = arrived_ms - content_ms, int(content_ms // 1000)
        while self._least and self._least[-1][1] >= offset:
            self._least.pop()
        self._least.append((second, offset))
        while self._least[0][0] < second - _WINDOW_S:
            self._least.popleft()
        return self._least[0][1] + content_ms


class Jitter:
    """Packets in the order of sending, held back until their instant has come."""

    def __init__(self, rate: int) -> None:
        self._clock = LiveClock(rate)
        self._waiting: list[tuple[int, float, Packet]] = []
        self._next: int | None = None
        self.last_arrived_ms = float("-inf")

    def push(self, arrived_ms: float, packet: Packet) -> None:
        """One packet, as it arrives."""
        self.last_arrived_ms = arrived_ms
        at_ms = self._clock.wall_ms(arrived_ms, packet)
        number = packet.sequence_number
        if self._next is not None:
            ahead = (packet.sequence_number - self._next + _ROUND // 2) % _ROUND - _ROUND // 2
            number = self._next + ahead
            if abs(ahead) > _RESTART:
                self._waiting.clear()
                self._next, number = None, packet.sequence_number
            elif ahead < 0:
                return  # a duplicate, or given up
        heapq.heappush(self._waiting, (number, at_ms, packet))

    def due(self, until_ms: float) -> Iterator[Timed]:
        """What was captured up to that instant."""
        while self._waiting and self._waiting[0][1] <= until_ms:
            number, at_ms, packet = heapq.heappop(self._waiting)
            if self._next is not None and number < self._next:
                continue
            yield Timed(at_ms, packet, self._next is None or number > self._next)
            self._next = number + 1


class LiveVideo(Decoded):
    """The picture of one camera or screen."""

    def __init__(self, *, holds: bool, is_first: bool = True, orientation: int | None = None) -> None:
        """Prepare.

        Args:
            holds: the last picture stays, however old; nothing may move on a shared screen for minutes.
            is_first: the layer that is always sent.
            orientation: see `orders.Feed`.
        """
        super().__init__()
        self.jitter = Jitter(vp8.CLOCK_RATE)
        self._is_first, self._holds = is_first, holds
        self._frames = vp8.Depacketizer(orientation)
        self._now_ms = float("-inf")
        self._asked_ms = float("-inf")
        self._is_stuck = True

    @property
    def is_shown(self) -> bool:
        """Whether there is a picture that is fresh enough."""
        if self.frame is None:
            return False
        return self._holds or self._now_ms - self.frame_ms <= FREEZE_MS

    def advance(self, now_ms: float) -> None:
        """Go on to that instant; never backwards."""
        self._now_ms = now_ms
        for timed in self.jitter.due(now_ms):
            self._is_stuck = self._is_stuck or timed.after_loss
            for frame in self._frames.push(timed):
                self._is_stuck = not self.decode(frame)

    def needs_key_frame(self, now_ms: float) -> bool:
        """Whether nothing comes of what arrives; says so once a second."""
        if not self._is_stuck or now_ms - self._asked_ms < _ASK_AGAIN_MS:
            return False
        is_awaited = self._holds and self._is_first and self.frame is None
        if is_awaited or self.jitter.last_arrived_ms > now_ms - FREEZE_MS:
            self._asked_ms = now_ms
            return True
        return False


class LiveAudio:
    """The sound of one microphone or screen."""

    def __init__(self) -> None:
        self.jitter = Jitter(RATE)
        self._sound = DecodedSound()

    def is_on(self, now_ms: float) -> bool:
        """Whether something has arrived lately."""
        return now_ms - self.jitter.last_arrived_ms <= HEARD_MS

    def read(self, from_ms: float, count: int) -> Samples | None:
        """So many samples from that instant on; None for silence. Never backwards."""
        for timed in self.jitter.due(from_ms + count / _PER_MS):
            if timed.packet.payload:
                self._sound.decode(timed, _place(timed.at_ms) - CODEC_DELAY)
        return self._sound.take(_place(from_ms), count)


def _place(at_ms: float) -> int:
    """In samples since 1970."""
    return round(at_ms * _PER_MS)
