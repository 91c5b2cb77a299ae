"""Pictures and sound as H.264 and AAC: into segments for viewers, and to somewhere outside.

Both are encoded once. The outside is fed by a thread of its own, so that a slow or refusing one never holds
up the segments.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from parley.compositor import colours
from parley.compositor.audio import RATE, Samples
from parley.compositor.layout import even
from parley.compositor.plan import Canvas

SEGMENT_S = 1
"""Players stay about three segments behind."""
SEGMENTS = 8
"""In the playlist; a few more stay on the disk for those who are late."""
AUDIO_BITRATE = 128_000
PLAYLIST = "index.m3u8"
_X264 = {"preset": "superfast", "crf": "24", "tune": "zerolatency"}
PUSH_TIMEOUT_S = 10
PUSH_AGAIN_S = 5.0
_MOST_WAITING = 600
"""Encoded packets that the outside may be behind: eight seconds."""


class Output:
    """One encoder of each kind, and where their packets go."""

    def __init__(self, folder: Path, canvas: Canvas, bitrate: int) -> None:
        self._fps = canvas.fps
        folder.mkdir(parents=True, exist_ok=True)
        self.playlist = folder / PLAYLIST
        flags = "delete_segments+append_list+omit_endlist+independent_segments+program_date_time+temp_file"
        self._container = av.open(
            str(self.playlist),
            "w",
            format="hls",
            options={
                "hls_time": str(SEGMENT_S),
                "hls_list_size": str(SEGMENTS),
                "hls_delete_threshold": "4",
                "hls_flags": flags + ("+discont_start" if self.playlist.exists() else ""),
                "hls_segment_filename": str(folder / "%d.ts"),
            },
        )
        self._picture = _video_stream(self._container, canvas, bitrate)
        self._sound = _audio_stream(self._container)
        encoder = self._sound.codec_context
        self._resampler = av.AudioResampler(
            format=encoder.format, layout=encoder.layout, rate=encoder.rate, frame_size=1024
        )
        self._samples = 0
        self.copy: Push | None = None

    @property
    def is_playable(self) -> bool:
        """Whether there is a segment that this encoder wrote."""
        with contextlib.suppress(OSError):
            return "#EXTINF" in self.playlist.read_text()
        return False

    def push_to(self, url: str, tc_url: str | None, told: Callable[[str | None], None]) -> None:
        """Send the same to an RTMP server, again and again when that fails; to be called before all else."""
        self.copy = Push(url, tc_url, (self._picture, self._sound), told)

    def video(self, picture: VideoFrame, number: int) -> None:
        """The picture of that number; it may be painted on afterwards."""
        picture.pts, picture.time_base = number, Fraction(1, self._fps)
        self._mux(self._picture.encode(picture))

    def audio(self, sound: Samples) -> None:
        """The next samples."""
        frame = AudioFrame.from_ndarray(
            np.ascontiguousarray(sound).reshape(1, -1), format="s16", layout="stereo"
        )
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._samples, Fraction(1, RATE)
        self._samples += len(sound)
        for whole in self._resampler.resample(frame):
            self._mux(self._sound.encode(whole))

    def close(self) -> None:
        """Write what is left; another encoder may go on after it."""
        self._mux(self._picture.encode(None))
        self._container.close()
        if self.copy is not None:
            self.copy.close()

    def _mux(self, packets: list[Packet[Any]]) -> None:
        if self.copy is not None:
            for packet in packets:
                self.copy.offer(packet)
        self._container.mux(packets)


class Push:
    """A copy of the stream to an RTMP server, on a thread."""

    def __init__(
        self,
        url: str,
        tc_url: str | None,
        streams: tuple[VideoStream, AudioStream],
        told: Callable[[str | None], None],
    ) -> None:
        self._url, self._tc_url, self._streams, self._told = url, tc_url, streams, told
        self._packets: queue.Queue[tuple[int, Any] | None] = queue.Queue(_MOST_WAITING)
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="push", daemon=True)
        self._thread.start()

    def offer(self, packet: Packet[Any]) -> None:
        """A packet that somebody else writes too; dropped when the outside is too far behind."""
        copied: Packet[Any] = Packet(bytes(packet))
        copied.pts, copied.dts, copied.time_base = packet.pts, packet.dts, packet.time_base
        copied.is_keyframe = packet.is_keyframe
        with contextlib.suppress(queue.Full):
            self._packets.put_nowait((packet.stream.index, copied))

    def close(self) -> None:
        """Send no more; waits a moment for the end of what is under way."""
        self._is_closed.set()
        with contextlib.suppress(queue.Full):
            self._packets.put_nowait(None)
        self._thread.join(2)

    def _run(self) -> None:
        while not self._is_closed.is_set():
            try:
                self._send()
            except (OSError, av.FFmpegError) as failed:
                self._told(_reason(failed))
            with contextlib.suppress(queue.Empty):  # too old when the next attempt begins
                while True:
                    self._packets.get_nowait()
            self._is_closed.wait(PUSH_AGAIN_S)

    def _send(self) -> None:
        options = {"rtmp_live": "live", **({"rtmp_tcurl": self._tc_url} if self._tc_url else {})}
        with av.open(self._url, "w", format="flv", timeout=PUSH_TIMEOUT_S, options=options) as container:
            own = [container.add_stream_from_template(stream) for stream in self._streams]
            has_begun = False
            said_at = 0.0
            while (item := self._packets.get()) is not None:
                index, packet = item
                if not has_begun and not (index == 0 and packet.is_keyframe):
                    continue
                packet.stream = own[index]
                container.mux_one(packet)
                has_begun = True
                if said_at == 0.0:
                    said_at = time.monotonic()
                    self._told(None)


def _reason(failed: BaseException) -> str:
    words = getattr(failed, "strerror", None) or str(failed)
    return f"The RTMP server does not take the stream: {words}."


def _video_stream(container: OutputContainer, canvas: Canvas, bitrate: int) -> VideoStream:
    stream = container.add_stream("libx264", rate=canvas.fps)
    assert isinstance(stream, VideoStream)
    encoder = stream.codec_context
    encoder.width, encoder.height, encoder.pix_fmt = even(canvas.width), even(canvas.height), "yuv420p"
    encoder.time_base = Fraction(1, canvas.fps)
    encoder.gop_size = SEGMENT_S * canvas.fps
    encoder.thread_count = 1  # calls go on beside this
    encoder.colorspace = encoder.color_primaries = encoder.color_trc = colours.FAMILY
    encoder.color_range = colours.LIMITED_RANGE
    encoder.flags |= av.codec.context.Flags.global_header  # FLV has the parameter sets in front
    rate = {"maxrate": str(bitrate), "bufsize": str(bitrate)}
    # Key frames by time alone: a segment begins with one.
    encoder.options = {**_X264, **rate, "sc_threshold": "0", "forced-idr": "1"}
    return stream


def _audio_stream(container: OutputContainer) -> AudioStream:
    stream = container.add_stream("aac", rate=RATE)
    assert isinstance(stream, AudioStream)
    stream.layout = "stereo"
    stream.bit_rate = AUDIO_BITRATE
    stream.options = {"aac_coder": "fast"}
    stream.codec_context.flags |= av.codec.context.Flags.global_header
    return stream
