"""The picture of a track at an instant."""

from __future__ import annotations

from collections.abc import Iterator

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from parley.compositor import vp8
from parley.compositor.index import TrackIndex
from parley.compositor.mjr import MjrFile
from parley.compositor.rtp import ORIENTATION

FREEZE_MS = 2_000.0
"""A picture that is older says less than a name."""
ENDED_MS = 250.0
"""After the last packet of a track nothing more is to come; a frame lasts no longer than this."""
_SKIP_MS = 1_000.0
"""What lies further ahead is reached by way of the nearest key frame."""


class Decoded:
    """The picture of the instant, out of frames (`seating.Video`)."""

    def __init__(self) -> None:
        self.frame: VideoFrame | None = None
        """None before the first key frame."""
        self.rotation = 0
        """Degrees clockwise by which it has to be turned."""
        self.version = 0
        """Grows with every picture."""
        self.frame_ms = float("-inf")
        """When it was captured."""
        self._decoder: VideoCodecContext | None = None

    def decode(self, frame: vp8.Frame) -> bool:
        """The next one; False if it was damaged on the way: then the picture before stays."""
        if self._decoder is None:
            self._decoder = _decoder()
        try:
            decoded = self._decoder.decode(av.Packet(frame.data))
        except av.FFmpegError:
            return False
        if decoded:
            self.frame, self.rotation, self.frame_ms = decoded[-1], frame.rotation, frame.at_ms
            self.version += 1
        return True

    def forget(self) -> None:
        """Free the decoder; the picture stays."""
        self._decoder = None


class VideoSource(Decoded):
    """One track, played forwards. The file is open from the first `advance` until the end of the track."""

    def __init__(self, index: TrackIndex, *, holds_until_ms: float | None = None) -> None:
        """Play that track.

        Args:
            index: of the track.
            holds_until_ms: the last picture stays until then, however old it is. A shared screen on which
                nothing moves may send nothing for minutes. By default a picture is shown for `FREEZE_MS`.
        """
        super().__init__()
        self.index = index
        self._holds_until_ms = holds_until_ms
        self._now_ms = float("-inf")
        self._frames: Iterator[vp8.Frame] | None = None
        self._file: MjrFile | None = None
        self._next: vp8.Frame | None = None

    @property
    def is_shown(self) -> bool:
        """Whether there is a picture that is fresh enough."""
        if self.frame is None:
            return False
        if self._holds_until_ms is not None:
            return self._now_ms < self._holds_until_ms
        ended = self._now_ms > self.index.last_ms + ENDED_MS
        return not ended and self._now_ms - self.frame_ms <= FREEZE_MS

    def advance(self, now_ms: float) -> None:
        """Go on to that instant of the wall clock; never backwards."""
        if self._frames is None:
            if now_ms < self.index.first_ms:
                return
            self._open()
        skip_to = None
        if now_ms - self._now_ms > _SKIP_MS:
            skip_to = self.index.last_key_frame(now_ms)
        self._now_ms = now_ms
        while self._next is not None and self._next.at_ms <= now_ms:
            if skip_to is None or self._next.at_ms >= skip_to:
                self.decode(self._next)
            self._read()

    def close(self) -> None:
        """Closing again changes nothing."""
        if self._file is not None:
            self._file.close()
        self._file = self._next = None
        self.forget()

    def _open(self) -> None:
        self._file = MjrFile(self.index.path)
        self._frames = self._read_frames(self._file)
        self._read()

    def _read_frames(self, file: MjrFile) -> Iterator[vp8.Frame]:
        depacketizer = vp8.Depacketizer(file.extension(ORIENTATION))
        for timed in self.index.packets(file):
            yield from depacketizer.push(timed)

    def _read(self) -> None:
        assert self._frames is not None
        self._next = next(self._frames, None)
        if self._next is None:
            self.close()


def _decoder() -> VideoCodecContext:
    decoder = av.CodecContext.create("vp8", "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count = 1  # the whole program is meant to keep to one core
    return decoder
