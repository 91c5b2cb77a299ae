"""Pictures that customers name are had, or it is said why not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from parley.outgoing.http import OutgoingHttp, OutgoingPolicy
from parley.outgoing.pictures import MAX_BYTES, fetch_picture

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


@asynccontextmanager
async def answering(body: bytes, status: int = 200) -> AsyncIterator[str]:
    """The address of a server with one answer."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, status=status)

    app = web.Application()
    app.router.add_get("/logo", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("/logo"))


async def test_a_picture_is_had(http: OutgoingHttp, tmp_path: Path):
    async with answering(PNG) as url:
        assert await fetch_picture(http, url, tmp_path / "logo") is None
    assert (tmp_path / "logo").read_bytes() == PNG


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        (b"", 404, "Its server answers 404."),
        (b"<svg/>", 200, "It is no PNG"),
        (PNG + bytes(MAX_BYTES), 200, "It has more than 5 MiB"),
    ],
)
async def test_what_is_none_is_told(http: OutgoingHttp, tmp_path: Path, body: bytes, status: int, why: str):
    async with answering(body, status) as url:
        assert (await fetch_picture(http, url, tmp_path / "logo") or "").startswith(why)
    assert not (tmp_path / "logo").exists()


async def test_inward_addresses_are_not_asked(tmp_path: Path):
    asked = OutgoingHttp(OutgoingPolicy(allow_private=False))
    try:
        async with answering(PNG) as url:
            assert await fetch_picture(asked, url, tmp_path / "logo")
    finally:
        await asked.close()
    assert not (tmp_path / "logo").exists()
