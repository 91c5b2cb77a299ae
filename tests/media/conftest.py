"""Fixtures of the media tests: one engine and one browser for each test module."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from parley.media.janus.config import JanusOptions
from parley.media.janus.engine import JanusEngine
from parley.media.ports import MediaRoom
from tests import netns
from tests.media.browser import Peer, chromium, chromium_path

OpenPeer = Callable[[str], Awaitable[Peer]]
OPTIONS = JanusOptions(rtp_ports=(30000, 31999))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say why media tests cannot run, where they cannot."""
    reason = netns.missing_network()
    if reason is None and shutil.which("janus") is None:
        reason = "janus is not installed"
    if reason is None:
        return
    for item in items:
        if item.get_closest_marker("media"):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A socket's path has 107 bytes, and those of `tmp_path` may be long."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def engine() -> AsyncIterator[JanusEngine]:
    """A running Janus."""
    engine = JanusEngine(OPTIONS)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    """A running Chromium."""
    if chromium_path() is None:
        pytest.skip("chromium is not installed")
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def open_peer(browser: Browser) -> AsyncIterator[OpenPeer]:
    """Opens participants by name, and closes their pages after the test."""
    peers: list[Peer] = []

    async def open_one(name: str) -> Peer:
        peers.append(await Peer.open(browser, name))
        return peers[-1]

    yield open_one
    for peer in peers:
        await peer.page.context.close()


@pytest.fixture
def join(open_peer: OpenPeer, room: MediaRoom) -> Callable[[], Awaitable[tuple[Peer, Peer]]]:
    """Makes somebody who can publish in the room, and somebody who can watch."""

    async def join() -> tuple[Peer, Peer]:
        publisher, viewer = await asyncio.gather(open_peer("alice"), open_peer("bob"))
        await asyncio.gather(publisher.open_sender(room), viewer.open_receiver(room))
        return publisher, viewer

    return join


@pytest_asyncio.fixture(loop_scope="module")
async def room(engine: JanusEngine, request: pytest.FixtureRequest) -> AsyncIterator[MediaRoom]:
    """A room of the test's own."""
    room = await engine.open_room(request.node.name)
    try:
        yield room
    finally:
        await room.close()
