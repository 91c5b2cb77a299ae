"""A first pass over a track: when it plays, what its clock is, where its pictures can be begun with."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from parley.compositor import rtp, vp8
from parley.compositor.mjr import MjrFile, UnreadableTrack
from parley.compositor.timing import Clock, ClockFinder, Counter, Place

OPUS_CLOCK_RATE = 48_000  # RFC 7587, whatever the encoder's rate
_RATES = {"vp8": vp8.CLOCK_RATE, "opus": OPUS_CLOCK_RATE}


class TrackIndex(NamedTuple):
    """What is known of a track before it is played."""

    path: Path
    codec: str
    rate: int
    clock: Clock
    first_ms: float
    """When the first packet was captured, wall clock."""
    last_ms: float
    key_frames_ms: Sequence[float]
    """When pictures were captured that need no other, ascending."""

    def last_key_frame(self, before_ms: float) -> float | None:
        """The latest picture up to that instant that needs no other."""
        place = bisect.bisect_right(self.key_frames_ms, before_ms)
        return self.key_frames_ms[place - 1] if place else None

    def packets(self, file: MjrFile) -> Iterator[rtp.Timed]:
        """Every packet in the order of sending, with the instant of its capture."""
        counter, order = Counter(self.rate), rtp.Reordering()
        for record in file.records():
            packet = rtp.parse(record.packet)
            if packet is not None:
                place = counter.place(record.arrived_ms, packet.ssrc, packet.timestamp)
                yield from order.push(record.arrived_ms, self.clock.wall_ms(place), packet)
        yield from order.flush()


def index(path: Path) -> TrackIndex:
    """Read a track through once.

    Raises:
        UnreadableTrack: there is nothing to play in it.
    """
    with MjrFile(path) as file:
        rate = _RATES.get(file.codec)
        if rate is None:
            raise UnreadableTrack(f"its codec is {file.codec}; vp8 and opus can be played")
        finder = ClockFinder(rate)
        keys: list[Place] = []
        ends: dict[int, list[Place]] = {}
        """For each stretch, its earliest and latest packet."""
        for record in file.records():
            packet = rtp.parse(record.packet)
            if packet is None:
                continue
            place = finder.take(record.arrived_ms, packet.ssrc, packet.timestamp)
            known = ends.setdefault(place.stretch, [place, place])
            known[0], known[1] = min(known[0], place), max(known[1], place)
            if rate == vp8.CLOCK_RATE and vp8.begins_key_frame(packet.payload):
                keys.append(place)
        if not ends:
            raise UnreadableTrack("there is no packet in it")
        clock = finder.finish()
        return TrackIndex(
            path,
            file.codec,
            rate,
            clock,
            min(clock.wall_ms(first) for first, _ in ends.values()),
            max(clock.wall_ms(last) for _, last in ends.values()),
            sorted({clock.wall_ms(place) for place in keys}),
        )
