"""What viewers get: playlists, segments, and how long they watched.

A viewer first asks for `index.m3u8`, which names one playlist with a number of the viewer's own in it; the
segments have it, too. So it is known without cookies what each viewer fetched, and a segment counts once.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

import structlog

from parley.base.errors import NotFound, ParleyError
from parley.base.tasks import cancel_and_wait
from parley.livestreams.model import Livestream, LivestreamStatus, Run, RunId
from parley.livestreams.service import Livestreams

log = structlog.get_logger(__name__)
PLAYLIST = "index.m3u8"
VARIANT = "live.m3u8"
_SEGMENT = re.compile(r"(\d{1,9})\.ts")
_VIEWER = re.compile(r"[0-9a-f]{16}")
_LENGTH = re.compile(r"#EXTINF:([0-9.]+)")
KNOWN_FOR_S = 1.0
"""How long a look at a stream's row is good."""
FIRST_S = 8.0
"""How long the first playlist of a stream that has just begun is waited for."""
MOST_VIEWERS = 100_000
"""Remembered at once; of others a segment might count twice."""
MOST_STREAMS = 1_000
TOLD_EVERY_S = 2.0


class File(NamedTuple):
    """Something for a viewer."""

    content: bytes
    kind: str
    is_final: bool
    """It stays as it is: a segment."""


class _Known(NamedTuple):
    stream: Livestream
    run: Run | None
    until: float


class Playback:
    """Hands out what is in the folder of streams."""

    def __init__(self, streams: Livestreams, folder: Path) -> None:
        self._streams, self._folder = streams, folder
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._fetched: OrderedDict[tuple[str, str], int] = OrderedDict()
        """Number of the newest segment, by stream and viewer."""
        self._lengths: OrderedDict[tuple[str, int], int] = OrderedDict()
        """Of segments in milliseconds."""
        self._watched: dict[RunId, int] = {}
        """Milliseconds that are not told yet."""
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to tell how long streams are watched."""
        self._task = asyncio.create_task(self._tell_forever(), name="livestream viewers")

    async def stop(self) -> None:
        """Tell the rest."""
        await cancel_and_wait([self._task])
        await self._tell()

    async def file(self, stream_id: str, name: str, viewer: str) -> File:
        """What a viewer asks for.

        Args:
            stream_id: of the URL.
            name: of the file.
            viewer: the number in the URL; empty for the first request.

        Raises:
            NotFound: there is nothing to play, or no such file.
        """
        known = await self._look(stream_id)
        folder = self._folder / known.stream.id
        if name == PLAYLIST:
            if not known.stream.is_active:  # those who watch it see its end
                raise NotFound("This stream is not on.")
            await self._await_first(known.stream, folder)
            return File(_entrance(known.stream), "application/vnd.apple.mpegurl", False)
        if not _VIEWER.fullmatch(viewer):
            raise NotFound("There is no such file.")
        if name == VARIANT:
            text = await self._await_first(known.stream, folder)
            return File(self._playlist(known.stream, text, viewer), "application/vnd.apple.mpegurl", False)
        found = _SEGMENT.fullmatch(name)
        if found is None:
            raise NotFound("There is no such file.")
        try:
            content = await asyncio.to_thread((folder / name).read_bytes)
        except OSError as gone:
            raise NotFound("There is no such segment any more.") from gone
        self._count(known, int(found[1]), viewer)
        return File(content, "video/mp2t", True)

    # --- playlists --------------------------------------------------------------------------------

    async def _look(self, stream_id: str) -> _Known:
        now = asyncio.get_running_loop().time()
        known = self._known.get(stream_id)
        if known is None or known.until < now:
            found = await self._streams.to_play(stream_id)
            if found is None:
                raise NotFound("There is no such stream.")
            known = self._known[stream_id] = _Known(*found, now + KNOWN_FOR_S)
            self._known.move_to_end(stream_id)
            while len(self._known) > MOST_STREAMS:
                self._known.popitem(last=False)
        return known

    async def _await_first(self, stream: Livestream, folder: Path) -> str:
        """The playlist as it was written."""
        end = asyncio.get_running_loop().time() + FIRST_S
        while True:
            try:
                text = await asyncio.to_thread((folder / PLAYLIST).read_text)
            except OSError:
                text = ""
            if "#EXTINF" in text:
                return text
            if stream.status is not LivestreamStatus.LIVE or asyncio.get_running_loop().time() > end:
                raise NotFound("There is nothing to play right now.")
            await asyncio.sleep(0.2)

    def _playlist(self, stream: Livestream, text: str, viewer: str) -> bytes:
        lines, length = [], 0
        for line in text.splitlines():
            measured, segment = _LENGTH.match(line), _SEGMENT.fullmatch(line.strip())
            if measured:
                length = round(float(measured[1]) * 1000)
            if segment:
                self._lengths[stream.id, int(segment[1])] = length
                line = f"{line.strip()}?v={viewer}"
            lines.append(line)
        while len(self._lengths) > MOST_STREAMS * 20:
            self._lengths.popitem(last=False)
        if not stream.is_active:
            lines.append("#EXT-X-ENDLIST")
        return ("\n".join(lines) + "\n").encode()

    # --- who watched ------------------------------------------------------------------------------

    def _count(self, known: _Known, number: int, viewer: str) -> None:
        """A segment counts for a viewer once; seeking back and fetching again does not."""
        key = (known.stream.id, viewer)
        newest = self._fetched.get(key, -1)
        if number <= newest or known.run is None:
            return
        self._fetched[key] = number
        self._fetched.move_to_end(key)
        while len(self._fetched) > MOST_VIEWERS:
            self._fetched.popitem(last=False)
        length = self._lengths.get((known.stream.id, number), 0)
        self._watched[known.run.id] = self._watched.get(known.run.id, 0) + length

    async def _tell_forever(self) -> None:
        while True:
            await asyncio.sleep(TOLD_EVERY_S)
            await self._tell()

    async def _tell(self) -> None:
        watched, self._watched = self._watched, {}
        for run_id, watched_ms in watched.items():
            try:
                await self._streams.watched(run_id, watched_ms)
            except ParleyError as away:
                log.warning("viewers_not_counted", reason=away.message)
                self._watched[run_id] = self._watched.get(run_id, 0) + watched_ms
            except Exception:
                log.exception("viewers_not_counted")


def _entrance(stream: Livestream) -> bytes:
    """The playlist that names the other one."""
    about = "BANDWIDTH=3000000"
    if not stream.takes_ingest:
        width, height = stream.config.width // 2 * 2, stream.config.height // 2 * 2
        about += f",RESOLUTION={width}x{height}"
    viewer = secrets.token_hex(8)
    return f"#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-STREAM-INF:{about}\n{VARIANT}?v={viewer}\n".encode()
