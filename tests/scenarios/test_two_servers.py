"""One meeting, two server processes on PostgreSQL and Redis: nobody notices which one they reached."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator

import httpx
import pytest
from cloudflare import Cloudflare, NotFoundError
from websockets.asyncio.client import ClientConnection, connect

from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import Chat, Room
from tests.scenarios.servers import Cluster, Server, cluster, master_key
from tests.services import postgres_server, redis_server
from tests.wire.realtimekit.client.peer import Peer, Refused

WAIT_S = 60.0


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("two")
    with postgres_server() as postgres, redis_server() as redis:
        database = postgres.create_database()
        options = [
            "--database-url", postgres.url(database),
            "--redis-url", redis.url,
            "--secret-key", master_key(),
        ]  # fmt: skip
        with cluster(folder, *options) as made:
            yield made


@pytest.fixture(scope="module")
def pair(shared: Cluster) -> tuple[Server, Server]:
    return shared.start("--no-media"), shared.start("--no-media")


async def test_people_on_two_servers_meet(shared: Cluster, pair: tuple[Server, Server]) -> None:
    demo = shared.demo()
    tokens = [link["token"] for link in demo["links"]]
    host = await Peer.join(pair[0].url, tokens[0])
    guest = await Peer.join(pair[1].url, tokens[1])

    roster = await guest.ask(Room.GET_PEERS)
    assert {peer.display_name for peer in roster.peers} == {"Host", "Participant"}
    await guest.tell(Chat.SEND_TO_ROOM, pb.ChatSendChatMessageToRoomRequest(payload="from the other server"))
    async with asyncio.timeout(WAIT_S):
        while not (history := await host.ask(Chat.HISTORY)).messages:  # noqa: ASYNC110 - on another server
            await asyncio.sleep(0.02)
    assert [message.payload for message in history.messages] == ["from the other server"]
    await guest.close()
    await host.close()


@pytest.fixture
def customers(shared: Cluster, pair: tuple[Server, Server]) -> Iterator[list[Cloudflare]]:
    """The official client, once for each server."""
    with contextlib.ExitStack() as clients:
        yield [
            clients.enter_context(Cloudflare(api_token=shared.token, base_url=f"{server.url}/client/v4"))
            for server in pair
        ]


async def test_a_rest_call_reaches_a_session_on_the_other_server(
    shared: Cluster, pair: tuple[Server, Server], customers: list[Cloudflare]
) -> None:
    demo = shared.demo()
    host = await Peer.join(pair[0].url, demo["links"][0]["token"])
    guest = await Peer.join(pair[1].url, demo["links"][1]["token"])
    for client in customers:
        app_id = client.realtime_kit.apps.get(account_id=shared.account).data[0].id
        polled = client.realtime_kit.active_session.create_poll(
            demo["meeting_id"],
            account_id=shared.account,
            app_id=app_id,
            question=f"Heard through {client.base_url}?",
            options=["yes", "no"],
        )
        assert polled.data.poll.options[0].count == 0
    client.realtime_kit.active_session.kick_all_participants(
        demo["meeting_id"], account_id=shared.account, app_id=app_id
    )
    with pytest.raises(NotFoundError):
        client.realtime_kit.active_session.get_active_session(
            demo["meeting_id"], account_id=shared.account, app_id=app_id
        )
    await host.close()
    await guest.close()


async def test_a_new_title_and_status_reach_a_session_on_the_other_server(
    shared: Cluster, pair: tuple[Server, Server], customers: list[Cloudflare]
) -> None:
    demo = shared.demo()
    host = await Peer.join(pair[0].url, demo["links"][0]["token"])
    client = customers[1]
    app_id = client.realtime_kit.apps.get(account_id=shared.account).data[0].id
    here = {"account_id": shared.account, "app_id": app_id}

    client.realtime_kit.meetings.update_meeting_by_id(
        demo["meeting_id"], **here, title="Renamed elsewhere", status="INACTIVE"
    )

    title, deadline = "", time.monotonic() + WAIT_S
    while title != "Renamed elsewhere" and time.monotonic() < deadline:
        title = (await host.ask(Room.GET_ROOM)).room.title
        await asyncio.sleep(0.02)
    assert title == "Renamed elsewhere"
    session = client.realtime_kit.active_session.get_active_session(demo["meeting_id"], **here)
    assert session.data.meeting_display_name == "Renamed elsewhere"
    for server in pair:
        late = await Peer.connect(server.url, demo["links"][1]["token"])
        with pytest.raises(Refused, match="Meeting is inactive"):
            await late.enter()
        await late.close()
    assert host.is_open
    assert (await host.ask(Room.GET_PEERS)).peers[0].peer_id == host.id
    await host.close()


async def socket_of(server: Server, token: str) -> ClientConnection:
    """A welcomed socket of the Real Time Block."""
    url = f"{server.url.replace('http', 'ws', 1)}/v1/realtime/ws?token={token}"
    socket = await connect(url, proxy=None)
    welcome = json.loads(await asyncio.wait_for(socket.recv(), WAIT_S))
    assert welcome["type"] == "welcome", welcome
    return socket


async def test_a_key_revoked_on_the_command_line_closes_its_sockets_on_both_servers(
    shared: Cluster, pair: tuple[Server, Server]
) -> None:
    keys = shared.run("keys", "create", "--dialect", "block")
    listed = shared.run("keys", "list")
    [key_id] = [one["id"] for one in listed if (one["app_id"], one["kind"]) == (keys["app_id"], "secret_key")]
    headers = {"X-Api-Key": keys["secret_key"]}
    async with httpx.AsyncClient(base_url=pair[0].url, headers=headers) as http:
        made = await http.post("/v1/realtime/tokens", json={"user_id": "ada"})
        assert made.status_code == 201, made.text
        token = made.json()["data"]["attributes"]["token"]
    sockets = [await socket_of(server, token) for server in pair]

    shared.run("keys", "revoke", key_id)

    for socket in sockets:
        await asyncio.wait_for(socket.wait_closed(), WAIT_S)
        assert socket.close_code == 4401
    for server in pair:
        async with httpx.AsyncClient(base_url=server.url, headers=headers) as http:
            assert (await http.post("/v1/realtime/tokens", json={"user_id": "ada"})).status_code == 401
        url = f"{server.url.replace('http', 'ws', 1)}/v1/realtime/ws?token={token}"
        again = await connect(url, proxy=None)
        await asyncio.wait_for(again.wait_closed(), WAIT_S)
        assert again.close_code == 4401


@pytest.mark.faults
async def test_a_meeting_moves_when_its_server_is_killed(
    shared: Cluster, pair: tuple[Server, Server]
) -> None:
    """Its lease ends after 15 s; then the first who connects brings the meeting to the other server."""
    third = shared.start("--no-media")
    demo = shared.demo()
    host = await Peer.join(third.url, demo["links"][0]["token"])
    before = await host.ask(Room.GET_ROOM)
    third.kill()

    back, last = None, ""
    deadline = time.monotonic() + 120
    while back is None and time.monotonic() < deadline:
        try:
            back = await Peer.join(pair[1].url, demo["links"][0]["token"], peer_id=host.id)
        except Exception as failed:
            last = repr(failed)
            await asyncio.sleep(0.5)
    assert back is not None, f"the meeting did not move: {last}"
    room = await back.ask(Room.GET_ROOM)
    assert room.room.room_uuid == before.room.room_uuid
    await back.close()
