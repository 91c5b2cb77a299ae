"""What viewers get: playlists and segments.

A viewer first asks for `index.m3u8`, which names one playlist with a number of the viewer's own in it; the
segments have it, too. So it is known without cookies what each viewer fetched, and a segment counts once.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections import OrderedDict
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from parley.base.errors import NotFound
from parley.livestreams.audience import Audience
from parley.livestreams.model import Livestream, LivestreamStatus, Run
from parley.livestreams.service import Livestreams

PLAYLIST = "index.m3u8"
VARIANT = "live.m3u8"
_SEGMENT = re.compile(r"(\d{1,9})\.ts")
_VIEWER = re.compile(r"[0-9a-f]{16}")
_LENGTH = re.compile(r"#EXTINF:([0-9.]+)")
KNOWN_FOR_S = 1.0
"""How long a look at a stream's row is good."""
FIRST_S = 8.0
"""How long the first playlist of a stream that has just begun is waited for."""
MOST_STREAMS = 1_000


class File(NamedTuple):
    """Something for a viewer."""

    content: bytes
    kind: str
    is_final: bool
    """It stays as it is: a segment."""


class Standing(msgspec.Struct, frozen=True):
    """What viewers are told of a stream."""

    state: Literal["waiting", "live", "ended", "interrupted"]
    """Waiting has not begun yet, interrupted ended because it could not go on; both may begin again."""
    name: str | None
    viewers: int
    """Who watch now."""


class _Known(NamedTuple):
    stream: Livestream
    run: Run | None
    until: float


class Playback:
    """Hands out what is in the folder of streams."""

    def __init__(self, streams: Livestreams, folder: Path, audience: Audience) -> None:
        self._streams, self._folder, self._audience = streams, folder, audience
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._lengths: OrderedDict[tuple[str, int], int] = OrderedDict()
        """Of segments in milliseconds."""

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
            self._audience.watches(known.stream.id, viewer)
            return File(self._playlist(known.stream, text, viewer), "application/vnd.apple.mpegurl", False)
        found = _SEGMENT.fullmatch(name)
        if found is None:
            raise NotFound("There is no such file.")
        try:
            content = await asyncio.to_thread((folder / name).read_bytes)
        except OSError as gone:
            raise NotFound("There is no such segment any more.") from gone
        number = int(found[1])
        length_ms = self._lengths.get((known.stream.id, number), 0)
        self._audience.fetched(known.stream.id, viewer, number, length_ms, known.run)
        return File(content, "video/mp2t", True)

    async def standing(self, stream_id: str) -> Standing:
        """How a stream stands.

        Raises:
            NotFound: there is no such stream.
        """
        stream, run, _ = await self._look(stream_id)
        state: Literal["waiting", "live", "ended", "interrupted"] = "waiting"
        if stream.status is LivestreamStatus.LIVE:
            state = "live"
        elif stream.status is LivestreamStatus.ERRORED:
            state = "interrupted"
        elif run is not None and not stream.is_active:
            state = "ended"
        return Standing(state, stream.name, await self._audience.count(stream.id))

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


def _entrance(stream: Livestream) -> bytes:
    """The playlist that names the other one."""
    about = "BANDWIDTH=3000000"
    if not stream.takes_ingest:
        width, height = stream.config.width // 2 * 2, stream.config.height // 2 * 2
        about += f",RESOLUTION={width}x{height}"
    viewer = secrets.token_hex(8)
    return f"#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-STREAM-INF:{about}\n{VARIANT}?v={viewer}\n".encode()
