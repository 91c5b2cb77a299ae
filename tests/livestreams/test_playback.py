"""What viewers get, and how it is counted."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
import pytest_asyncio

from parley.accounts.scope import AppScope
from parley.base.errors import NotFound
from parley.bus.tally import Tally
from parley.livestreams import audience
from parley.livestreams.audience import Audience
from parley.livestreams.ingest import IngestKeeper
from parley.livestreams.model import Livestream
from parley.livestreams.playback import Playback
from parley.livestreams.service import Livestreams
from tests.wire.realtimekit.serving import streams_of

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
TEXT = "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:4\n#EXTINF:1.000000,\n4.ts\n#EXTINF:1.500000,\n5.ts\n"


class Screening:
    """A live stream with two segments."""

    def __init__(self, scope: AppScope, streams: Livestreams, folder: Path, stream: Livestream) -> None:
        self.scope, self.streams, self.stream, self.folder = scope, streams, stream, folder
        self.audience = Audience(streams, Tally(None, "here"))
        self.playback = Playback(streams, folder, self.audience)
        own = folder / stream.id
        own.mkdir(parents=True)
        (own / "index.m3u8").write_text(TEXT)
        (own / "4.ts").write_bytes(b"four")
        (own / "5.ts").write_bytes(b"five")

    async def enter(self) -> str:
        """A new viewer's number."""
        entrance = await self.playback.file(self.stream.id, "index.m3u8", "")
        return entrance.content.decode().splitlines()[-1].partition("?v=")[2]

    async def watch(self, viewer: str, *names: str) -> None:
        """Fetch the playlist and segments."""
        await self.playback.file(self.stream.id, "live.m3u8", viewer)
        for name in names:
            assert (await self.playback.file(self.stream.id, name, viewer)).is_final

    async def counts(self, counted: Audience, wanted: int) -> None:
        """Wait until so many are there."""
        end = time.monotonic() + 60
        while (found := await counted.count(self.stream.id)) != wanted:
            assert time.monotonic() < end, f"{found} watch"
            await asyncio.sleep(0.02)

    async def watched_ms(self) -> int:
        """What has been counted."""
        await self.audience.stop()
        _, run = await self.streams.active_run(self.scope, self.stream.id)
        return run.viewer_ms


@pytest_asyncio.fixture
async def screening(app_scope: AppScope, tmp_path: Path) -> Screening:
    streams = streams_of(app_scope.store)
    stream = await streams.create(app_scope, None)
    await IngestKeeper(streams).admit(streams.key(stream))
    return Screening(app_scope, streams, tmp_path, stream)


async def test_each_viewer_counts_and_no_segment_twice(screening: Screening) -> None:
    ann, bob = await screening.enter(), await screening.enter()
    assert ann != bob
    await screening.watch(ann, "4.ts", "5.ts", "5.ts", "4.ts")
    await screening.watch(bob, "5.ts")
    assert await screening.watched_ms() == 2_500 + 1_500


async def test_who_has_fetched_something_lately_is_counted(
    screening: Screening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audience, "TOLD_EVERY_S", 0.05)
    counted = Audience(screening.streams, Tally(None, "here"))
    playback = Playback(screening.streams, screening.folder, counted)
    await counted.start()
    try:
        for viewer in ("0" * 16, "1" * 16, "1" * 16):
            await playback.file(screening.stream.id, "live.m3u8", viewer)
        await screening.counts(counted, 2)
        monkeypatch.setattr(audience, "THERE_FOR_S", 0.0)
        await screening.counts(counted, 0)
    finally:
        await counted.stop()


async def test_segments_carry_the_viewers_number(screening: Screening) -> None:
    viewer = await screening.enter()
    playlist = (await screening.playback.file(screening.stream.id, "live.m3u8", viewer)).content.decode()
    assert f"4.ts?v={viewer}" in playlist
    assert "ENDLIST" not in playlist


@pytest.mark.parametrize("name", ["../index.m3u8", "4.mp4", "6.ts", "", "..", "4.ts/..", "live.m3u8.bak"])
async def test_nothing_else_can_be_fetched(screening: Screening, name: str) -> None:
    viewer = await screening.enter()
    with pytest.raises(NotFound):
        await screening.playback.file(screening.stream.id, name, viewer)


@pytest.mark.parametrize("viewer", ["", "x", "../../../../etc", "0" * 15])
async def test_a_number_that_nobody_was_given_gets_nothing(screening: Screening, viewer: str) -> None:
    with pytest.raises(NotFound):
        await screening.playback.file(screening.stream.id, "4.ts", viewer)


async def test_unknown_streams_are_not_found(screening: Screening) -> None:
    with pytest.raises(NotFound):
        await screening.playback.file("nothing", "index.m3u8", "")


async def test_viewers_are_told_how_a_stream_stands(app_scope: AppScope, tmp_path: Path) -> None:
    streams = streams_of(app_scope.store)
    stream = await streams.create(app_scope, "radio")

    async def state() -> str:
        playback = Playback(streams, tmp_path, Audience(streams, Tally(None, "here")))
        standing = await playback.standing(stream.id)
        assert (standing.name, standing.viewers) == ("radio", 0)
        return standing.state

    assert await state() == "waiting"
    for error, wanted in ((None, "ended"), ("The encoder failed.", "interrupted")):
        await IngestKeeper(streams).admit(streams.key(stream))
        assert await state() == "live"
        await streams.stop(app_scope, stream.id, error=error)
        assert await state() == wanted


async def test_after_the_end_viewers_see_it_and_nobody_comes_in(screening: Screening) -> None:
    viewer = await screening.enter()
    await screening.streams.stop(screening.scope, screening.stream.id)
    late = Playback(screening.streams, screening.folder, screening.audience)  # remembers nothing
    playlist = (await late.file(screening.stream.id, "live.m3u8", viewer)).content.decode()
    assert playlist.endswith("#EXT-X-ENDLIST\n")
    with pytest.raises(NotFound):
        await late.file(screening.stream.id, "index.m3u8", "")
