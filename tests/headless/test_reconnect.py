"""Participants whose connection is lost, by a server that restarts or a network that breaks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from parley.base.tasks import cancel_and_wait
from parley.headless.client import NEVER_AGAIN, HeadlessClient, Persistence
from parley.headless.news import (
    CannotPublish,
    Ended,
    Ending,
    News,
    PersonJoined,
    PersonLeft,
    Reconnected,
    Reconnecting,
)
from parley.headless.sources import NOTHING, tone_source
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import Room
from tests.headless.conftest import Server, serving
from tests.headless.test_run import line_with, start
from tests.waiting import until

QUICK = Persistence(attempts=400, base_s=0.2, longest_s=0.2)


class Restartable:
    """A server that is killed and started again on its port and data."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._options = options
        self._stack = contextlib.ExitStack()
        self.server = self._start("0")

    def _start(self, port: str) -> Server:
        return self._stack.enter_context(serving(self._folder, *self._options, "--port", port))

    def kill(self) -> None:
        """Without a goodbye."""
        os.kill(self.server.pid, signal.SIGKILL)
        self._stack.close()

    async def start(self) -> None:
        """Once more."""
        self.server = await asyncio.to_thread(self._start, self.server.url.rpartition(":")[2])

    def close(self) -> None:
        """The end of it."""
        self._stack.close()


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[Restartable]:
    """A server without media."""
    running = Restartable(tmp_path, "--no-media")
    yield running
    running.close()


def has(news: list[News], kind: type[News]) -> str:
    """For `until`."""
    return "" if any(isinstance(each, kind) for each in news) else f"no {kind.__name__} in {news}"


async def test_who_was_there_is_there_again_after_the_server_was_killed(quiet: Restartable) -> None:
    tokens = quiet.server.meeting()
    news: dict[str, list[News]] = {"Host": [], "Participant": []}
    clients = {
        role: HeadlessClient(
            tokens[role], quiet.server.url, name=role, on_news=news[role].append, persistence=QUICK
        )
        for role in news
    }
    async with clients["Host"] as host, clients["Participant"] as participant:
        peer_ids = {client.peer_id for client in clients.values()}
        quiet.kill()
        for told in news.values():
            await until(lambda told=told: has(told, Reconnecting))

        await quiet.start()
        for told in news.values():
            await until(lambda told=told: has(told, Reconnected), deadline_s=40)

        await until(lambda: "" if {*host.people, *participant.people} == peer_ids else f"{host.people}")
        await host.send_chat("still here")
        await until(lambda: "" if "still here" in str(news["Participant"]) else "no message")
        assert not host.ended.done()
        assert not participant.ended.done()
    assert host.ended.result().ending is Ending.LEFT


async def test_who_left_meanwhile_is_told_of(quiet: Restartable) -> None:
    tokens = quiet.server.meeting()
    news: list[News] = []
    other = HeadlessClient(tokens["Participant"], quiet.server.url, name="Other", persistence=NEVER_AGAIN)
    async with HeadlessClient(
        tokens["Host"], quiet.server.url, on_news=news.append, persistence=QUICK
    ) as stays:
        await other.join()
        await until(lambda: has(news, PersonJoined))
        quiet.kill()
        ended = await asyncio.wait_for(other.ended, 40)
        await other.leave()
        await quiet.start()
        await until(lambda: has(news, Reconnected), deadline_s=40)

        assert ended.ending is Ending.LOST
        assert PersonLeft(other.peer_id, "Other") in news
        assert stays.people == {}


async def test_a_token_that_is_refused_meanwhile_ends_it(quiet: Restartable, tmp_path: Path) -> None:
    tokens = quiet.server.meeting()
    news: list[News] = []
    async with HeadlessClient(
        tokens["Host"], quiet.server.url, on_news=news.append, persistence=QUICK
    ) as client:
        quiet.kill()
        for file in (tmp_path / "data").glob("parley.db*"):
            file.unlink()
        await quiet.start()

        ended = await asyncio.wait_for(client.ended, 40)

    assert ended.ending is Ending.REFUSED
    assert "token" in ended.reason
    assert news[-1] == ended


async def test_after_the_last_attempt_the_reason_is_told(quiet: Restartable) -> None:
    tokens = quiet.server.meeting()
    few = Persistence(attempts=3, base_s=0.05, longest_s=0.05)
    async with HeadlessClient(tokens["Host"], quiet.server.url, persistence=few) as client:
        quiet.kill()
        ended = await asyncio.wait_for(client.ended, 40)

    assert ended.ending is Ending.LOST
    assert "3 attempts" in ended.reason
    assert "cannot be reached" in ended.reason


async def test_leaving_while_coming_back_is_at_once(quiet: Restartable) -> None:
    tokens = quiet.server.meeting()
    news: list[News] = []
    client = HeadlessClient(tokens["Host"], quiet.server.url, on_news=news.append)
    await client.join()
    quiet.kill()
    await until(lambda: has(news, Reconnecting))

    await asyncio.wait_for(client.leave(), 30)

    assert client.ended.result() == Ended(Ending.LEFT, Ending.LEFT.sentence)


