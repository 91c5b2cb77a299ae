"""Pictures and sound as H.264 and AAC: into segments for viewers, and to somewhere outside.

Both are encoded once. What goes outside is handed to the server (`livestreams.pushing`).
"""

from __future__ import annotations

import contextlib
import queue
import threading
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
_MOST_WAITING = 600
"""Encoded packets that the server may be behind: eight seconds."""


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
        self.copy: Copy | None = None

    @property
    def is_playable(self) -> bool:
        """Whether there is a segment that this encoder wrote."""
        with contextlib.suppress(OSError):
            return "#EXTINF" in self.playlist.read_text()
        return False

    def copy_to(self, url: str) -> None:
        """Write the same as FLV to the server, which passes it on; to be called before all else."""
        self.copy = Copy(url, (self._picture, self._sound))

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


class Copy:
    """The same packets as FLV to a port of this machine, on a thread."""

    def __init__(self, url: str, streams: tuple[VideoStream, AudioStream]) -> None:
        self._url, self._streams = url, streams
        self._packets: queue.Queue[tuple[int, Any] | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="copy", daemon=True)
        self._thread.start()

    def offer(self, packet: Packet[Any]) -> None:
        """A packet that somebody else writes too; dropped when the server is too far behind."""
        copied: Packet[Any] = Packet(bytes(packet))
        copied.pts, copied.dts, copied.time_base = packet.pts, packet.dts, packet.time_base
        copied.is_keyframe = packet.is_keyframe
        with contextlib.suppress(queue.Full):
            self._packets.put_nowait((packet.stream.index, copied))

    def close(self) -> None:
        """Write no more; waits a moment for the end of what is under way."""
        with contextlib.suppress(queue.Full):
            self._packets.put_nowait(None)
        self._thread.join(2)

    def _run(self) -> None:
        options = {"flvflags": "no_duration_filesize", "flush_packets": "1"}
        with (
            contextlib.suppress(OSError, av.FFmpegError),  # the server is gone; then this process ends
            av.open(self._url, "w", format="flv", options=options) as container,
        ):
            own: list[Any] = []
            while (item := self._packets.get()) is not None:
                index, packet = item
                if not own:
                    if index != 0 or not packet.is_keyframe:
                        continue  # both encoders know their parameters from the first picture on
                    own = [container.add_stream_from_template(stream) for stream in self._streams]
                packet.stream = own[index]
                container.mux_one(packet)


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
