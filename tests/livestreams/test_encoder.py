"""The encoder as a process of its own, fed with real RTP."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from parley.compositor.plan import Canvas
from parley.livestreams.encoder import orders as o
from parley.livestreams.process import Encoder
from parley.livestreams.pushing import relay as relays
from parley.livestreams.pushing.relay import PushRelay
from parley.livestreams.pushing.target import Target
from parley.media import rtmp
from parley.media.rtmp import RtmpIngest, RtmpOptions
from parley.outgoing.http import OutgoingPolicy
from tests.livestreams.meeting_rtp import Engine
from tests.livestreams.test_ingest import free_port
from tests.livestreams.watching import DEADLINE_S, Watched, decode, segments
from tests.waiting import until

CANVAS = Canvas(width=320, height=180, fps=10)
CAMERA, MICROPHONE = 1001, 1002
ANN = o.Face("ann", "Ann", [o.Feed(CAMERA, "camera"), o.Feed(MICROPHONE, "microphone")])
SILENT_ANN = o.Face("ann", "Ann", [])


class Cinema:
    """An encoder, what it told, and what can be seen of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.news: list[o.News] = []
        self.encoder: Encoder

    async def open(self, **more: str | None) -> None:
        begin = o.Begin(self.folder, CANVAS, 500_000, **more)
        self.encoder = await Encoder.start(begin, self.news.append)

    async def shows(self, wanted: Callable[[Watched], bool]) -> Watched:
        """Wait for a segment like that among those that come from now on."""
        known = set(self.folder.glob("*.ts"))
        end = time.monotonic() + DEADLINE_S
        while True:
            for path in await segments(self.folder, 1):
                if path not in known and path.exists():
                    known.add(path)
                    watched = decode(path)
                    if watched.pictures and wanted(watched):
                        return watched
            assert time.monotonic() < end, "it was never seen"
            await asyncio.sleep(0.1)


@pytest_asyncio.fixture
async def cinema(tmp_path: Path) -> AsyncIterator[Cinema]:
    made = Cinema(tmp_path / "stream")
    await made.open()
    try:
        yield made
    finally:
        await made.encoder.stop()


async def test_people_are_seen_moving_and_heard_until_they_mute_themselves(cinema: Cinema):
    engine = await Engine.start(cinema.encoder.port, CAMERA, MICROPHONE, 600)
    try:
        cinema.encoder.order(o.Scene([ANN]))
        await cinema.shows(lambda seen: seen.moves and seen.loudest > 0.1 and abs(seen.hz - 600) < 10)
        cinema.encoder.order(o.Scene([SILENT_ANN]))
        await cinema.shows(lambda seen: not seen.moves and seen.loudest < 0.01)
    finally:
        await engine.stop()
    assert o.Playable() in cinema.news


async def test_a_shared_screen_is_large_and_stays_when_nothing_moves(cinema: Cinema):
    engine = await Engine.start(cinema.encoder.port, CAMERA, MICROPHONE, 600)
    cinema.encoder.order(o.Scene([o.Face("ann", "Ann", [o.Feed(CAMERA, "screen")])]))
    await cinema.shows(lambda seen: _bright(seen) and seen.moves)
    await engine.stop()
    await cinema.shows(lambda seen: _bright(seen) and not seen.moves)


def _bright(seen: Watched) -> bool:
    """The white bar of the sender reaches over most of the height, to the left of the people."""
    column = (seen.pictures[-1][:, :240] > 180).sum(axis=0).max()
    return bool(column > 120)


async def test_a_stream_that_cannot_be_decoded_asks_for_a_key_frame(cinema: Cinema):
    cinema.encoder.order(o.Scene([o.Face("ann", "Ann", [o.Feed(CAMERA, "screen")])]))
    await until(lambda: "" if o.KeyFrame(CAMERA) in cinema.news else "it never asked", deadline_s=DEADLINE_S)


async def test_another_encoder_goes_on_where_one_was_killed(tmp_path: Path):
    cinema = Cinema(tmp_path / "stream")
    await cinema.open()
    before = len(await segments(cinema.folder, 3))
    os.kill(cinema.encoder.pid, signal.SIGKILL)
    await cinema.encoder.wait()
    await cinema.encoder.stop()
    newest = max(int(path.stem) for path in await segments(cinema.folder, before))
    await cinema.open()
    try:
        await cinema.shows(lambda _: True)
        playlist = (cinema.folder / "index.m3u8").read_text()
        assert "#EXT-X-DISCONTINUITY" in playlist
        assert max(int(path.stem) for path in await segments(cinema.folder, 1)) > newest
    finally:
        await cinema.encoder.stop()


class Everybody:
    """Takes whatever is pushed."""

    async def admit(self, key: str) -> str:
        return f"copy-of-{key}"

    async def goes_on(self, name: str) -> bool:
        return True

    async def ended(self, name: str) -> None:
        return


@pytest.mark.skipif(rtmp.missing(RtmpOptions(Path())) is not None, reason="nginx with RTMP is not installed")
async def test_a_copy_goes_to_an_rtmp_server_when_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(relays, "AGAIN_S", 0.5)
    port = free_port()
    told: list[str | None] = []
    relay = PushRelay(Target.of(f"rtmp://127.0.0.1:{port}/live/event"), OutgoingPolicy(), told.append)
    await relay.open()
    cinema = Cinema(tmp_path / "stream")
    await cinema.open(copy_to=relay.url)
    ingest = RtmpIngest(RtmpOptions(tmp_path / "there", port=port), Everybody())
    engine = await Engine.start(cinema.encoder.port, CAMERA, MICROPHONE, 600)
    try:
        cinema.encoder.order(o.Scene([ANN]))
        await until(lambda: "" if told else "no error", deadline_s=DEADLINE_S)
        assert "cannot be reached" in str(told[0])
        await segments(cinema.folder, 2)  # which is no reason to stop
        await ingest.open()
        watched = decode((await segments(tmp_path / "there" / "copy-of-event", 2))[1])
        assert watched.loudest > 0.1
        assert watched.pictures[0].shape == (180, 320)
        assert told[-1] is None
        await ingest.close()
        await until(lambda: "" if told[-1] else "no error", deadline_s=DEADLINE_S)
    finally:
        await engine.stop()
        await cinema.encoder.stop()
        await relay.close()
        await ingest.close()
