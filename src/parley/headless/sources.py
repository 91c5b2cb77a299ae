"""What a participant publishes: a tone and a moving picture, a file, or nothing."""

from __future__ import annotations

import array
import asyncio
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from parley.headless.errors import CannotJoin
from parley.headless.picture import encode_picture

TONE_BASE_HZ, TONE_STEP_HZ = 400, 50
TONES = 40
"""Different ones; later participants begin again."""
_SAMPLE_RATE = 48_000
_PACKET_SAMPLES = 960  # 20 ms
_TONE_PACKETS = 50
_FRAMES_PER_S = 15
_CLIP_FRAMES = 60
_KEY_EVERY = 15
_MAX_LATENESS_S = 0.5
"""A track that is further behind goes on from now instead of sending a burst."""

TrackFactory = Callable[[], MediaStreamTrack]


@dataclass(frozen=True, slots=True)
class MediaSource:
    """Makes the tracks of one participant; each call gives a new track, owned by the caller."""

    audio: TrackFactory | None = None
    video: TrackFactory | None = None

    @property
    def kinds(self) -> dict[str, TrackFactory]:
        """The tracks there are, by kind."""
        both = {"audio": self.audio, "video": self.video}
        return {kind: factory for kind, factory in both.items() if factory is not None}


NOTHING = MediaSource()
"""For those who only watch and listen."""


def tone_hz(index: int) -> int:
    """The tone of a participant: a multiple of 50 Hz, so that a loop of whole packets has no seam."""
    return TONE_BASE_HZ + TONE_STEP_HZ * (index % TONES)


