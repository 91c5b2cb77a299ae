"""VP8 frames out of RTP packets (RFC 7741), and which of them can be decoded after a loss."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from parley.compositor.rtp import Timed

CLOCK_RATE = 90_000


class Descriptor(NamedTuple):
    """What stands before the payload (RFC 7741, section 4.2)."""

    size: int
    """Bytes."""
    begins_frame: bool
    """First packet of the first partition."""
    picture_id: int | None
    """7 or 15 bits."""
    picture_id_bits: int
    tl0_index: int | None
    """Counts the frames of the base layer (8 bits)."""
    layer: int | None
    """Temporal layer, 0 is the base."""


def describe(payload: bytes) -> Descriptor | None:
    """The descriptor; None if the payload is cut off or empty."""
    try:
        first, at = payload[0], 1
        picture_id = tl0_index = layer = None
        bits = 0
        if first & 0x80:
            extended, at = payload[at], at + 1
            if extended & 0x80:
                picture_id, bits, at = payload[at], 7, at + 1
                if picture_id & 0x80:
                    picture_id, bits, at = (picture_id & 0x7F) << 8 | payload[at], 15, at + 1
            if extended & 0x40:
                tl0_index, at = payload[at], at + 1
            if extended & 0x30:
                layer, at = payload[at] >> 6 if extended & 0x20 else None, at + 1
    except IndexError:
        return None
    if at >= len(payload):
        return None
    return Descriptor(at, bool(first & 0x10) and not first & 0x07, picture_id, bits, tl0_index, layer)


def begins_key_frame(payload: bytes) -> bool:
    """Whether this packet is the first of a picture that needs no other."""
    found = describe(payload)
    return found is not None and found.begins_frame and not payload[found.size] & 0x01


class Frame(NamedTuple):
    """A whole frame, which the frames before it are enough for."""

    at_ms: float
    data: bytes
    is_key: bool
    rotation: int
    """Degrees clockwise by which the picture has to be turned."""


class Depacketizer:
    """Collects packets into frames. After a loss it lets frames through again that can be decoded: from a key
    frame on, or from the base layer on when only frames of the other layers are missing.
    """

    def __init__(self, rotation_extension: int | None = None) -> None:
        self._rotation_extension = rotation_extension
        self._rotation = 0
        self._parts: list[bytes] = []
        self._timestamp: int | None = None
        self._first: Descriptor | None = None
        """Of the frame being collected; None if its beginning is missing."""
        self._is_whole = False
        self._may_have_lost = True
        self._can_decode = False
        self._picture_id: int | None = None
        self._tl0_index: int | None = None
        """Of the frames let through last."""

    def push(self, timed: Timed) -> Iterator[Frame]:
        """Take a packet in the order of sending; a frame comes out with its last packet."""
        packet = timed.packet
        found = describe(packet.payload)
        if timed.after_loss:
            self._may_have_lost, self._is_whole = True, False
        if found is None:
            return  # padding, which only fills the line
        if packet.timestamp != self._timestamp:
            if self._parts and self._is_whole:
                self._may_have_lost = True  # its last packet never came
            self._timestamp, self._parts = packet.timestamp, []
            self._first, self._is_whole = found, found.begins_frame
            if not found.begins_frame:
                self._may_have_lost = True
        if not self._is_whole:
            self._may_have_lost = True
            return
        self._parts.append(packet.payload[found.size :])
        self._turn(timed)
        if packet.is_marked:
            data = b"".join(self._parts)
            self._parts, self._is_whole = [], False
            frame = Frame(timed.at_ms, data, not data[0] & 0x01, self._rotation)
            assert self._first is not None
            if self._lets_through(self._first, frame.is_key):
                yield frame

    def _turn(self, timed: Timed) -> None:
        """Coordination of video orientation (3GPP TS 26.114, 7.4.5): it stands in the last packet of a
        frame."""
        if self._rotation_extension is not None:
            value = timed.packet.extension(self._rotation_extension)
            if value:
                self._rotation = 90 * (value[0] & 0x03)

    def _lets_through(self, frame: Descriptor, is_key: bool) -> bool:
        is_base = frame.layer in (None, 0)
        if is_key:
            self._can_decode = True
        elif not self._can_decode:
            return False
        elif self._may_have_lost and not self._follows(frame):
            if not is_base:
                return False  # it may need what was lost; the next of the base layer does not
            if not self._needs_base_only(frame):
                self._can_decode = False
                return False
        self._may_have_lost = False
        self._picture_id = frame.picture_id
        if is_base:
            self._tl0_index = frame.tl0_index
        return True

    def _follows(self, frame: Descriptor) -> bool:
        """No frame is missing: what got lost was padding."""
        if frame.picture_id is None or self._picture_id is None:
            return False
        return (self._picture_id + 1) % (1 << frame.picture_id_bits) == frame.picture_id

    def _needs_base_only(self, frame: Descriptor) -> bool:
        """A frame of the base layer that comes right after the last one of it."""
        if frame.layer != 0 or frame.tl0_index is None or self._tl0_index is None:
            return False
        return (self._tl0_index + 1) % 256 == frame.tl0_index
