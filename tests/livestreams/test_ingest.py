"""RTMP that real encoders push, to a real nginx."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from parley.accounts.scope import AppScope
from parley.base.paging import PageRequest
from parley.livestreams.ingest import IngestKeeper
from parley.livestreams.model import Livestream, LivestreamStatus
from parley.livestreams.service import Livestreams
from parley.media import rtmp
from parley.media.ports import MediaUnavailable
from parley.media.rtmp import RtmpIngest, RtmpOptions
from tests.livestreams.pushing import Pusher
from tests.livestreams.watching import DEADLINE_S, decode, segments
from tests.waiting import until

needs_nginx = pytest.mark.skipif(
    rtmp.missing(RtmpOptions(Path())) is not None, reason="nginx with its RTMP module is not installed"
)
PAGE = PageRequest(1, 10)
ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Studio:
    """A server that takes RTMP."""

    def __init__(self, scope: AppScope, folder: Path, port: int) -> None:
        self.scope, self.folder, self.port = scope, folder, port
        self.streams = Livestreams(
            scope.store,
            public_url="http://parley.test",
            ingest_server=f"rtmp://127.0.0.1:{port}/live/",
            open_ingest=self._open,
        )
        options = RtmpOptions(folder, port=port, asked_every_s=0.5)
        self.ingest = RtmpIngest(options, IngestKeeper(self.streams))

    async def _open(self) -> None:
        await self.ingest.open()

    def address(self, stream: Livestream) -> str:
        return self.streams.ingest_server + self.streams.key(stream)

    async def is_status(self, stream: Livestream, wanted: LivestreamStatus) -> None:
        end = time.monotonic() + DEADLINE_S
        while (found := (await self.streams.get(self.scope, stream.id)).status) is not wanted:
            assert time.monotonic() < end, f"the stream is {found}"
            await asyncio.sleep(0.05)


@pytest_asyncio.fixture
async def studio(app_scope: AppScope, tmp_path: Path) -> AsyncIterator[Studio]:
    made = Studio(app_scope, tmp_path / "live", free_port())
    try:
        yield made
    finally:
        await made.ingest.close()


@needs_nginx
@ON_SQLITE
async def test_what_is_pushed_is_seen_and_heard(studio: Studio):
    stream = await studio.streams.create(studio.scope, "radio")
    pusher = await Pusher.start(studio.address(stream))
    try:
        found = await segments(studio.folder / stream.id, 2)
        await studio.is_status(stream, LivestreamStatus.LIVE)
        watched = decode(found[1])
        assert watched.moves
        assert watched.loudest > 0.1
        assert abs(watched.hz - 440) < 10
        key = studio.streams.key(stream)
        assert not [path for path in studio.folder.rglob("*") if key in str(path)]
    finally:
        await pusher.stop()
    await studio.is_status(stream, LivestreamStatus.IDLE)
    run = (await studio.streams.runs(studio.scope, stream.id, PAGE)).rows[0]
    assert run.ingest_ms >= 0
    assert run.stopped_at is not None


@needs_nginx
@ON_SQLITE
async def test_a_wrong_key_a_disabled_stream_and_a_second_encoder_are_refused(studio: Studio):
    stream = await studio.streams.create(studio.scope, None)
    wrong = await Pusher.start(f"{studio.streams.ingest_server}{'0' * 48}")
    first = await Pusher.start(studio.address(stream))
    try:
        assert await wrong.ended() != 0
        await studio.is_status(stream, LivestreamStatus.LIVE)
        second = await Pusher.start(studio.address(stream))
        assert await second.ended() != 0
        assert (await studio.streams.get(studio.scope, stream.id)).status is LivestreamStatus.LIVE
        await studio.streams.set_disabled(studio.scope, stream.id, True)
        assert await first.ended() != 0  # what was on is cut off
        third = await Pusher.start(studio.address(stream))
        assert await third.ended() != 0
    finally:
        for each in (wrong, first):
            await each.stop()


@needs_nginx
@ON_SQLITE
async def test_streams_end_when_nginx_is_killed_and_can_be_pushed_to_again(studio: Studio):
    stream = await studio.streams.create(studio.scope, None)
    pusher = await Pusher.start(studio.address(stream))
    try:
        await studio.is_status(stream, LivestreamStatus.LIVE)
        before = studio.ingest.pid
        assert before is not None
        os.kill(before, signal.SIGKILL)
        await studio.is_status(stream, LivestreamStatus.IDLE)
        await until(lambda: "" if studio.ingest.pid not in (None, before) else "nginx is not back")
    finally:
        await pusher.stop()
    again = await Pusher.start(studio.address(stream))
    try:
        await studio.is_status(stream, LivestreamStatus.LIVE)
    finally:
        await again.stop()


@needs_nginx
@ON_SQLITE
async def test_a_taken_port_is_told(studio: Studio):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", studio.port))
        taken.listen()
        with pytest.raises(MediaUnavailable, match=f"port {studio.port}"):
            await studio.streams.create(studio.scope, None)


@ON_SQLITE
async def test_without_nginx_the_request_says_what_to_install(app_scope: AppScope, tmp_path: Path):
    options = RtmpOptions(tmp_path, port=free_port(), binary="no-such-nginx")
    streams = Livestreams(
        app_scope.store,
        public_url="http://parley.test",
        ingest_server="rtmp://parley.test/live/",
        open_ingest=lambda: ingest.open(),
    )
    ingest = RtmpIngest(options, IngestKeeper(streams))
    with pytest.raises(MediaUnavailable, match="libnginx-mod-rtmp"):
        await streams.create(app_scope, None)
