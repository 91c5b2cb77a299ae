"""Whoever has the link of a finished recording can play it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from parley.base.ids import SessionId, new_uuid
from parley.recordings.model import (
    SERVER,
    FileRole,
    Recording,
    Start,
    StartReason,
    Stop,
    StopReason,
    StoredFile,
)
from parley.recordings.settings import RecordingSettings
from parley.wire.realtimekit.downloads import Downloads

FILM = bytes(range(200))


async def _film() -> AsyncIterator[bytes]:
    yield FILM


@pytest_asyncio.fixture
async def done(recordings, app_scope, meeting) -> Recording:
    """A finished recording: a film, and its sound alone."""
    why = StartReason(Start.API_CALL, SERVER)
    recording = await recordings.start(app_scope, meeting, RecordingSettings(), why)
    await recordings.began(app_scope, recording.id, SessionId(new_uuid()))
    await recordings.stop(app_scope, recording.id, StopReason(Stop.API_CALL, SERVER))
    files = []
    for role, name in ((FileRole.VIDEO, "weekly_1.mp4"), (FileRole.AUDIO, "weekly_1.m4a")):
        key = f"recordings/{recording.id}/{name}"
        await app_scope.store.blobs.put(key, _film())
        files.append(StoredFile(role, name, len(FILM), key))
    return await recordings.uploaded(app_scope, recording.id, files, 1_000)


@pytest_asyncio.fixture
async def http(recordings) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who has links."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(Downloads(recordings))) as http:
        yield http


@pytest.mark.parametrize(
    ("role", "kind", "name"),
    [
        (FileRole.VIDEO, "video/mp4", "weekly_1.mp4"),
        (FileRole.AUDIO, "audio/mp4", "weekly_1.m4a"),
    ],
)
async def test_files_are_what_players_take_them_for(recordings, http, done, role, kind: str, name: str):
    answer = await http.get(recordings.download_url(done, role))
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, FILM, kind)
    assert answer.headers["content-disposition"] == f"attachment; filename*=UTF-8''{name}"


async def test_players_on_pages_of_others_seek(recordings, http, done):
    url = recordings.download_url(done, FileRole.VIDEO)
    asked = await http.options(url, headers={"access-control-request-headers": "range"})
    assert (asked.status_code, asked.headers["access-control-allow-headers"]) == (204, "range, if-range")
    part = await http.get(url, headers={"range": "bytes=100-", "origin": "https://page.example"})
    assert (part.status_code, part.content) == (206, FILM[100:])
    assert part.headers["access-control-allow-origin"] == "*"
    assert "content-range" in part.headers["access-control-expose-headers"]


async def test_a_link_is_for_its_file_and_its_time(recordings, http, done, clock):
    url = recordings.download_url(done, FileRole.VIDEO)
    assert (await http.post(url)).status_code == 405
    assert (await http.get(url.replace("/video?", "/audio?"))).status_code == 403
    assert (await http.get(url.partition("?")[0])).status_code == 403
    clock.advance(7 * 86_400 + 1)
    assert (await http.get(url, headers={"range": "bytes=0-1"})).status_code == 403


async def test_a_file_that_was_removed_is_not_found(recordings, http, app_scope, done):
    url = recordings.download_url(done, FileRole.VIDEO)
    await recordings.expire(app_scope, done.id)
    assert (await http.get(url)).status_code == 404
