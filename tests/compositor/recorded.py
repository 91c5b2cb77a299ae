"""Tracks as Janus writes them, with pictures and sounds that can be recognised."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.video.frame import PictureType

START_MS = 1_900_000_000_000
"""When the recordings of the tests begin."""
RED, GREEN, BLUE, YELLOW, WHITE, BLACK = (
    (200, 30, 30), (30, 170, 30), (40, 60, 210), (210, 200, 30), (235, 235, 235), (0, 0, 0),
)  # fmt: skip
Rgb = tuple[int, int, int]
MTU = 900
VIDEO_RATE, AUDIO_RATE = 90_000, 48_000


class Sent(NamedTuple):
    """A packet on its way."""

    captured_ms: float
    packet: bytes


class MjrWriter:
    """Writes what janus-gateway's src/record.c writes."""

    def __init__(self, path: Path, kind: str, codec: str, first_ms: float, **info: object) -> None:
        self._file, self._first_ms = path.open("wb"), first_ms
        header = {"t": kind, "c": codec, "s": int(first_ms * 1000) - 500, "u": int(first_ms * 1000), **info}
        text = json.dumps(header).encode()
        self._file.write(b"MJR00002" + struct.pack(">H", len(text)) + text)

    def write(self, arrived_ms: float, packet: bytes) -> None:
        since = max(int(arrived_ms - self._first_ms), 0)
        self._file.write(b"MEET" + struct.pack(">IH", since, len(packet)) + packet)

    def __enter__(self) -> MjrWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def rtp_packet(
    number: int,
    timestamp: int,
    payload: bytes,
    *,
    ssrc: int = 1,
    is_marked: bool = False,
    extension: bytes = b"",
) -> bytes:
    first = 0x90 if extension else 0x80
    header = struct.pack(
        ">BBHII", first, (0x80 if is_marked else 0) | 96, number % 2**16, timestamp % 2**32, ssrc
    )
    if extension:
        padded = extension + bytes(-len(extension) % 4)
        header += struct.pack(">HH", 0xBEDE, len(padded) // 4) + padded
    return header + payload


def write_track(
    path: Path,
    codec: str,
    packets: list[Sent],
    *,
    delay_ms: Callable[[int], float] = lambda _: 20.0,
    lost: Callable[[int], bool] = lambda _: False,
    **info: object,
) -> Path:
    """Write packets in the order in which they arrive, less those that never do."""
    arrivals = sorted(
        (sent.captured_ms + delay_ms(place), place, sent.packet)
        for place, sent in enumerate(packets)
        if not lost(place)
    )
    with MjrWriter(path, "v" if codec == "vp8" else "a", codec, arrivals[0][0], **info) as track:
        for arrived_ms, _, packet in arrivals:
            track.write(arrived_ms, packet)
    return path


def plain(colour: Rgb, size: tuple[int, int]) -> np.ndarray:
    return np.full((size[1], size[0], 3), colour, np.uint8)


class Encoder:
    """VP8 frames, one at a time; the size may change in between, as with simulcast."""

    def __init__(self, fps: float, bit_rate: int = 300_000) -> None:
        self._fps, self._bit_rate = fps, bit_rate
        self._codec: av.VideoCodecContext | None = None
        self._count = 0

    def encode(self, picture: np.ndarray, *, is_key: bool) -> bytes:
        height, width = picture.shape[:2]
        if self._codec is None or (self._codec.width, self._codec.height) != (width, height):
            codec = av.CodecContext.create("libvpx", "w")
            assert isinstance(codec, av.VideoCodecContext)
            codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
            codec.time_base = Fraction(1, 1000)
            codec.bit_rate, codec.gop_size, codec.thread_count = self._bit_rate, 10_000, 1
            codec.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
            self._codec = codec
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
            format="yuv420p", dst_colorspace="ITU601", src_color_range="JPEG", dst_color_range="MPEG"
        )
        frame.pts, frame.time_base = round(self._count * 1000 / self._fps), Fraction(1, 1000)
        frame.pict_type = PictureType.I if is_key else PictureType.NONE
        self._count += 1
        (packet,) = self._codec.encode(frame)
        return bytes(packet)


def vp8_payloads(frame: bytes, picture_id: int) -> Iterator[bytes]:
    """RFC 7741, with a picture id of 15 bits."""
    for at in range(0, len(frame), MTU):
        first = (0x90 if at == 0 else 0x80).to_bytes(1, "big")
        yield first + b"\x80" + struct.pack(">H", 0x8000 | picture_id % 2**15) + frame[at : at + MTU]


def camera(
    seconds: float,
    picture: Rgb | Callable[[float], np.ndarray],
    *,
    start_ms: float = START_MS,
    size: tuple[int, int] = (160, 120),
    fps: float = 15,
    key_every: int = 30,
    first_number: int = 65_500,
    first_timestamp: int = 2**32 - 90_000,
    ssrc: int = 1,
    clock: float = VIDEO_RATE,
    extension: bytes = b"",
) -> list[Sent]:
    """The packets of a camera; counters wrap within the first seconds."""
    encoder, sent, number = Encoder(fps), [], first_number
    for count in range(round(seconds * fps)):
        at_s = count / fps
        pixels = picture(at_s) if callable(picture) else plain(picture, size)
        frame = encoder.encode(pixels, is_key=count % key_every == 0)
        payloads = list(vp8_payloads(frame, 100 + count))
        for place, payload in enumerate(payloads):
            is_last = place == len(payloads) - 1
            packet = rtp_packet(
                number,
                first_timestamp + round(at_s * clock),
                payload,
                ssrc=ssrc,
                is_marked=is_last,
                extension=extension,
            )
            sent.append(Sent(start_ms + at_s * 1000, packet))
            number += 1
    return sent


def tone(frequency: float, at_s: np.ndarray) -> np.ndarray:
    return 0.2 * np.sin(2 * np.pi * frequency * at_s)


def microphone(
    seconds: float,
    sound: float | Callable[[np.ndarray], np.ndarray],
    *,
    start_ms: float = START_MS,
    first_number: int = 65_500,
    first_timestamp: int = 2**32 - 48_000,
    ssrc: int = 2,
    clock: float = AUDIO_RATE,
) -> list[Sent]:
    """The packets of a microphone: a tone of that frequency, or what the function says, 20 ms each."""
    codec = av.CodecContext.create("libopus", "w")
    assert isinstance(codec, av.AudioCodecContext)
    codec.sample_rate, codec.layout, codec.format = AUDIO_RATE, "stereo", "s16"
    codec.bit_rate, codec.time_base = 64_000, Fraction(1, AUDIO_RATE)
    sent: list[Sent] = []
    for count in range(round(seconds * 50)):
        at_s = (count * 960 + np.arange(960)) / AUDIO_RATE
        wave = sound(at_s) if callable(sound) else tone(sound, at_s)
        samples = np.repeat(np.int16(wave * 32767), 2).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = AUDIO_RATE, count * 960, Fraction(1, AUDIO_RATE)
        for packet in codec.encode(frame):
            number = len(sent)
            sent.append(
                Sent(
                    start_ms + number * 20,
                    rtp_packet(
                        first_number + number,
                        first_timestamp + round(number * clock / 50),
                        bytes(packet),
                        ssrc=ssrc,
                    ),
                )
            )
    return sent