async def test_who_was_kicked_does_not_come_back(quiet: Restartable) -> None:
    tokens = quiet.server.meeting()
    news: list[News] = []
    async with (
        HeadlessClient(tokens["Host"], quiet.server.url) as host,
        HeadlessClient(
            tokens["Participant"], quiet.server.url, on_news=news.append, persistence=QUICK
        ) as other,
    ):
        assert host.socket is not None
        await host.socket.tell(Room.KICK, pb.RoomRemoveParticipantsRequest(peer_ids=[other.peer_id]))

        ended = await asyncio.wait_for(other.ended, 40)
        assert other.socket is not None
        loss = await asyncio.wait_for(other.socket.ended, 40)

    assert ended.ending is Ending.KICKED
    assert not loss.may_return
    assert not any(isinstance(each, Reconnecting) for each in news)


async def test_the_command_says_what_happens_and_ends_in_order(quiet: Restartable) -> None:
    token = quiet.server.meeting()["Host"]
    process = await start(token, "--url", quiet.server.url, "--media", "none")
    try:
        async with asyncio.timeout(60):
            await line_with(process, "Joined")
            quiet.kill()
            await line_with(process, "Coming back")
            await quiet.start()
            await line_with(process, "Back in the meeting after")
            process.terminate()
            rest, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    assert b"Left the meeting." in rest


class Wire:
    """Between a client and the server; can be cut."""

    def __init__(self, server: Server) -> None:
        self._port = int(server.url.rpartition(":")[2])
        self._ends: set[asyncio.StreamWriter] = set()
        self._moving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        self.cut()
        await cancel_and_wait(self._moving)

    def cut(self) -> None:
        """Break every connection, without a goodbye on either side."""
        for end in self._ends:
            end.transport.abort()
        self._ends.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to_server = await asyncio.open_connection("127.0.0.1", self._port)
        self._ends |= {writer, to_server}
        for source, target in ((reader, to_server), (there, writer)):
            task = asyncio.create_task(self._move(source, target))
            self._moving.add(task)
            task.add_done_callback(self._moving.discard)

    async def _move(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        target.close()


@pytest.mark.media
async def test_others_do_not_see_a_participant_leave_whose_network_broke(server: Server) -> None:
    tokens = server.meeting()
    spoken: list[News] = []
    seen: list[News] = []
    source = await tone_source("Speaker", 0)
    viewer = HeadlessClient(tokens["Participant"], server.url, media=NOTHING, on_news=seen.append)

    def frames(kind: str) -> int:
        return sum(total.frames for total in viewer.totals() if total.kind == kind)

    async with Wire(server) as wire, viewer:
        speaker = HeadlessClient(
            tokens["Host"], wire.url, media=source, on_news=spoken.append, persistence=QUICK
        )
        async with speaker:
            await until(lambda: "" if frames("audio") and frames("video") else "nothing arrives")
            wire.cut()
            await until(lambda: has(spoken, Reconnected), deadline_s=40)
            before = {kind: frames(kind) for kind in ("audio", "video")}
            await until(
                lambda: "" if all(frames(kind) > before[kind] + 10 for kind in before) else f"stuck: {before}"
            )
            assert not any(isinstance(each, PersonLeft) for each in seen)
            assert len(viewer.tracks) == 2, "what was published before is gone"


@pytest.mark.media
@pytest.mark.faults
async def test_streams_are_published_again_after_the_server_was_killed(tmp_path: Path) -> None:
    running = Restartable(tmp_path, "--rtp-ports", "45500-45999")
    tokens = running.server.meeting()
    news: list[News] = []
    source = await tone_source("Speaker", 0)
    speaker = HeadlessClient(
        tokens["Host"], running.server.url, media=source, on_news=news.append, persistence=QUICK
    )
    viewer = HeadlessClient(tokens["Participant"], running.server.url, media=NOTHING, persistence=QUICK)

    def frames(kind: str) -> int:
        return sum(total.frames for total in viewer.totals() if total.kind == kind)

    try:
        async with speaker, viewer:
            await until(lambda: "" if frames("audio") and frames("video") else "nothing arrives")
            await speaker.pause("audio")
            running.kill()
            await running.start()
            await until(lambda: has(news, Reconnected), deadline_s=60)
            before = {kind: frames(kind) for kind in ("audio", "video")}

            await until(
                lambda: "" if frames("video") > before["video"] + 10 else "no picture after the restart",
                deadline_s=60,
            )
            assert sorted(speaker.publishes) == ["audio", "video"]
            assert frames("audio") - before["audio"] <= 1, "what was muted stays muted"
            await speaker.pause("audio", paused=False)
            await until(lambda: "" if frames("audio") > before["audio"] + 10 else "no sound")
            assert not any(isinstance(each, CannotPublish) for each in news)
    finally:
        running.close()
