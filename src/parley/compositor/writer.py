"""The outputs: encoded as they come, and renamed into place when they are whole."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, Protocol

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from parley.compositor import colours
from parley.compositor.audio import RATE, Samples
from parley.compositor.files import Claim
from parley.compositor.layout import even
from parley.compositor.plan import AUDIO_OF, AudioCodec, Canvas, Output

_FORMATS = {"mp4": "mp4", "webm": "webm", "mp3": "mp3", "m4a": "ipod"}
_FORMAT_OPTIONS = {"mp4": {"movflags": "+faststart"}, "m4a": {"movflags": "+faststart"}}
"""The table of contents first, so that players can begin before they have everything."""
_VIDEO_ENCODERS = {"h264": "libx264", "vp8": "libvpx", "vp9": "libvpx-vp9"}
_AUDIO_ENCODERS: dict[AudioCodec, str] = {"aac": "aac", "opus": "libopus", "mp3": "libmp3lame"}
_BITRATES: dict[AudioCodec, int] = {"aac": 384_000, "opus": 128_000, "mp3": 192_000}
"""For two channels."""
_KEY_FRAME_S = 2
"""Players can only jump to key frames."""
X264_OPTIONS = {"preset": "superfast", "crf": "24", "tune": "zerolatency"}
"""Without looking ahead, which takes a fifth of the time: see docs/benchmarks.md."""
AAC_OPTIONS = {"aac_coder": "fast", "aac_ms": "0", "aac_is": "0", "aac_pns": "0", "aac_tns": "0"}
"""What saves bits is not worth its time where there are as many of them as in 384 kbit/s."""
_VPX_OPTIONS = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}


class Written(NamedTuple):
    """A finished file."""

    path: Path
    size_bytes: int
    duration_ms: int
    """As its container says."""


class Writer(Protocol):
    """One output."""

    def video(self, picture: VideoFrame, number: int) -> None:
        """The next picture; it may be painted on afterwards."""

    def audio(self, sound: Samples) -> None:
        """The next samples."""

    def finish(self) -> Written:
        """Write what is left, and give the file its name."""

    def abort(self) -> None:
        """Leave nothing behind."""


class Encoding:
    """Pictures and sound into an open container."""

    def __init__(self, container: OutputContainer, output: Output, canvas: Canvas) -> None:
        self.container = container
        self._picture = _video_stream(container, output, canvas) if output.video else None
        self._sound = _audio_stream(container, output)
        self._mono = output.channels == 1
        encoder = self._sound.codec_context
        self._resampler = av.AudioResampler(
            format=encoder.format,
            layout=encoder.layout,
            rate=encoder.rate,
            frame_size=encoder.frame_size or 960,
        )
        self._samples = 0

    def video(self, picture: VideoFrame, number: int) -> None:
        """See `Writer`."""
        if self._picture is not None:
            picture.pts, picture.time_base = number, self._picture.codec_context.time_base
            self.container.mux(self._picture.encode(picture))

    def audio(self, sound: Samples) -> None:
        """See `Writer`."""
        if self._mono:
            sound = np.rint(sound.mean(axis=1, dtype=np.float32, keepdims=True)).astype(np.int16)
        frame = AudioFrame.from_ndarray(
            np.ascontiguousarray(sound).reshape(1, -1),
            format="s16",
            layout="mono" if self._mono else "stereo",
        )
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._samples, Fraction(1, RATE)
        self._samples += len(sound)
        for whole in self._resampler.resample(frame):
            self.container.mux(self._sound.encode(whole))

    def finish(self) -> None:
        """Everything the encoders still have."""
        for whole in self._resampler.resample(None):
            self.container.mux(self._sound.encode(whole))
        self.container.mux(self._sound.encode(None))
        if self._picture is not None:
            self.container.mux(self._picture.encode(None))
        self.container.close()


class FileWriter:
    """One file of any kind but HLS."""

    def __init__(self, output: Output, canvas: Canvas) -> None:
        self._claim = Claim(output.path)
        try:
            container = av.open(
                str(self._claim.part),
                "w",
                format=_FORMATS[output.container],
                options=_FORMAT_OPTIONS.get(output.container, {}),
            )
            self._encoding = Encoding(container, output, canvas)
        except BaseException:
            self.abort()
            raise
        self.video, self.audio = self._encoding.video, self._encoding.audio

    def finish(self) -> Written:
        """See `Writer`."""
        self._encoding.finish()
        return written(self._claim.settle())

    def abort(self) -> None:
        """See `Writer`."""
        self._claim.abandon()


def written(path: Path, length_ms: int | None = None) -> Written:
    """Of a finished file."""
    return Written(path, path.stat().st_size, duration_ms(path) if length_ms is None else length_ms)


def duration_ms(path: Path) -> int:
    """As the container says."""
    with av.open(str(path)) as container:
        return round((container.duration or 0) / 1000)


def _video_stream(container: OutputContainer, output: Output, canvas: Canvas) -> VideoStream:
    assert output.video is not None
    stream = container.add_stream(_VIDEO_ENCODERS[output.video], rate=canvas.fps)
    assert isinstance(stream, VideoStream)
    encoder = stream.codec_context
    encoder.width, encoder.height, encoder.pix_fmt = even(canvas.width), even(canvas.height), "yuv420p"
    encoder.time_base = Fraction(1, canvas.fps)
    encoder.gop_size = _KEY_FRAME_S * canvas.fps
    encoder.thread_count = 1  # calls go on beside this
    encoder.colorspace = encoder.color_primaries = encoder.color_trc = colours.FAMILY
    encoder.color_range = colours.LIMITED_RANGE
    if output.video == "h264":
        rate = str(output.video_bitrate)
        encoder.options = {**X264_OPTIONS, "maxrate": rate, "bufsize": str(2 * output.video_bitrate)}
    else:
        encoder.bit_rate = output.video_bitrate
        encoder.options = _VPX_OPTIONS
    return stream


def _audio_stream(container: OutputContainer, output: Output) -> AudioStream:
    codec = AUDIO_OF[output.container]
    stream = container.add_stream(_AUDIO_ENCODERS[codec], rate=RATE)
    assert isinstance(stream, AudioStream)
    stream.layout = "mono" if output.channels == 1 else "stereo"
    if codec == "aac":
        stream.options = {**AAC_OPTIONS}
    stream.bit_rate = output.audio_bitrate or _BITRATES[codec] * output.channels // 2
    return stream
