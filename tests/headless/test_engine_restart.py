"""The media engine dies under a running meeting."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from parley.headless.client import HeadlessClient
from parley.headless.news import MediaRestarted, News
from parley.headless.sources import NOTHING, tone_source
from tests.headless.conftest import Server, serving
from tests.waiting import until

pytestmark = [pytest.mark.media, pytest.mark.faults]


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """Nobody else's, because its media engine is killed."""
    with serving(tmp_path, "--rtp-ports", "45000-45499") as running:
        yield running


def janus_of(server: Server) -> int:
    """The process id of the server's media engine."""
    for task in Path(f"/proc/{server.pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            if Path(f"/proc/{child}/comm").read_text().strip() == "janus":
                return int(child)
    pytest.fail("the server has no janus child")


async def test_media_comes_back_after_the_engine_was_killed(own_server: Server):
    tokens = own_server.meeting()
    news: list[News] = []
    speaker = HeadlessClient(
        tokens["Host"], own_server.url, name="Speaker", media=await tone_source("Speaker", 0)
    )
    viewer = HeadlessClient(
        tokens["Participant"], own_server.url, name="Viewer", media=NOTHING, on_news=news.append
    )

    def frames(kind: str) -> int:
        return sum(total.frames for total in viewer.totals() if total.kind == kind)

    async with speaker, viewer:
        await until(lambda: "" if frames("audio") and frames("video") else "nothing arrives")

        os.kill(janus_of(own_server), signal.SIGKILL)
        await until(lambda: "" if MediaRestarted() in news else "not told", deadline_s=40)
        before = {kind: frames(kind) for kind in ("audio", "video")}

        # Nobody is told: each connection finds out by ICE consent (RFC 7675), after about 30 s.
        await until(
            lambda: "" if all(frames(kind) > before[kind] + 10 for kind in before) else f"stuck at {before}",
            deadline_s=90,
        )
        assert not viewer.ended.done()
