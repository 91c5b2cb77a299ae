"""`parley serve` killed with SIGKILL while people are in a meeting."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import bindparam, select, update

from parley.base.settings import Settings
from parley.meetings.model import LeaveReason, PeerEventName
from parley.server.app import open_store
from parley.store.query import SystemQuery
from parley.store.schema import tables as t
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import Chat, Media, Room
from tests.server.process import parley, serving
from tests.waiting import until
from tests.wire.realtimekit.client.peer import Peer

pytestmark = pytest.mark.faults

MESSAGES = 50
ROUNDS = 3
_SHORTEN = SystemQuery(update(t.sessions).values(settings=bindparam("settings")))
_SESSIONS = SystemQuery(select(t.sessions))
_PEERS = SystemQuery(select(t.peers))
_STEPS = SystemQuery(select(t.peer_events.c.peer_id, t.peer_events.c.name))


async def tokens_of(data: Path) -> list[str]:
    """Participants of a new meeting, one for each role of a demo."""
    made = json.loads((await parley("demo", "--data", str(data), "--json")).out)
    return [link["token"] for link in made["links"]]


async def rows(data: Path, query: SystemQuery) -> list[Any]:
    """Read the database of a server that does not run."""
    store = await open_store(Settings(data=data))
    try:
        return list(await store.database.all(query))
    finally:
        await store.database.close()


async def shorten_keep_alive(data: Path, seconds: int) -> None:
    """Give the stored session a keep-alive no meeting could ask for."""
    store = await open_store(Settings(data=data))
    try:
        column = list(t.sessions.c.keys()).index("settings")
        (session,) = await store.database.all(_SESSIONS)
        settings = {**json.loads(session[column]), "session_keep_alive_s": seconds}
        async with store.database.transaction() as change:
            await change.run(_SHORTEN, settings=json.dumps(settings))
    finally:
        await store.database.close()


def column(row: Any, table: Any, name: str) -> Any:
    return row[list(table.c.keys()).index(name)]


async def test_who_comes_back_continues_and_the_rest_left_with_the_server(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with serving(data) as server:
        host_token, other_token, _ = await tokens_of(data)
        host, other = await Peer.join(server.url, host_token), await Peer.join(server.url, other_token)
        session_id = (await host.ask(Room.GET_ROOM)).room.room_uuid
        await server.kill()
        await asyncio.gather(host.gone(), other.gone())
    (session,) = await rows(data, _SESSIONS)
    last_alive = column(session, t.sessions, "updated_at")
    await shorten_keep_alive(data, 8)

    async with serving(data) as server:
        back = await Peer.connect(server.url, host_token, peer_id=host.id)
        # As the official client does once it has noticed that its transports are gone.
        for consuming in (False, True):
            asked = pb.MediaCreateTransportRequest(consuming=consuming).SerializeToString()
            frame = pb.SocketMessage(event=Media.CREATE_TRANSPORT, id=f"t{consuming}", payload=asked)
            await back.send_raw(frame.SerializeToString())
        await back.enter(media=False)
        assert (await back.ask(Room.GET_ROOM)).room.room_uuid == session_id
        await back.close()
        await until(
            lambda: "" if status_beside(data) == "ENDED" else "the session has not ended", deadline_s=40
        )
        await server.stop()

    (session,) = await rows(data, _SESSIONS)
    assert column(session, t.sessions, "end_reason") == "ALL_PARTICIPANTS_LEFT"
    peers = {column(row, t.peers, "id"): row for row in await rows(data, _PEERS)}
    assert set(peers) == {host.id, other.id}
    assert column(peers[host.id], t.peers, "leave_reason") == LeaveReason.LEFT
    assert column(peers[other.id], t.peers, "leave_reason") == LeaveReason.LOST
    assert column(peers[other.id], t.peers, "left_at") == pytest.approx(last_alive, abs=1000)
    steps = [(row[0], row[1]) for row in await rows(data, _STEPS)]
    for peer_id in peers:
        assert steps.count((peer_id, PeerEventName.PEER_LEAVING)) == 1


def status_beside(data: Path) -> str:
    """The state of the only session, read beside the server (SQLite allows several readers)."""
    with contextlib.closing(sqlite3.connect(f"file:{data / 'parley.db'}?mode=ro", uri=True)) as connection:
        return str(connection.execute("SELECT status FROM sessions").fetchone()[0])


@pytest.mark.parametrize("seed", range(ROUNDS))
async def test_acknowledged_messages_survive(tmp_path: Path, seed: int) -> None:
    """A message is acknowledged by being pushed back to its sender."""
    data = tmp_path / "data"
    chance = random.Random(seed)
    async with serving(data) as server:
        token = (await tokens_of(data))[0]
        sender = await Peer.join(server.url, token)
        fatal = chance.randrange(1, MESSAGES)
        for number in range(MESSAGES):
            message = pb.ChatSendChatMessageToRoomRequest(payload=f"message {number}")
            frame = pb.SocketMessage(
                event=Chat.SEND_TO_ROOM, id=f"m{number}", payload=message.SerializeToString()
            )
            await sender.send_raw(frame.SerializeToString())
        acknowledged: list[str] = []
        while len(acknowledged) < fatal:
            acknowledged.append((await sender.next(Chat.SEND_TO_ROOM)).message.payload)
        await server.kill()
        await sender.gone()
        acknowledged += [
            news.message.message.payload for news in sender._news if news.event == Chat.SEND_TO_ROOM
        ]

    async with serving(data) as server:
        reader = await Peer.join(server.url, token)
        kept = [message.payload for message in (await reader.ask(Chat.HISTORY)).messages]
        assert kept[: len(acknowledged)] == acknowledged
        assert len(set(kept)) == len(kept)
        await reader.tell(Chat.SEND_TO_ROOM, pb.ChatSendChatMessageToRoomRequest(payload="and on it goes"))
        offsets = [int(m.channel_index) for m in (await reader.ask(Chat.HISTORY)).messages]
        assert offsets == sorted(set(offsets))
        await reader.close()
        await server.stop()
