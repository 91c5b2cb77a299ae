"""Test pictures: a name, a running time and a moving bar, drawn straight into YUV planes."""

from __future__ import annotations

import unicodedata
from fractions import Fraction

import av

WIDTH, HEIGHT = 320, 180
_BAR_WIDTH = 16
_BACKGROUND, _INK, _BAR = 70, 235, 170  # luma, video range
_CHROMA = ((100, 160), (160, 100), (110, 110), (150, 150), (90, 130), (130, 90), (128, 170), (170, 128))
"""Blue and red difference of the background, one for each participant in turn."""
_GLYPH_COLUMNS = 6  # five, and a gap

# The usual 5 x 7 dot matrix letters: one byte for each column, lowest bit on top.
_FONT = {
    " ": "0000000000", "-": "0808080808", ".": "0000606000", ":": "0000140000", "?": "0201590906",
    "0": "3e5149453e", "1": "00427f4000", "2": "7249494946", "3": "2141494d33", "4": "1814127f10",
    "5": "2745454539", "6": "3c4a494931", "7": "4121110907", "8": "3649494936", "9": "464949291e",
    "A": "7c1211127c", "B": "7f49494936", "C": "3e41414122", "D": "7f4141413e", "E": "7f49494941",
    "F": "7f09090901", "G": "3e41415173", "H": "7f0808087f", "I": "00417f4100", "J": "2040413f01",
    "K": "7f08142241", "L": "7f40404040", "M": "7f021c027f", "N": "7f0408107f", "O": "3e4141413e",
    "P": "7f09090906", "Q": "3e4151215e", "R": "7f09192946", "S": "2649494932", "T": "03017f0103",
    "U": "3f4040403f", "V": "1f2040201f", "W": "3f4038403f", "X": "6314081463", "Y": "0304780403",
    "Z": "6159494d43",
}  # fmt: skip


def plain(text: str) -> str:
    """The text in the letters there are: capitals without accents, "?" for the rest."""
    decomposed = unicodedata.normalize("NFKD", text.upper())
    letters = (c for c in decomposed if not unicodedata.combining(c))
    return "".join(c if c in _FONT else "?" for c in letters)


def _write(luma: bytearray, text: str, top: int, scale: int) -> None:
    """Centred; what does not fit is cut off."""
    text = plain(text)[: WIDTH // (_GLYPH_COLUMNS * scale)]
    left = (WIDTH - len(text) * _GLYPH_COLUMNS * scale) // 2
    for number, letter in enumerate(text):
        for column, bits in enumerate(bytes.fromhex(_FONT[letter])):
            x = left + (number * _GLYPH_COLUMNS + column) * scale
            for row in range(8):
                if bits >> row & 1:
                    for y in range(top + row * scale, top + (row + 1) * scale):
                        start = y * WIDTH + x
                        luma[start : start + scale] = bytes([_INK]) * scale


def _fill(plane: av.video.plane.VideoPlane, rows: bytes | bytearray, width: int) -> None:
    padding = bytes(plane.line_size - width)
    plane.update(b"".join(rows[i : i + width] + padding for i in range(0, len(rows), width)))


def encode_picture(name: str, index: int, *, frames: int, frames_per_s: int, key_every: int) -> list[bytes]:
    """A clip of VP8 frames that can be repeated for ever; takes about 0.1 s of processor time.

    Args:
        name: written into the picture.
        index: of the participant; chooses the colour.
        frames: length of the clip.
        frames_per_s: the speed it is meant for.
        key_every: every so many frames there is a key frame, beginning with the first.
    """
    encoder = av.CodecContext.create("libvpx", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    encoder.time_base = Fraction(1, frames_per_s)
    encoder.bit_rate = 200_000
    encoder.gop_size = frames
    encoder.thread_count = 1
    encoder.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
    still = bytearray([_BACKGROUND]) * (WIDTH * HEIGHT)
    _write(still, name, 40, 4)
    blue, red = _CHROMA[index % len(_CHROMA)]
    packets: list[bytes] = []
    for number in range(frames):
        luma = bytearray(still)
        x = number * (WIDTH - _BAR_WIDTH) // frames
        for y in range(HEIGHT - 30, HEIGHT - 10):
            luma[y * WIDTH + x : y * WIDTH + x + _BAR_WIDTH] = bytes([_BAR]) * _BAR_WIDTH
        _write(luma, f"{number / frames_per_s:.1f}", 95, 4)
        frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
        _fill(frame.planes[0], luma, WIDTH)
        for plane, value in zip(frame.planes[1:], (blue, red), strict=True):
            _fill(plane, bytes([value]) * (WIDTH * HEIGHT // 4), WIDTH // 2)
        frame.pts = number
        frame.time_base = encoder.time_base
        is_key = number % key_every == 0
        frame.pict_type = av.video.frame.PictureType.I if is_key else av.video.frame.PictureType.NONE
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    packets += [bytes(packet) for packet in encoder.encode(None)]
    return packets
