"""Event streams on a real uvicorn: written directly, and through the queue."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest

from parley.stream import http as http_module
from parley.stream.http import HttpProtocol
from parley.stream.hub import Hub
from parley.stream.sse import EventStream, EventStreams, StreamLimits, encode_comment, encode_event
from tests.stream.serving import raw_client, serving
from tests.waiting import until


class Events:
    """An application that answers every request with a stream on topic "t"."""

    def __init__(self, limits: StreamLimits | None = None, *, direct: bool = True) -> None:
        self.hub = Hub()
        self.streams = EventStreams(limits)
        self.running: list[EventStream] = []
        self.lags: list[bool] = []
        self._direct = direct

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        stream = self.streams.stream(self.lags.append)
        stream.send(encode_event("first", id="1"))
        self.hub.join("t", stream)
        self.running.append(stream)
        try:
            await stream.run(scope, receive, send, headers={"X-Thing": "1"}, direct=self._direct)
        finally:
            self.hub.drop(stream)

    @property
    def settings(self) -> dict[str, Any]:
        return {"app": self.app, "http": HttpProtocol}


async def events(answer: aiohttp.ClientResponse, number: int) -> list[str]:
    """The next events, comments left out."""
    found: list[str] = []
    while len(found) < number:
        event = (await asyncio.wait_for(answer.content.readuntil(b"\n\n"), 30)).decode()
        if not event.startswith(":"):
            found.append(event)
    return found


@pytest.fixture(params=[True, False], ids=["direct", "queue"])
def direct(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


async def test_events_reach_the_client_in_order(direct: bool) -> None:
    served_events = Events(direct=direct)
    async with (
        serving({}, **served_events.settings) as served,
        aiohttp.ClientSession() as client,
        client.get(served.url("/", "http")) as answer,
    ):
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-thing"] == "1"
        assert await events(answer, 1) == ["id: 1\ndata: first\n\n"]
        served_events.hub.publish("t", encode_event("one\ntwo", event="news"))
        served_events.hub.publish("t", encode_event("größe"))
        assert await events(answer, 2) == ["event: news\ndata: one\ndata: two\n\n", "data: größe\n\n"]


async def test_client_that_leaves_ends_the_stream(direct: bool) -> None:
    served_events = Events(direct=direct)
    async with serving({}, **served_events.settings) as served, aiohttp.ClientSession() as client:
        async with client.get(served.url("/", "http")) as answer:
            await events(answer, 1)
            assert served_events.streams.counters.open == 1
        await until(lambda: "still open" if served_events.streams.counters.open else "")
        assert not served_events.running[0].is_open
        assert len(served_events.hub) == 0
        assert len(served_events.streams.wheel) == 0


async def test_closed_stream_is_a_complete_answer_and_the_connection_lives_on(direct: bool) -> None:
    served_events = Events(direct=direct)
    connector = aiohttp.TCPConnector(limit=1)
    async with (
        serving({}, **served_events.settings) as served,
        aiohttp.ClientSession(connector=connector) as client,
    ):
        ports = set()
        for n in range(2):
            async with client.get(served.url("/", "http")) as answer:
                assert answer.connection is not None
                assert answer.connection.transport is not None
                ports.add(answer.connection.transport.get_extra_info("sockname"))
                await until(lambda n=n: "" if len(served_events.running) > n else "not running")  # type: ignore[misc]
                served_events.running[n].send(encode_event("last"))
                served_events.running[n].close()
                assert (await answer.text()).endswith("data: last\n\n")
        assert len(ports) == 1


async def test_stopping_server_ends_streams(direct: bool) -> None:
    served_events = Events(direct=direct)
    async with aiohttp.ClientSession() as client:
        async with serving({}, **served_events.settings) as served:
            answer = await client.get(served.url("/", "http"))
            await events(answer, 1)
        assert await answer.text() == ""


async def test_old_http_version_uses_the_queue() -> None:
    served_events = Events()
    async with serving({}, **served_events.settings) as served, raw_client(served, opened=None) as client:
        client.send(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
        await asyncio.wait_for(client.reader.readuntil(b"data: first\n\n"), 30)
        assert served_events.running[0]._connection is None


async def test_idle_stream_is_kept_alive(direct: bool) -> None:
    served_events = Events(StreamLimits(ping_s=0.1), direct=direct)
    async with serving({}, **served_events.settings) as served, raw_client(served, opened=None) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in range(2):
            await asyncio.wait_for(client.reader.readuntil(encode_comment("ping")), 30)


SMALL = {"high_bytes": 32 << 10, "kernel_bytes": 16 << 10}


async def fill(served_events: Events) -> None:
    """Publish until the only reader lags."""
    await until(lambda: "" if served_events.running else "not running")
    stream = served_events.running[0]
    for _ in range(1_000):
        if stream.is_lagging or not stream.is_open:
            return
        stream.send(encode_event("x" * 10_000))
        await asyncio.sleep(0)
    raise AssertionError("never lagged")


async def test_slow_reader_lags_and_catches_up(direct: bool) -> None:
    served_events = Events(StreamLimits(**SMALL), direct=direct)
    async with (
        serving({}, **served_events.settings) as served,
        raw_client(served, opened=None, receive_bytes=4096) as client,
    ):
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await fill(served_events)
        await until(lambda: "" if served_events.lags == [True] else f"told {served_events.lags}")
        while served_events.lags != [True, False]:
            await asyncio.wait_for(client.reader.read(1024), 30)
        assert served_events.running[0].is_open


async def test_reader_that_never_catches_up_is_cut_off(direct: bool) -> None:
    served_events = Events(StreamLimits(**SMALL, lag_s=0.05), direct=direct)
    async with (
        serving({}, **served_events.settings) as served,
        raw_client(served, opened=None, receive_bytes=4096) as client,
    ):
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await fill(served_events)
        await until(lambda: "still open" if served_events.streams.counters.open else "")
        assert served_events.streams.counters.cut_lagging == 1


@pytest.mark.parametrize("name", ["event", "id"])
def test_a_field_cannot_smuggle_another(name: str) -> None:
    with pytest.raises(ValueError, match="not possible"):
        encode_event("x", **{name: "a\ndata: b"})


def test_every_kind_of_line_break_begins_a_data_line() -> None:
    assert b"data: a\ndata: b\ndata: c\ndata: d\n\n" in encode_event("a\r\nb\rc\nd")


# --- the connection below
# -------------------------------------------------------------------------------------


async def test_endless_request_head_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "MAX_HEAD_BYTES", 10_000)
    async with serving({}, http=HttpProtocol) as served, raw_client(served, opened=None) as client:
        client.send(b"GET / HTTP/1.1\r\nX-Filler: " + b"x" * 11_000)
        assert (await client.ended()).startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize("sent", [b"", b"GET / HTT"])
async def test_request_head_that_does_not_come_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(http_module, "HEAD_S", 0.05)
    async with serving({}, http=HttpProtocol) as served, raw_client(served, opened=None) as client:
        client.send(sent)
        assert await client.ended() == b""


async def test_large_bodies_and_second_requests_are_not_taken_for_heads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_module, "MAX_HEAD_BYTES", 1_000)
    async with serving({}, http=HttpProtocol) as served, aiohttp.ClientSession() as client:
        for _ in range(3):
            async with client.post(served.url("/", "http"), data=b"x" * 100_000) as answer:
                assert await answer.text() == "hello"
