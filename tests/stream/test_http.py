"""What of an answer is written when."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from parley.stream.http import JoinedWrites

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"


class Transport:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def write(self, data: bytes) -> None:
        self.seen.append(data)

    def close(self) -> None:
        self.seen.append("close")

    def is_closing(self) -> bool:
        return "close" in self.seen


@pytest.fixture
def transport() -> Transport:
    return Transport()


@pytest.fixture
async def joined(transport: Transport) -> JoinedWrites:
    return JoinedWrites(transport, asyncio.get_running_loop())


async def test_a_head_leaves_together_with_its_body(joined, transport):
    joined.write(HEAD)
    joined.write(b"body")
    assert transport.seen == [HEAD + b"body"]
    joined.write(b"more")
    await asyncio.sleep(0)
    assert transport.seen == [HEAD + b"body", b"more"]


async def test_a_head_waits_no_longer_than_a_turn_of_the_loop(joined, transport):
    joined.write(HEAD)
    assert transport.seen == []
    await asyncio.sleep(0)
    assert transport.seen == [HEAD]
    joined.write(b"body")
    assert transport.seen == [HEAD, b"body"]


async def test_the_head_of_a_stream_does_not_wait(joined, transport):
    for head in (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"):
        joined.write(head)
    assert len(transport.seen) == 2


async def test_what_waits_leaves_before_the_connection_is_closed(joined, transport):
    joined.write(HEAD)
    assert not joined.is_closing()
    joined.close()
    assert transport.seen == [HEAD, "close"]
    assert joined.is_closing()
