"""VP8 in RTP."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from parley.compositor import vp8
from parley.compositor.rtp import Packet, Timed

KEY, DELTA = b"\x10key", b"\x11delta"


def payload(
    content: bytes,
    *,
    first: bool = True,
    picture: int | None = None,
    base: int = -1,
    layer: int = 0,
) -> bytes:
    """A descriptor of any shape and then the content."""
    start = 0x10 if first else 0
    if picture is None and base < 0:
        return bytes([start]) + content
    flags = (0x80 if picture is not None else 0) | (0x60 if base >= 0 else 0)
    head = bytes([0x80 | start, flags])
    if picture is not None:
        head += bytes([0x80 | picture >> 8, picture & 0xFF])
    if base >= 0:
        head += bytes([base, layer << 6])
    return head + content


def frames(packets: Sequence[tuple[int, bytes, bool]], lost: Sequence[int] = ()) -> list[bytes]:
    """Of packets: timestamp, payload, marked."""
    depacketizer, found, after_loss = vp8.Depacketizer(), [], True
    for number, (timestamp, content, is_marked) in enumerate(packets):
        if number in lost:
            after_loss = True
            continue
        packet = Packet(number, timestamp, 1, is_marked, content, b"", 0)
        found += [frame.data for frame in depacketizer.push(Timed(0, packet, after_loss))]
        after_loss = False
    return found


@pytest.mark.parametrize(
    ("content", "size", "picture", "base", "layer"),
    [
        (b"\x10x", 1, None, None, None),
        (b"\x90\x80\x05x", 3, 5, None, None),
        (b"\x90\x80\x85\x06x", 4, 0x506, None, None),
        (b"\x90\xe0\x85\x06\x07\x40x", 6, 0x506, 7, 1),
        (b"\x90\x10\x03x", 3, None, None, None),
    ],
)
def test_descriptor_is_read(content: bytes, size: int, picture: int, base: int, layer: int) -> None:
    found = vp8.describe(content)
    assert found is not None
    assert (found.size, found.picture_id, found.tl0_index, found.layer) == (
        size,
        picture,
        base,
        layer,
    )
    assert found.begins_frame


@pytest.mark.parametrize("content", [b"", b"\x10", b"\x90\x80", b"\x90\x80\x85", b"\x90\xe0\x85\x06\x07\x40"])
def test_descriptor_that_is_cut_off_is_none(content: bytes) -> None:
    assert vp8.describe(content) is None


def test_packets_with_one_timestamp_are_one_frame() -> None:
    packets = [
        (0, payload(KEY), False),
        (0, payload(b"rest", first=False), True),
        (1, payload(DELTA), True),
    ]
    assert frames(packets) == [KEY + b"rest", DELTA]


def test_nothing_is_shown_before_a_key_frame() -> None:
    assert frames([(0, payload(DELTA), True), (1, payload(KEY), True)]) == [KEY]


def test_frames_after_a_loss_wait_for_a_key_frame() -> None:
    packets = [
        (0, payload(KEY, picture=1), True),
        (1, payload(DELTA, picture=2), False),
        (1, payload(b"rest", first=False, picture=2), True),
        (2, payload(DELTA + b"2", picture=3), True),
        (3, payload(KEY + b"3", picture=4), True),
        (4, payload(DELTA + b"4", picture=5), True),
    ]
    assert frames(packets, lost=[2]) == [KEY, KEY + b"3", DELTA + b"4"]
    assert frames(packets, lost=[1]) == [KEY, KEY + b"3", DELTA + b"4"]
    assert frames(packets, lost=[1, 2]) == [KEY, KEY + b"3", DELTA + b"4"]
    assert len(frames(packets)) == 5


def test_lost_padding_loses_no_frame() -> None:
    packets = [
        (0, payload(KEY, picture=0x7FFF), True),
        (0, b"", False),
        (1, payload(DELTA, picture=0), True),
    ]
    assert frames(packets, lost=[1]) == [KEY, DELTA]
    assert frames(packets) == [KEY, DELTA]


def test_lost_upper_layer_leaves_the_base_layer() -> None:
    packets = [
        (0, payload(KEY, picture=1, base=255, layer=0), True),
        (1, payload(DELTA + b"upper", picture=2, base=255, layer=1), True),
        (2, payload(DELTA + b"upper2", picture=3, base=255, layer=2), True),
        (3, payload(DELTA + b"base", picture=4, base=0, layer=0), True),
        (4, payload(DELTA + b"upper3", picture=5, base=0, layer=1), True),
        (5, payload(DELTA + b"base2", picture=6, base=1, layer=0), True),
    ]
    assert frames(packets, lost=[1]) == [KEY, DELTA + b"base", DELTA + b"upper3", DELTA + b"base2"]
    assert frames(packets, lost=[3]) == [KEY, DELTA + b"upper", DELTA + b"upper2"]


def test_rotation_stays_until_it_changes() -> None:
    depacketizer = vp8.Depacketizer(rotation_extension=3)
    found = []
    for number, extension in enumerate((b"\x30\x01\x00\x00", b"", b"\x30\x02\x00\x00")):
        packet = Packet(number, number, 1, True, payload(KEY), extension, 0xBEDE)
        found += [frame.rotation for frame in depacketizer.push(Timed(0, packet, False))]
    assert found == [90, 90, 180]