async def tone_source(name: str, index: int) -> MediaSource:
    """A steady tone, and a picture with the name on it; both encoded once."""
    loop = asyncio.get_running_loop()
    sound = await loop.run_in_executor(None, encode_tone, tone_hz(index))
    picture = await loop.run_in_executor(
        None,
        lambda: encode_picture(
            name, index, frames=_CLIP_FRAMES, frames_per_s=_FRAMES_PER_S, key_every=_KEY_EVERY
        ),
    )
    return MediaSource(
        lambda: EncodedLoop("audio", sound, packets_per_s=_SAMPLE_RATE // _PACKET_SAMPLES),
        lambda: EncodedLoop("video", picture, packets_per_s=_FRAMES_PER_S, key_every=_KEY_EVERY),
    )


def file_source(path: Path) -> MediaSource:
    """Sound and picture of a media file, again and again.

    Raises:
        CannotJoin: not readable, or neither sound nor picture in it.
    """
    try:
        with av.open(str(path)) as container:
            has_audio, has_video = bool(container.streams.audio), bool(container.streams.video)
    except (OSError, av.FFmpegError) as error:
        raise CannotJoin(f"{path} is not a media file that can be read: {error}") from error
    if not has_audio and not has_video:
        raise CannotJoin(f"{path} has neither sound nor picture.")
    return MediaSource(
        (lambda: FileTrack("audio", path)) if has_audio else None,
        (lambda: FileTrack("video", path)) if has_video else None,
    )


def encode_tone(hz: int) -> list[bytes]:
    """A second of a sine tone as Opus packets of 20 ms that can be repeated for ever."""
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = _SAMPLE_RATE, "mono", av.AudioFormat("s16")
    encoder.bit_rate = 32_000
    step = 2 * math.pi * hz / _SAMPLE_RATE
    packets: list[bytes] = []
    for number in range(2 * _TONE_PACKETS + 2):
        first = number * _PACKET_SAMPLES
        samples = array.array(
            "h", (round(8_000 * math.sin(step * (first + i))) for i in range(_PACKET_SAMPLES))
        )
        frame = av.AudioFrame("s16", "mono", _PACKET_SAMPLES)
        frame.planes[0].update(samples.tobytes())
        frame.sample_rate, frame.pts, frame.time_base = _SAMPLE_RATE, first, Fraction(1, _SAMPLE_RATE)
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    # The second half: there the encoder has settled, so the end fits the beginning.
    return packets[-_TONE_PACKETS:]


class _PacedTrack(MediaStreamTrack):
    """Delivers in real time."""

    def __init__(self) -> None:
        super().__init__()
        self._started_at: float | None = None

    async def _wait_until(self, media_s: float) -> None:
        now = asyncio.get_running_loop().time()
        if self._started_at is None or now - self._started_at - media_s > _MAX_LATENESS_S:
            self._started_at = now - media_s
        delay = self._started_at + media_s - now
        if delay > 0:
            await asyncio.sleep(delay)
        if self.readyState != "live":
            raise MediaStreamError


class EncodedLoop(_PacedTrack):
    """Encoded packets over and over: sending them costs no encoder."""

    def __init__(
        self, kind: str, packets: Sequence[bytes], *, packets_per_s: int, key_every: int | None = None
    ) -> None:
        super().__init__()
        self.kind = kind
        self._packets = packets
        self._time_base = Fraction(1, packets_per_s)
        self._key_every = key_every
        self._sent = 0
        self._next = 0
        self._since_key = 0
        self._key_wanted = False

    def request_key_frame(self) -> None:
        """Go on with the next key frame; one that was just sent is enough."""
        self._key_wanted = self._key_every is not None

    async def recv(self) -> av.Packet[Any]:
        """The next packet, when it is due."""
        await self._wait_until(float(self._sent * self._time_base))
        self._skip_to_key()
        packet = av.Packet(self._packets[self._next])
        packet.pts, packet.time_base = self._sent, self._time_base
        self._sent += 1
        self._next = (self._next + 1) % len(self._packets)
        return packet

    def _skip_to_key(self) -> None:
        if self._key_every is None:
            return
        is_late_enough = self._since_key * self._time_base >= Fraction(1, 4)
        if self._key_wanted and is_late_enough and self._next % self._key_every:
            self._next = (self._next // self._key_every + 1) * self._key_every % len(self._packets)
        if self._next % self._key_every == 0:
            self._since_key, self._key_wanted = 0, False
        self._since_key += 1


class FileTrack(_PacedTrack):
    """The first sound or picture stream of a file, decoded on a thread, repeated for ever."""

    _SOUND: ClassVar = ("s16", "stereo", _SAMPLE_RATE, _PACKET_SAMPLES)

    def __init__(self, kind: str, path: Path) -> None:
        super().__init__()
        self.kind = kind
        self._frames = self._read(path)
        self._reading: asyncio.Future[av.AudioFrame | av.VideoFrame | None] | None = None

    async def recv(self) -> av.AudioFrame | av.VideoFrame:
        """The next frame, when it is due."""
        loop = asyncio.get_running_loop()
        self._reading = loop.run_in_executor(None, next, self._frames, None)
        frame = await self._reading
        if frame is None or frame.pts is None or frame.time_base is None:
            self.stop()
            raise MediaStreamError
        await self._wait_until(float(frame.pts * frame.time_base))
        return frame

    def _read(self, path: Path) -> Iterator[av.AudioFrame | av.VideoFrame]:
        """Frames with growing times; ends when a whole round brought none."""
        offset_s = 0.0
        while True:
            end_s = offset_s
            with av.open(str(path)) as container:
                decode = self._sound if self.kind == "audio" else self._pictures
                for frame in decode(container, offset_s):
                    yield frame
                    if frame.pts is not None and frame.time_base is not None:
                        end_s = float(frame.pts * frame.time_base)
                length = container.duration
            if end_s <= offset_s:
                return
            # Both tracks of a file jump by its length, so they stay together.
            offset_s += length / av.time_base if length else end_s - offset_s

    def _sound(self, container: av.container.InputContainer, offset_s: float) -> Iterator[av.AudioFrame]:
        sample_format, layout, rate, size = self._SOUND
        resampler = av.AudioResampler(sample_format, layout, rate, size)
        position = round(offset_s * rate)
        for decoded in container.decode(container.streams.audio[0]):
            for frame in resampler.resample(decoded):
                frame.pts, frame.time_base = position, Fraction(1, rate)
                position += frame.samples
                yield frame

    def _pictures(self, container: av.container.InputContainer, offset_s: float) -> Iterator[av.VideoFrame]:
        first: float | None = None
        for decoded in container.decode(container.streams.video[0]):
            if decoded.pts is None:
                continue
            first = decoded.time if first is None else first
            frame = decoded.reformat(format="yuv420p")
            frame.pts = round((offset_s + decoded.time - first) * 90_000)
            frame.time_base = Fraction(1, 90_000)
            yield frame
