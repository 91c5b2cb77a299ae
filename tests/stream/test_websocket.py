"""Sockets on a real uvicorn, spoken to by real clients and by one that breaks the rules."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus

from parley.stream.endpoint import Limits
from parley.stream.frames import encode_text
from parley.stream.sockets import Acceptance, Rejection, Socket, UpgradeRequest
from tests.stream.serving import (
    Recorder,
    echoing,
    frame,
    head,
    raw_client,
    raw_frame,
    serving,
)
from tests.waiting import until

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536, 300_000])
async def test_messages_of_every_length_form_come_back(size: int) -> None:
    async with serving({"/ws": echoing}) as served, connect(served.url(), max_size=None) as client:
        await client.send("x" * size)
        assert await client.recv() == "x" * size
        await client.send(b"\x00" * size)
        assert await client.recv() == b"\x00" * size


async def test_aiohttp_client_talks_to_us() -> None:
    async with (
        serving({"/ws": echoing}) as served,
        aiohttp.ClientSession() as http,
        http.ws_connect(served.url(scheme="http")) as client,
    ):
        await client.send_str("größer")
        assert await client.receive_str() == "größer"


async def test_plain_requests_still_reach_the_application() -> None:
    async with (
        serving({"/ws": echoing}) as served,
        aiohttp.ClientSession() as http,
        http.get(served.url(scheme="http")) as answer,
    ):
        assert await answer.text() == "hello"


async def test_fragments_become_one_message_with_control_frames_between_them() -> None:
    session = Recorder()
    async with serving({"/ws": session.route}) as served, raw_client(served) as client:
        client.send(frame(TEXT, "grö".encode()[:3], fin=False))
        client.send(frame(PING, b"still there?"))
        client.send(frame(0, "grö".encode()[3:] + "ße".encode()))
        assert await client.frame() == (PONG, b"still there?")
        await until(lambda: "" if session.messages == ["größe"] else f"got {session.messages}")


async def test_messages_sent_in_one_turn_arrive_in_order() -> None:
    def answer(socket: Socket, data: str | bytes) -> None:
        socket.send_text("1")
        socket.write_now(encode_text(b"2"))
        socket.send_frames(encode_text(b"3") + encode_text(b"4"))
        socket.close(4000, "done")

    session = Recorder(answer)
    async with serving({"/ws": session.route}) as served, connect(served.url()) as client:
        await client.send("go")
        assert [await client.recv() for _ in range(4)] == ["1", "2", "3", "4"]
        with pytest.raises(ConnectionClosedError) as closed:
            await client.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4000, "done")
        await until(lambda: "" if session.ends == [(4000, True)] else f"ended {session.ends}")


VIOLATIONS = {
    "unmasked": (raw_frame(0x81, 0x01, b"x"), 1002),
    "reserved bit": (raw_frame(0xC1, 0x80, bytes(4)), 1002),
    "unknown data opcode": (raw_frame(0x83, 0x80, bytes(4)), 1002),
    "unknown control opcode": (raw_frame(0x8B, 0x80, bytes(4)), 1002),
    "fragmented ping": (raw_frame(0x09, 0x80, bytes(4)), 1002),
    "long ping": (raw_frame(0x89, 0xFE, b"\x00\x7e" + bytes(130)), 1002),
    "continuation of nothing": (frame(0, b"x"), 1002),
    "message inside a message": (frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"), 1002),
    "text that is not UTF-8": (frame(TEXT, b"\xff"), 1007),
    "text that ends inside a character": (frame(TEXT, "ö".encode()[:1]), 1007),
    "half a close code": (frame(CLOSE, b"\x03"), 1002),
    "close code that nobody may send": (frame(CLOSE, b"\x03\xed"), 1002),
    "close reason that is not UTF-8": (frame(CLOSE, b"\x03\xe8\xff"), 1007),
    "length over the limit": (raw_frame(0x82, 0xFF, (2001).to_bytes(8, "big")), 1009),
    "length with the top bit": (raw_frame(0x82, 0xFF, (1 << 63).to_bytes(8, "big")), 1002),
    "fragments over the limit": (frame(BINARY, bytes(1500), fin=False) + frame(0, bytes(501)), 1009),
}


@pytest.mark.parametrize("case", VIOLATIONS)
async def test_peer_that_breaks_the_protocol_is_told_why_and_closed(case: str) -> None:
    data, code = VIOLATIONS[case]
    session = Recorder()
    async with serving({"/ws": session.route}, limits=Limits(message_bytes=2000)) as served:
        async with raw_client(served) as client:
            client.send(data + frame(TEXT, b"after"))
            assert await client.close_code() == code
            assert await client.ended() == b""
        await until(lambda: "" if session.ends == [(1006, False)] else f"ended {session.ends}")
        assert session.messages == []
        assert served.counters.violations == 1


async def test_message_of_exactly_the_limit_passes() -> None:
    async with (
        serving({"/ws": echoing}, limits=Limits(message_bytes=1000)) as served,
        connect(served.url()) as client,
    ):
        await client.send(b"x" * 1000)
        assert len(await client.recv()) == 1000


async def test_client_that_closes_gets_its_code_back() -> None:
    session = Recorder()
    async with serving({"/ws": session.route}) as served:
        client = await connect(served.url())
        await client.close(3001, "bye")
        assert client.close_code == 3001
        await until(lambda: "" if session.ends == [(3001, True)] else f"ended {session.ends}")
        assert served.counters.open == 0


async def test_connection_that_breaks_is_reported_as_1006() -> None:
    session = Recorder()
    async with serving({"/ws": session.route}) as served:
        async with raw_client(served) as client:
            client.writer.transport.abort()
        await until(lambda: "" if session.ends == [(1006, False)] else f"ended {session.ends}")


async def test_sending_on_a_closed_socket_does_nothing() -> None:
    session = Recorder()
    async with serving({"/ws": session.route}) as served:
        async with raw_client(served):
            pass
        await until(lambda: "" if session.ends else "still open")
        session.live.send_text("too late")
        session.live.close()
        session.live.abort()
        assert not session.live.is_open
        assert len(session.ends) == 1


async def test_peer_that_does_not_answer_our_close_is_cut_off() -> None:
    session = Recorder()
    async with serving({"/ws": session.route}, limits=Limits(close_s=0.05)) as served:
        async with raw_client(served) as client:
            session.live.close(4001)
            assert await client.close_code() == 4001
            await client.ended()
        await until(lambda: "" if session.ends == [(1006, False)] else f"ended {session.ends}")


async def test_messages_after_our_close_are_not_delivered() -> None:
    session = Recorder()
    async with serving({"/ws": session.route}) as served, raw_client(served) as client:
        session.live.close(4001)
        assert await client.close_code() == 4001
        client.send(frame(TEXT, b"late") + frame(CLOSE, (4001).to_bytes(2, "big")))
        await until(lambda: "" if session.ends == [(4001, True)] else f"ended {session.ends}")
        assert session.messages == []


async def test_session_that_raises_costs_only_its_own_socket(caplog: pytest.LogCaptureFixture) -> None:
    def fail(socket: Socket, data: str | bytes) -> None:
        raise LookupError("a mistake")

    session = Recorder(fail)
    async with (
        serving({"/ws": session.route, "/echo": echoing}) as served,
        connect(served.url()) as broken,
        connect(served.url("/echo")) as other,
    ):
        await broken.send("x")
        with pytest.raises(ConnectionClosed) as closed:
            await broken.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1011
        await other.send("still here")
        assert await other.recv() == "still here"
    assert "a mistake" in caplog.text


# --- opening
# ------------------------------------------------------------------------------------------------------


async def test_route_sees_the_request() -> None:
    seen: list[UpgradeRequest] = []

    async def route(request: UpgradeRequest) -> Recorder:
        seen.append(request)
        return Recorder()

    async with serving({"/a b": route}) as served:
        url = served.url("/a%20b?token=x%2By&empty=&token=second")
        async with connect(url, additional_headers={"X-Thing": "1"}, origin="https://app.test"):  # type: ignore[arg-type]
            pass
    request = seen[0]
    assert request.path == "/a b"
    assert request.query == "token=x%2By&empty=&token=second"
    assert dict(request.params) == {"token": "x+y", "empty": ""}
    assert request.headers["x-thing"] == "1"
    assert request.headers["origin"] == "https://app.test"
    assert request.client is not None
    assert request.client[0] == "127.0.0.1"
    assert not request.secure


async def test_chosen_subprotocol_and_headers_are_announced() -> None:
    async def route(request: UpgradeRequest) -> Acceptance:
        return Acceptance(Recorder(), subprotocol=request.subprotocols[1], headers={"X-Region": "eu"})

    async with serving({"/ws": route}) as served, connect(served.url(), subprotocols=["a", "b"]) as client:  # type: ignore[list-item]
        assert client.subprotocol == "b"
        assert client.response is not None
        assert client.response.headers["X-Region"] == "eu"


async def test_rejection_is_a_plain_answer() -> None:
    async def route(request: UpgradeRequest) -> Rejection:
        return Rejection(401, b'{"error":"token"}', {"content-type": "application/json"})

    async with serving({"/ws": route}) as served:
        with pytest.raises(InvalidStatus) as refused:
            await connect(served.url())
        assert refused.value.response.status_code == 401
        assert refused.value.response.body == b'{"error":"token"}'
        assert served.counters.rejected == 1


async def test_unknown_path_is_not_found() -> None:
    async with serving({"/ws": echoing}) as served, raw_client(served, opened=None) as client:
        assert (await client.ask(head("/elsewhere")))[0] == 404


async def test_route_that_raises_answers_500(caplog: pytest.LogCaptureFixture) -> None:
    async def route(request: UpgradeRequest) -> Recorder:
        raise LookupError("a mistake")

    async with serving({"/ws": route}) as served, raw_client(served, opened=None) as client:
        assert (await client.ask(head()))[0] == 500
    assert "a mistake" in caplog.text


BAD_HEADS = {
    "no key": (head(without="Sec-WebSocket-Key"), 400),
    "short key": (head(Sec_WebSocket_Key="c2hvcnQ="), 400),
    "key that is not base64": (head(Sec_WebSocket_Key="?" * 24), 400),
    "other version": (head(Sec_WebSocket_Version="8"), 426),
    "no host": (head(without="Host"), 400),
    "not a GET": (head(method="POST", Content_Length="0"), 400),
    "too many fields": (head("/ws?" + "a=1&" * 200), 400),
    "large": (head(X_Filler="x" * 20_000), 431),
}


@pytest.mark.parametrize("case", BAD_HEADS)
async def test_invalid_handshake_is_refused(case: str) -> None:
    request, status = BAD_HEADS[case]
    async with serving({"/ws": echoing}) as served, raw_client(served, opened=None) as client:
        answer, headers = await client.ask(request)
        assert answer == status
        if status == 426:
            assert headers["sec-websocket-version"] == "13"
        await client.ended()


async def test_slow_route_is_given_up() -> None:
    cancelled = asyncio.Event()

    async def route(request: UpgradeRequest) -> Recorder:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return Recorder()

    async with serving({"/ws": route}, limits=Limits(handshake_s=0.05)) as served:
        async with raw_client(served, opened=None) as client:
            assert (await client.ask(head()))[0] == 503
        await asyncio.wait_for(cancelled.wait(), 30)


async def test_route_is_cancelled_when_the_client_leaves() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def route(request: UpgradeRequest) -> Recorder:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return Recorder()

    async with serving({"/ws": route}) as served:
        async with raw_client(served, opened=None) as client:
            client.send(head())
            await asyncio.wait_for(started.wait(), 30)
        await asyncio.wait_for(cancelled.wait(), 30)


async def test_data_before_the_answer_is_refused() -> None:
    started = asyncio.Event()

    async def route(request: UpgradeRequest) -> Recorder:
        started.set()
        await asyncio.Event().wait()
        return Recorder()

    async with serving({"/ws": route}) as served, raw_client(served, opened=None) as client:
        client.send(head())
        await asyncio.wait_for(started.wait(), 30)
        client.send(frame(TEXT, b"impatient"))
        assert (await client.ended()).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    ("trusted", "client", "secure"),
    [((), "127.0.0.1", False), (("127.0.0.0/8",), "203.0.113.7", True), (("*",), "198.51.100.1", True)],
)
async def test_forwarded_address_is_believed_from_trusted_proxies_only(
    trusted: tuple[str, ...], client: str, secure: bool
) -> None:
    seen: list[UpgradeRequest] = []

    async def route(request: UpgradeRequest) -> Recorder:
        seen.append(request)
        return Recorder()

    headers = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7, 127.0.0.9", "X-Forwarded-Proto": "https"}
    async with (
        serving({"/ws": route}, trusted_proxies=trusted) as served,
        connect(served.url(), additional_headers=headers),
    ):
        assert seen[0].client is not None
        assert seen[0].client[0] == client
        assert seen[0].secure is secure
