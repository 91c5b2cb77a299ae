"""The chat of a session that ends as the server is killed becomes a file all the same."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import Chat, Room
from tests.server.process import parley, serving
from tests.waiting import until
from tests.wire.realtimekit.client.peer import Peer

pytestmark = pytest.mark.faults

SAID = [f"message {number}" for number in range(20)]


def ask(data: Path, query: str) -> list[tuple[object, ...]]:
    """Read the database beside the server (SQLite allows several readers)."""
    with closing(sqlite3.connect(f"file:{data / 'parley.db'}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.parametrize("delay_s", [0.0, 0.03])
async def test_the_chat_is_written_whenever_the_server_was_killed(tmp_path: Path, delay_s: float) -> None:
    data = tmp_path / "data"
    async with serving(data) as server:
        made = json.loads((await parley("demo", "--data", str(data), "--json")).out)
        host = await Peer.join(server.url, made["links"][0]["token"])
        for text in SAID:
            await host.tell(Chat.SEND_TO_ROOM, pb.ChatSendChatMessageToRoomRequest(payload=text))
        end = pb.SocketMessage(event=Room.KICK_ALL, id="end")
        await host.send_raw(end.SerializeToString())
        await until(lambda: "" if ended(data) else "the session runs")
        await asyncio.sleep(delay_s)  # somewhere before, in or after the job
        await server.kill()
        await host.gone()

    async with serving(data) as server:
        await until(lambda: "" if ask(data, "SELECT 1 FROM files") else "there is no file", deadline_s=90)
        await until(lambda: "the job waits" if waiting(data) else "", deadline_s=90)
        ((key, size),) = ask(data, "SELECT blob_key, size_bytes FROM files")
        await server.stop()
    content = (data / "files" / str(key)).read_bytes()
    assert len(content) == size
    rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    assert [row["payload"] for row in rows] == SAID


def waiting(data: Path) -> bool:
    return bool(ask(data, "SELECT 1 FROM jobs WHERE queue = 'sessions.chat'"))


def ended(data: Path) -> bool:
    return ask(data, "SELECT status FROM sessions") == [("ENDED",)]
