"""What the media engine writes down while somebody sends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest
import pytest_asyncio

from parley.compositor.rtp import ORIENTATION, parse
from parley.media.janus.config import JanusOptions
from parley.media.janus.engine import JanusEngine
from parley.media.ports import MediaError
from tests.media.browser import until

CONGESTION = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
"""Chromium sends it in every packet."""
pytestmark = [pytest.mark.media, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Deep below, where Janus's own buffers for paths would end."""
    return tmp_path_factory.mktemp("captures") / ("deep" * 20) / ("folder" * 20)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def engine(folder):
    """A running Janus that may write."""
    engine = JanusEngine(JanusOptions(rtp_ports=(30000, 31999), captures_folder=folder))
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


async def grows(path: Path) -> None:
    """Wait until more is written into a file."""
    before = size(path)

    async def reason() -> str:
        return "" if size(path) > before + 4096 else f"{path.name} has {size(path)} bytes"

    await until(reason)


async def test_what_somebody_sends_is_in_files_of_its_own(join, folder):
    publisher, _ = await join()
    microphone = await publisher.publish("audio")
    assert publisher.sender.capture_file(microphone.mid) is None

    await publisher.sender.capture("first")
    camera = await publisher.publish("video")  # added while it is captured

    heard, seen = (publisher.sender.capture_file(each.mid) for each in (microphone, camera))
    await grows(folder / heard)
    await grows(folder / seen)
    assert (folder / heard).read_bytes()[:8] == b"MJR00002"
    assert b'"c":"opus"' in (folder / heard).read_bytes()[:200].replace(b" ", b"")
    assert b'"c":"vp8"' in (folder / seen).read_bytes()[:200].replace(b" ", b"")


async def test_captures_end_and_begin_again_under_another_name(join, folder):
    publisher, _ = await join()
    camera = await publisher.publish("video")
    await publisher.sender.capture("piece1")
    await grows(folder / publisher.sender.capture_file(camera.mid))
    first = folder / publisher.sender.capture_file(camera.mid)

    await publisher.sender.capture(None)
    assert publisher.sender.capture_file(camera.mid) is None
    written = size(first)
    await publisher.sender.capture("piece2")
    await grows(folder / publisher.sender.capture_file(camera.mid))

    assert size(first) == written


async def test_what_is_forwarded_has_its_header_extensions(join):
    publisher, _ = await join()
    camera = await publisher.publish("video")
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as encoder:
        encoder.bind(("127.0.0.1", 0))
        encoder.setblocking(False)
        await publisher.sender.forward(camera.mid, encoder.getsockname()[1], 77)
        async with asyncio.timeout(30):
            packet = parse(await loop.sock_recv(encoder, 2048))
    assert packet is not None
    assert packet.ssrc == 77
    number = publisher.sender.header_extension(camera.mid, CONGESTION)
    assert number is not None
    assert len(packet.extension(number) or b"") == 2
    assert publisher.sender.header_extension(camera.mid, ORIENTATION) is not None
    assert publisher.sender.header_extension(camera.mid, "urn:nobody:has-it") is None


async def test_without_a_folder_nothing_can_be_captured(open_peer):
    engine = JanusEngine(JanusOptions(rtp_ports=(30000, 31999)))
    await engine.start()
    try:
        room = await engine.open_room("no folder")
        publisher = await open_peer("alice")
        await publisher.open_sender(room)
        with pytest.raises(MediaError, match="no folder"):
            await publisher.sender.capture("x")
    finally:
        await engine.stop()


async def test_an_engine_that_is_told_to_end_writes_what_it_holds(join, folder, engine):
    """So it is when the server is killed: Janus then gets SIGTERM from the kernel."""
    publisher, _ = await join()
    microphone = await publisher.publish("audio")
    await publisher.sender.capture("last")
    path = folder / publisher.sender.capture_file(microphone.mid)
    await grows(path)
    assert size(path) % 4096 == 0  # by whole buffers

    lost = asyncio.Event()
    engine.on_lost(lost.set)
    os.kill(engine.pid, signal.SIGTERM)
    async with asyncio.timeout(20):
        await lost.wait()

    async def unwritten() -> str:
        return "" if size(path) % 4096 else f"{path.name} has {size(path)} bytes, whole buffers"

    async def away() -> str:
        return "" if engine.status().running else "the engine has not come back"

    await until(unwritten)
    await until(away)
