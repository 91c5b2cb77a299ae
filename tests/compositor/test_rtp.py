"""RTP packets and their order."""

from __future__ import annotations

import itertools
import random
import struct
from collections.abc import Sequence

import pytest

from parley.compositor import rtp
from parley.compositor.rtp import Packet, Reordering
from tests.compositor.recorded import rtp_packet


def packet(number: int, *, ssrc: int = 1) -> Packet:
    found = rtp.parse(rtp_packet(number, 0, b"x", ssrc=ssrc))
    assert found is not None
    return found


def numbers(arrivals: Sequence[tuple[float, Packet]]) -> list[tuple[int, bool]]:
    order = Reordering()
    found = [list(order.push(at_ms, at_ms, one)) for at_ms, one in arrivals] + [list(order.flush())]
    return [(one.packet.sequence_number, one.after_loss) for one in itertools.chain(*found)]


def test_header_is_read() -> None:
    found = rtp.parse(rtp_packet(7, 1234, b"content", ssrc=99, is_marked=True, extension=b"\x30\x01"))
    assert found is not None
    assert (found.sequence_number, found.timestamp, found.ssrc, found.is_marked) == (7, 1234, 99, True)
    assert found.payload == b"content"
    assert found.extension(3) == b"\x01"
    assert found.extension(4) is None


def test_contributors_and_padding_are_no_payload() -> None:
    header = struct.pack(">BBHII", 0xA1, 96, 1, 2, 3) + b"\x00\x00\x00\x04"
    found = rtp.parse(header + b"abc" + b"\x00\x00\x03")
    assert found is not None
    assert found.payload == b"abc"


def test_extensions_with_two_bytes_are_read() -> None:
    found = rtp.parse(
        struct.pack(">BBHII", 0x90, 96, 1, 2, 3) + struct.pack(">HH", 0x1000, 1) + b"\x05\x02hi" + b"abc"
    )
    assert found is not None
    assert (found.extension(5), found.payload) == (b"hi", b"abc")


@pytest.mark.parametrize(
    "content", [b"", b"\x80" * 11, b"\x00" * 20, b"\x8f" + bytes(12), b"\x90" + bytes(11)]
)
def test_what_is_no_packet_is_none(content: bytes) -> None:
    assert rtp.parse(content) is None


def test_any_bytes_are_parsed_or_refused() -> None:
    chance = random.Random(4)
    for _ in range(500):
        found = rtp.parse(bytes([0x90 | chance.randrange(48)]) + chance.randbytes(chance.randrange(60)))
        if found is not None:
            found.extension(3)


def test_packets_are_put_in_order_over_the_wrap() -> None:
    arrivals = [(20.0 * n, packet(number)) for n, number in enumerate((65534, 0, 65535, 2, 1, 3))]
    assert [number for number, _ in numbers(arrivals)] == [65534, 65535, 0, 1, 2, 3]


def test_duplicates_and_those_that_come_too_late_are_dropped() -> None:
    arrivals = [(0, packet(1)), (1, packet(2)), (2, packet(2)), (3, packet(1)), (4, packet(3))]
    assert [number for number, _ in numbers(arrivals)] == [1, 2, 3]


def test_missing_packet_is_waited_for_and_then_given_up() -> None:
    late = [(0, packet(1)), (20, packet(3)), (500, packet(2)), (520, packet(4))]
    assert [number for number, _ in numbers(late)] == [1, 2, 3, 4]
    never = [(0, packet(1)), (20, packet(3)), (1_100, packet(4)), (1_120, packet(2)), (1_140, packet(5))]
    assert numbers(never) == [(1, True), (3, True), (4, False), (5, False)]


def test_numbers_that_change_without_notice_are_followed() -> None:
    """A damaged number, or a sender that begins again, would otherwise end the track."""
    arrivals = [(20.0 * n, packet(30_000 + n)) for n in range(10)]
    arrivals += [(200.0 + 20 * n, packet(5_000 + n)) for n in range(300)]
    found = [number for number, _ in numbers(arrivals)]
    assert found[:10] == list(range(30_000, 30_010))
    assert found[10:] == list(range(5_000 + rtp.MOST_LATE, 5_300))


def test_another_source_begins_another_order() -> None:
    arrivals = [(0, packet(1)), (20, packet(3)), (40, packet(9_000, ssrc=2)), (60, packet(9_001, ssrc=2))]
    assert numbers(arrivals) == [(1, True), (3, True), (9_000, True), (9_001, False)]
