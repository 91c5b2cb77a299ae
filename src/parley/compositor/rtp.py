"""RTP packets (RFC 3550), and bringing them back into the order in which they were sent."""

from __future__ import annotations

import heapq
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_HEADER = struct.Struct(">BBHII")
_ONE_BYTE_EXTENSIONS = 0xBEDE  # RFC 8285; those with two end in any four bits
_TWO_BYTE_EXTENSIONS = 0x1000
_ROUND = 1 << 16
ORIENTATION = "urn:3gpp:video-orientation"
"""A header extension: how the phone is held (3GPP TS 26.114, 7.4.5)."""
WAIT_MS = 1_000.0
"""Longer than a retransmission takes that is still of use."""
MOST_WAITING = 1_024
"""Packets that one missing packet may hold up."""

MOST_LATE = 100
"""More in a row are not late: the sender, or damage, has changed the numbers."""


class Packet(NamedTuple):
    """A packet's header, and its payload without padding."""

    sequence_number: int
    timestamp: int
    ssrc: int
    is_marked: bool
    payload: bytes
    extensions: bytes
    """Empty when there are none."""
    extension_profile: int

    def extension(self, number: int) -> bytes | None:
        """One header extension (RFC 8285)."""
        one_byte = self.extension_profile == _ONE_BYTE_EXTENSIONS
        if not one_byte and self.extension_profile >> 4 != _TWO_BYTE_EXTENSIONS >> 4:
            return None
        data, at = self.extensions, 0
        while at + 1 < len(data):
            if data[at] == 0:  # padding
                at += 1
                continue
            if one_byte:
                identity, length, start = data[at] >> 4, (data[at] & 0x0F) + 1, at + 1
            else:
                identity, length, start = data[at], data[at + 1], at + 2
            if identity == number:
                return data[start : start + length]
            at = start + length
        return None


def parse(packet: bytes) -> Packet | None:
    """The packet in these bytes; None if they are no RTP packet."""
    if len(packet) < _HEADER.size:
        return None
    first, second, sequence_number, timestamp, ssrc = _HEADER.unpack_from(packet)
    start = _HEADER.size + 4 * (first & 0x0F)
    extensions, profile = b"", 0
    if first & 0x10:
        if start + 4 > len(packet):
            return None
        profile, words = struct.unpack_from(">HH", packet, start)
        extensions = packet[start + 4 : start + 4 + 4 * words]
        start += 4 + 4 * words
    end = len(packet) - (packet[-1] if first & 0x20 else 0)
    if first >> 6 != 2 or start > len(packet):
        return None
    return Packet(
        sequence_number, timestamp, ssrc, second >= 0x80, packet[start : max(start, end)], extensions, profile
    )


class Timed(NamedTuple):
    """A packet in the order of sending."""

    at_ms: float
    """When its content was captured, wall clock."""
    packet: Packet
    after_loss: bool
    """Packets before it are missing."""


class Reordering:
    """Puts the packets of one source in order, without duplicates; a missing one is waited for a while."""

    def __init__(self) -> None:
        self._ssrc: int | None = None
        self._next = 0
        self._waiting: list[tuple[int, float, float, Packet]] = []
        """A heap of number, arrival, capture, packet."""
        self._after_loss = False
        self._late = 0
        """Packets in a row that came too late."""

    def push(self, arrived_ms: float, at_ms: float, packet: Packet) -> Iterable[Timed]:
        """Take a packet in the order of arrival; what is in order by now comes out."""
        if (
            packet.ssrc == self._ssrc
            and packet.sequence_number == self._next % _ROUND
            and not self._waiting
            and not self._after_loss
        ):
            self._next += 1
            return (Timed(at_ms, packet, False),)  # nearly always
        return self._sort(arrived_ms, at_ms, packet)

    def _sort(self, arrived_ms: float, at_ms: float, packet: Packet) -> Iterator[Timed]:
        if packet.ssrc != self._ssrc or self._late >= MOST_LATE:
            yield from self.flush()
            self._late = 0
            self._ssrc, self._next, self._after_loss = packet.ssrc, packet.sequence_number, True
        # The number nearest to the expected one that ends in these 16 bits.
        ahead = (packet.sequence_number - self._next + _ROUND // 2) % _ROUND - _ROUND // 2
        if ahead < 0:
            self._late += 1
            return  # a duplicate, or given up before
        self._late = 0
        heapq.heappush(self._waiting, (self._next + ahead, arrived_ms, at_ms, packet))
        while self._waiting:
            first = self._waiting[0]
            if (
                first[0] > self._next
                and len(self._waiting) < MOST_WAITING
                and arrived_ms - first[1] < WAIT_MS
            ):
                return
            yield from self._pop()

    def flush(self) -> Iterator[Timed]:
        """Everything still waiting, at the end."""
        while self._waiting:
            yield from self._pop()

    def _pop(self) -> Iterator[Timed]:
        number, _, at_ms, packet = heapq.heappop(self._waiting)
        if number < self._next:
            return
        yield Timed(at_ms, packet, self._after_loss or number > self._next)
        self._after_loss = False
        self._next = number + 1
