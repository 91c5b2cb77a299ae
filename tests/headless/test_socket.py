"""The envelope protocol, against a small server that speaks it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from parley.headless.bootstrap import meeting_of, origin
from parley.headless.errors import CannotJoin, ConnectionLost, RequestRefused
from parley.headless.socket import ProtocolSocket, is_final_status
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import REQUEST_FAILED, Chat, Media, Room

TOKEN = "e30.eyJtZWV0aW5nSWQiOiAibS0xIn0.s"
Behave = Callable[[web.WebSocketResponse, pb.SocketMessage], Awaitable[None]]


class Connection:
    """A client's socket, and what it was told."""

    def __init__(self, socket: ProtocolSocket, notices: list[tuple[int, bytes]], texts: list[str]) -> None:
        self.socket = socket
        self.notices = notices
        self.texts = texts


@pytest_asyncio.fixture
async def connect() -> AsyncIterator[Callable[[Behave], Awaitable[Connection]]]:
    """Connects to a server that behaves as told."""
    cleanup: list[Callable[[], Awaitable[None]]] = []

    async def connect(behave: Behave) -> Connection:
        texts: list[str] = []

        async def handle(request: web.Request) -> web.WebSocketResponse:
            assert request.query["authToken"] == TOKEN
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            await socket.send_str("2")
            async for frame in socket:
                if frame.type is aiohttp.WSMsgType.TEXT:
                    texts.append(frame.data)
                else:
                    await behave(socket, pb.SocketMessage.FromString(frame.data))
            return socket

        application = web.Application()
        application.router.add_get("/ws", handle)
        server = TestServer(application)
        await server.start_server()
        http = aiohttp.ClientSession()
        notices: list[tuple[int, bytes]] = []
        socket = await ProtocolSocket.connect(
            http,
            URL(str(server.make_url("/"))),
            token=TOKEN,
            meeting_id="m-1",
            peer_id="p-1",
            on_notice=lambda event, payload: notices.append((event, payload)),
        )
        cleanup.extend((socket.close, http.close, server.close))
        return Connection(socket, notices, texts)

    yield connect
    for close in cleanup:
        await close()


async def reply(socket: web.WebSocketResponse, event: int, id_: str, payload: bytes = b"") -> None:
    await socket.send_bytes(pb.SocketMessage(event=event, id=id_, payload=payload).SerializeToString())


async def test_answer_is_matched_by_id_and_the_rest_is_a_notice(connect):
    async def behave(socket: web.WebSocketResponse, request: pb.SocketMessage) -> None:
        await reply(socket, Room.GET_ROOM, "", b"notice")
        answer = pb.RoomRoomInfoResponse(room=pb.RoomRoom(title="Hall"))
        await reply(socket, Room.GET_ROOM, request.id, answer.SerializeToString())

    connection = await connect(behave)
    answer = await connection.socket.request(Room.GET_ROOM, None, pb.RoomRoomInfoResponse)

    assert answer.room.title == "Hall"
    assert connection.notices == [(Room.GET_ROOM, b"notice")]
    assert connection.texts == ["3"]  # the answer to the server's ping


async def test_error_answers_are_raised_with_their_reason(connect):
    async def behave(socket: web.WebSocketResponse, request: pb.SocketMessage) -> None:
        if request.event == Media.CONSUME:
            text = '{"errorCode": "timeout", "errorDescription": "This took too long."}'
            failure, event = pb.EdgeErrorResponse(error_message=text, event_id=request.event), Media.FAILED
        else:
            failure = pb.EdgeErrorResponse(error_message="You may not.", event_id=request.event)
            event = REQUEST_FAILED
        await reply(socket, event, request.id, failure.SerializeToString())

    connection = await connect(behave)

    with pytest.raises(RequestRefused, match="You may not") as plain:
        await connection.socket.request(Chat.HISTORY, None, pb.ChatGetChatMessagesResponse)
    assert plain.value.event == Chat.HISTORY
    with pytest.raises(RequestRefused, match="This took too long") as media:
        await connection.socket.request(Media.CONSUME, None, pb.EdgeConsumePeerResponse)
    assert media.value.reason == "timeout"


async def test_request_ends_with_the_connection(connect):
    async def behave(socket: web.WebSocketResponse, _: pb.SocketMessage) -> None:
        await socket.close(code=1008, message=b"go away")

    connection = await connect(behave)

    with pytest.raises(ConnectionLost, match=r"code 1008.*go away"):
        await connection.socket.request(Room.GET_ROOM, None, pb.RoomRoomInfoResponse)
    with pytest.raises(ConnectionLost):
        await connection.socket.tell(Room.GET_ROOM, None)


@pytest.mark.parametrize(("code", "may_return"), [(1012, True), (1011, True), (4001, False), (1008, False)])
async def test_the_close_code_decides_whether_to_return(connect, code: int, may_return: bool):
    async def behave(socket: web.WebSocketResponse, _: pb.SocketMessage) -> None:
        await socket.close(code=code)

    connection = await connect(behave)
    await connection.socket.tell(Room.GET_ROOM, None)

    loss = await asyncio.wait_for(connection.socket.ended, 40)
    assert loss.may_return is may_return
    assert f"(code {code})" in loss.reason


@pytest.mark.parametrize(
    ("status", "is_final"), [(401, True), (403, True), (404, True), (408, False), (429, False), (503, False)]
)
def test_a_refusal_is_final_and_a_failure_is_not(status: int, is_final: bool):
    assert is_final_status(status) is is_final


async def test_silent_server_is_a_lost_connection(connect):
    async def behave(socket: web.WebSocketResponse, request: pb.SocketMessage) -> None:
        pass

    connection = await connect(behave)

    with pytest.raises(ConnectionLost, match="did not answer"):
        await connection.socket.request(Room.GET_ROOM, None, pb.RoomRoomInfoResponse, timeout=0.02)


async def test_nobody_there_is_said_plainly():
    async with aiohttp.ClientSession() as http:
        with pytest.raises(CannotJoin, match="cannot be opened") as failed:
            await ProtocolSocket.connect(
                http,
                URL("http://127.0.0.1:9"),
                token=TOKEN,
                meeting_id="m-1",
                peer_id="p-1",
                on_notice=lambda *_: None,
            )
    assert not failed.value.is_final
    await asyncio.sleep(0)


def test_meeting_is_read_from_the_token():
    assert meeting_of(TOKEN) == "m-1"


@pytest.mark.parametrize("token", ["", "abc", "a.b.c", "a.e30.c", "a.!!!!.c"])
def test_what_is_no_token_is_refused(token: str):
    with pytest.raises(CannotJoin, match="not a participant token"):
        meeting_of(token)


@pytest.mark.parametrize("address", ["localhost:7800", "ftp://example.org", "http://", ""])
def test_what_is_no_address_is_refused(address: str):
    with pytest.raises(CannotJoin, match="is not an address"):
        origin(address)
