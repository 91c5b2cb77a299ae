"""Interactive recordings: a tar archive of a playlist and segments with timed metadata (ID3, as in RFC 8216,
3.5)."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

import av
from av.container import OutputContainer
from av.video.frame import VideoFrame

from parley.compositor.files import Claim, discard_folder
from parley.compositor.plan import Canvas, Output
from parley.compositor.writer import Encoding, Written, duration_ms, written

PLAYLIST = "index.m3u8"
SEGMENT_S = 10
_CLOCK_RATE = 90_000


class Entry(NamedTuple):
    """Timed metadata."""

    at_ms: float
    """Media time."""
    data: str


class HlsWriter:
    """See `Writer`; the file is a tar archive."""

    def __init__(self, output: Output, canvas: Canvas, entries: Iterable[Entry]) -> None:
        self._claim = Claim(output.path)
        self._folder = self._claim.part.with_suffix(".folder")
        try:
            self._open(output, canvas)
        except BaseException:
            self.abort()
            raise
        self._entries = sorted(entries)
        self._fps = canvas.fps
        self.audio = self._encoding.audio

    def _open(self, output: Output, canvas: Canvas) -> None:
        discard_folder(self._folder)
        self._folder.mkdir()
        container = av.open(
            str(self._folder / PLAYLIST),
            "w",
            format="hls",
            options={
                "hls_time": str(SEGMENT_S),
                "hls_list_size": "0",
                "hls_playlist_type": "vod",
                "hls_segment_filename": str(self._folder / "segment-%05d.ts"),
            },
        )
        assert isinstance(container, OutputContainer)
        self._encoding = Encoding(container, output, canvas)
        self._stream = container.add_data_stream("timed_id3")
        self._stream.time_base = Fraction(1, _CLOCK_RATE)

    def video(self, picture: VideoFrame, number: int) -> None:
        """See `Writer`; entries go before the picture they belong to."""
        self._write_entries((number + 1) * 1000 / self._fps)
        self._encoding.video(picture, number)

    def _write_entries(self, until_ms: float) -> None:
        while self._entries and self._entries[0].at_ms < until_ms:
            entry = self._entries.pop(0)
            packet = av.Packet(tag(entry.data))
            packet.stream = self._stream
            packet.time_base = Fraction(1, _CLOCK_RATE)
            packet.pts = packet.dts = round(entry.at_ms * _CLOCK_RATE / 1000)
            self._encoding.container.mux(packet)

    def finish(self) -> Written:
        """See `Writer`."""
        self._encoding.finish()
        length_ms = duration_ms(self._folder / PLAYLIST)
        with tarfile.open(self._claim.part, "w") as archive:
            for file in sorted(self._folder.iterdir()):
                archive.add(file, arcname=file.name)
        discard_folder(self._folder)
        return written(self._claim.settle(), length_ms)

    def abort(self) -> None:
        """See `Writer`."""
        discard_folder(self._folder)
        self._claim.abandon()


def tag(data: str) -> bytes:
    """An ID3v2.4 tag with the text in a TXXX frame (id3.org, 4.2.6), UTF-8, without a description."""
    text = b"\x03\x00" + data.encode() + b"\x00"
    frame = b"TXXX" + _synchsafe(len(text)) + b"\x00\x00" + text
    return b"ID3\x04\x00\x00" + _synchsafe(len(frame)) + frame


def _synchsafe(number: int) -> bytes:
    """Seven bits in each of four bytes."""
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))
