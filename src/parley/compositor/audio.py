"""The sound of a track between two instants."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from numpy.typing import NDArray

from parley.compositor.index import TrackIndex
from parley.compositor.mjr import MjrFile
from parley.compositor.plan import Span
from parley.compositor.rtp import Timed

RATE = 48_000
"""Samples per second, of everything that is decoded and mixed."""
Samples = NDArray[np.int16]
"""Shape (n, 2): left and right."""

_PER_MS = RATE / 1000
CODEC_DELAY = 312
"""Samples by which the encoder looks ahead: what a packet decodes to begins that much earlier than its
timestamp."""
_SLACK = 960
"""A clock that runs a little differently is let drift by 20 ms ..."""
_SLACK_IN_SILENCE = 120
"""... but no further than this when nobody can hear the correction."""
_SILENT = 64
"""Loudest sample of what is taken for silence."""
_WARM_UP = 4_800
"""A decoder that starts in the middle needs a few packets until it is right."""
_FADE_OUT = np.linspace(1, 0, 240, dtype=np.float32)[:, None]
"""Five milliseconds."""
_FADE_IN = np.linspace(0, 1, 96, dtype=np.float32)[:, None]
"""Two milliseconds against the click where sound begins again."""


class DecodedSound:
    """Sound out of packets, with every sample at its place."""

    def __init__(self) -> None:
        self._decoder: AudioCodecContext | None = None
        self._chunks: deque[tuple[int, Samples]] = deque()
        """In order, with their places."""
        self.end = 0
        """Place after the last of them."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left to take."""
        return not self._chunks

    def decode(self, timed: Timed, target: int) -> None:
        """The next packet, whose sound belongs to that place; what is damaged is left out."""
        if self._decoder is None:
            self._decoder = _decoder()
        try:
            frames = self._decoder.decode(av.Packet(timed.packet.payload))
        except av.FFmpegError:
            return
        for frame in frames:
            samples = np.frombuffer(memoryview(frame.planes[0]), np.int16)[: 2 * frame.samples].reshape(-1, 2)
            off = target - self.end
            may_drift = not timed.after_loss and _is_heard(samples)
            if self.end and abs(off) <= (_SLACK if may_drift else _SLACK_IN_SILENCE):
                target = self.end
            elif off > 0:
                samples = samples.copy()
                samples[: len(_FADE_IN)] = samples[: len(_FADE_IN)] * _FADE_IN[: len(samples)]
            else:
                samples, target = samples[-off:], self.end
            if len(samples):
                self._chunks.append((target, samples))
                self.end = target + len(samples)
            target = self.end

    def end_softly(self) -> None:
        """Nothing follows: sound goes back where it came from and fades, which makes no click."""
        if not self._chunks:
            return
        place, chunk = self._chunks[-1]
        if place + len(chunk) == self.end and len(chunk) >= len(_FADE_OUT):
            backwards = chunk[: -len(_FADE_OUT) - 1 : -1]
            self._chunks.append((self.end, (backwards * _FADE_OUT).astype(np.int16)))

    def take(self, start: int, count: int) -> Samples | None:
        """So many samples from that place on; None for silence. Never backwards."""
        while self._chunks and self._chunks[0][0] + len(self._chunks[0][1]) <= start:
            self._chunks.popleft()
        if not self._chunks or self._chunks[0][0] >= start + count:
            return None
        sound = np.zeros((count, 2), np.int16)
        for place, chunk in self._chunks:
            first, last = max(place, start), min(place + len(chunk), start + count)
            if first < last:
                sound[first - start : last - start] = chunk[first - place : last - place]
        return sound

    def forget(self) -> None:
        """Free the decoder; what is decoded stays."""
        self._decoder = None


class AudioSource:
    """One track, played forwards. The file is open from the first `read` until the end of the track."""

    def __init__(self, index: TrackIndex, muted: Sequence[Span] = ()) -> None:
        self.index = index
        self._muted = muted
        self._origin_ms = math.floor(index.first_ms)
        """Whole, so that places do not depend on how the last digits are rounded."""
        self._file: MjrFile | None = None
        self._packets: Iterator[Timed] | None = None
        self._next: Timed | None = None
        self._sound = DecodedSound()

    def _place(self, at_ms: float) -> int:
        """Places are samples since the beginning of the track."""
        return round((at_ms - self._origin_ms) * _PER_MS)

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to read."""
        return self._packets is not None and self._next is None and self._sound.is_empty

    def is_muted(self, at_ms: float) -> bool:
        """Whether the plan says so."""
        return any(start <= at_ms < stop for start, stop in self._muted)

    def read(self, from_ms: float, count: int) -> Samples | None:
        """So many samples from that instant of the wall clock on; None for silence. Never backwards."""
        start = self._place(from_ms)
        if self._packets is None:
            if start + count < -RATE // 10:
                return None
            self._open()
        self._decode(start, start + count)
        sound = self._sound.take(start, count)
        return None if self.is_muted(from_ms) else sound

    def close(self) -> None:
        """Closing again changes nothing."""
        if self._file is not None:
            self._file.close()
        self._file = self._next = None
        self._sound.forget()

    def _open(self) -> None:
        self._file = MjrFile(self.index.path)
        self._packets = self.index.packets(self._file)
        self._next = next(self._packets, None)

    def _decode(self, start: int, stop: int) -> None:
        """Decode everything that begins before `stop`, less what ends long before `start`."""
        assert self._packets is not None
        while self._next is not None:
            target = self._place(self._next.at_ms) - CODEC_DELAY
            if target >= stop:
                return
            timed, self._next = self._next, next(self._packets, None)
            if target > start - _WARM_UP and timed.packet.payload:
                self._sound.decode(timed, target)
                follows = None if self._next is None else self._place(self._next.at_ms) - CODEC_DELAY
                if follows is None or follows >= self._sound.end + len(_FADE_OUT):
                    self._sound.end_softly()
        self.close()


def _is_heard(samples: Samples) -> bool:
    return max(int(samples.max(initial=0)), -int(samples.min(initial=0))) > _SILENT


def _decoder() -> AudioCodecContext:
    decoder = av.CodecContext.create("libopus", "r")
    assert isinstance(decoder, AudioCodecContext)
    decoder.sample_rate = RATE
    decoder.layout = "stereo"
    return decoder
