"""Files are had whole or in part, as players ask for them (RFC 9110 section 14)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from parley.base.errors import Unavailable
from parley.store.blobs import Blobs
from parley.wire.asgi import ClientGone, Receive, Send
from parley.wire.parts import send_file

CONTENT = bytes(range(100))


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


class Served:
    """An application that hands one file out."""

    def __init__(self, files: Blobs) -> None:
        self.files = files
        self.name = "film"

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        await send_file(scope, send, await self.files.get(self.name), [(b"content-type", b"video/mp4")])


@pytest_asyncio.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Asks for a film of a hundred bytes, or one that is empty."""
    files = Blobs.local(tmp_path / "files")
    await files.put("film", _once(CONTENT))
    await files.put("empty", _once(b""))
    served = Served(files)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://here") as http:
        http.event_hooks["request"].append(_names(served))
        yield http


def _names(served: Served) -> Any:
    async def name(request: httpx.Request) -> None:
        served.name = request.url.path.strip("/")

    return name


async def test_a_whole_file_says_that_parts_can_be_had(http: httpx.AsyncClient):
    answer = await http.get("/film")
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert (answer.headers["accept-ranges"], answer.headers["content-length"]) == ("bytes", "100")
    assert answer.headers["etag"].startswith('"')
    assert answer.headers["content-type"] == "video/mp4"


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-", 0, 99),  # what a <video> asks first
        ("bytes=10-19", 10, 19),
        ("bytes=99-99", 99, 99),
        ("bytes=50-1000", 50, 99),
        ("bytes=-1", 99, 99),
        ("bytes=-1000", 0, 99),
        ("BYTES = 1-2", 1, 2),
    ],
)
async def test_a_part_is_answered(http: httpx.AsyncClient, asked: str, first: int, last: int):
    answer = await http.get("/film", headers={"range": asked})
    assert (answer.status_code, answer.content) == (206, CONTENT[first : last + 1])
    assert answer.headers["content-range"] == f"bytes {first}-{last}/100"
    assert answer.headers["content-length"] == str(last - first + 1)


@pytest.mark.parametrize(
    "asked",
    ["bytes=5-2", "bytes=-", "bytes=a-b", "bytes=0-1,5-6", "items=0-1", "bytes=" + "9" * 30 + "-", "\xa0"],
)
async def test_what_is_no_single_range_gets_the_whole(http: httpx.AsyncClient, asked: str):
    answer = await http.get("/film", headers=[(b"range", asked.encode("latin-1"))])
    assert (answer.status_code, answer.content) == (200, CONTENT)


@pytest.mark.parametrize(
    ("path", "asked"),
    [("/film", "bytes=100-"), ("/film", "bytes=-0"), ("/empty", "bytes=0-"), ("/empty", "bytes=-5")],
)
async def test_a_part_that_is_not_there_is_refused(http: httpx.AsyncClient, path: str, asked: str):
    answer = await http.get(path, headers={"range": asked})
    size = 100 if path == "/film" else 0
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{size}")


async def test_a_part_of_another_file_is_not_continued(http: httpx.AsyncClient):
    whole = await http.get("/film")
    for validator, status in (
        (whole.headers["etag"], 206),
        (whole.headers["last-modified"], 206),
        ('"another"', 200),
        ("Wed, 01 Jan 2020 00:00:00 GMT", 200),
        (f"W/{whole.headers['etag']}", 200),
    ):
        answer = await http.get("/film", headers={"range": "bytes=1-1", "if-range": validator})
        assert answer.status_code == status, validator


async def test_head_tells_of_the_whole_file(http: httpx.AsyncClient):
    answer = await http.head("/film", headers={"range": "bytes=1-1"})
    assert (answer.status_code, answer.headers["content-length"], answer.content) == (200, "100", b"")


class Failing:
    """A file that cannot be read from some chunk on."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.size_bytes = 10
        self.etag = None
        self.modified_at = datetime(2026, 1, 1, tzinfo=UTC)

    @property
    async def chunks(self) -> AsyncIterator[bytes]:
        for _ in range(self.after):
            yield b"x"
        raise Unavailable("The file could not be read.")


@pytest.mark.parametrize(("after", "error", "sent"), [(0, Unavailable, 0), (2, ClientGone, 3)])
async def test_what_cannot_be_read_is_told_unless_it_has_begun(after: int, error: type[Exception], sent: int):
    blob: Any = Failing(after)
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    with pytest.raises(error):
        await send_file({"method": "GET", "headers": []}, send, blob, [])
    assert len(messages) == sent
