"""The way to RTMP servers outside; that one takes a stream is tested in `test_encoder`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from parley.base.errors import Invalid, NotAllowed
from parley.livestreams.pushing import amf, chunks, client
from parley.livestreams.pushing.chunks import ChunkReader, Message
from parley.livestreams.pushing.relay import PushRelay
from parley.livestreams.pushing.target import Target
from parley.media import rtmp
from parley.media.rtmp import RtmpIngest, RtmpOptions
from parley.outgoing.http import OutgoingPolicy
from tests.livestreams.test_ingest import free_port
from tests.waiting import until

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
HANDSHAKE = 1 + 1_536


@pytest.mark.parametrize(
    ("url", "application", "stream", "tc_url", "port"),
    [
        ("rtmp://a.test/live/key", "live", "key", "rtmp://a.test/live", 1935),
        ("rtmps://a.test/app/key?x=1", "app", "key?x=1", "rtmps://a.test/app", 443),
        ("rtmp://a.test:99/app/one/key", "app/one", "key", "rtmp://a.test:99/app/one", 99),
        ("rtmp://[::1]/live/key", "live", "key", "rtmp://[::1]/live", 1935),
    ],
)
def test_urls_are_told_apart(url: str, application: str, stream: str, tc_url: str, port: int):
    target = Target.of(url)
    assert (target.application, target.stream, target.tc_url, target.port) == (
        application,
        stream,
        tc_url,
        port,
    )


@pytest.mark.parametrize(
    "url", ["http://a.test/live/key", "rtmp://a.test/live", "rtmp:///live/key", "rtmp://a:x/b/c"]
)
def test_other_urls_are_refused(url: str):
    with pytest.raises(Invalid):
        Target.of(url)


def test_values_of_commands_come_back():
    values = ["connect", 1, {"app": "live", "deep": {"is": True, "none": None}}, None, -2.5]
    assert amf.decode(amf.encode(*values)) == values


BROKEN = [
    *(b"\x02\x00\x05abc", b"\x03\x00\x01a", b"\x63", b"\x0a\xff\xff\xff\xff"),
    *(b"\x03\x00\x00" * 20, b"\x00\x01"),
]


@pytest.mark.parametrize("data", BROKEN)
def test_broken_values_are_refused(data: bytes):
    with pytest.raises(ValueError, match=r"."):
        amf.decode(data)


@pytest.mark.parametrize("timestamp", [0, 0xFFFFFE, 0xFFFFFF, 0x1234567A])
async def test_messages_come_back_out_of_their_chunks(timestamp: int):
    sent = [
        Message(chunks.SET_CHUNK_SIZE, chunks.OWN_CHUNK.to_bytes(4, "big")),
        Message(chunks.VIDEO, bytes(range(256)) * 40, timestamp, 1),
        Message(chunks.COMMAND, b"x", 0, 0),
    ]
    reader = asyncio.StreamReader()
    for message, stream in zip(sent, (2, 6, 3), strict=True):
        reader.feed_data(chunks.chunks(message, stream))
    found = ChunkReader(reader)
    assert [await found.read(), await found.read()] == sent[1:]


async def refusal(url: str, policy: OutgoingPolicy) -> str:
    """What is told of a server."""
    told: list[str | None] = []
    relay = PushRelay(Target.of(url), policy, told.append)
    await relay.open()
    try:
        host, port = relay.url.removeprefix("tcp://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        await until(lambda: "" if told else "nothing is told")
        writer.close()
        return str(told[0])
    finally:
        await relay.close()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def closing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    writer.close()


def answering(*said: bytes) -> Serve:
    """A server that shakes hands, and says the same whatever it is told."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x03" + bytes(2 * (HANDSHAKE - 1)))
        await reader.readexactly(HANDSHAKE)
        for body in said:
            writer.write(chunks.chunks(Message(chunks.COMMAND, body), 3))
        await reader.read()
        writer.close()

    return serve


unanswering = answering()
WAITED_S = {silent: 0.3, unanswering: 3.0}
"""For answers that never come; the second one shakes hands in that time."""
TAKEN = {"level": "error", "code": "NetStream.Publish.BadName", "description": "secret-key is taken."}
REFUSING: list[tuple[Serve, str]] = [
    (silent, "says nothing"),
    (closing, "refuses the stream: it closed the connection"),
    (web, "does not speak RTMP"),
    (unanswering, "does not answer"),
    (answering(b"\x02\x00\x09short"), "does not speak RTMP"),
    (
        answering(amf.encode("_error", 1, None, {"code": "NetConnection.Connect.Rejected"})),
        "refuses the stream: NetConnection.Connect.Rejected",
    ),
    (
        answering(
            amf.encode("_result", 1, None, None),
            amf.encode("_result", 4, None, 1),
            amf.encode("onStatus", 0, None, TAKEN),
        ),
        "refuses the stream: NetStream.Publish.BadName: … is taken",
    ),
]


@pytest.mark.parametrize(("serve", "reason"), REFUSING)
async def test_a_server_that_takes_no_stream_is_told_with_its_reason(
    serve: Serve, reason: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(client, "STEP_S", WAITED_S.get(serve, 60.0))
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        said = await refusal(f"rtmp://127.0.0.1:{port}/live/secret-key", OutgoingPolicy())
        assert said == f"The RTMP server 127.0.0.1 {reason}."
    finally:
        server.close()


async def test_an_inward_target_is_refused_by_the_policy():
    said = await refusal("rtmp://127.0.0.1:1/live/event", OutgoingPolicy(allow_private=False))
    assert "not allowed" in said


class Nobody:
    """Refuses whatever is pushed."""

    async def admit(self, key: str) -> str:
        raise NotAllowed("This is no stream key.")

    async def goes_on(self, name: str) -> bool:
        return False

    async def ended(self, name: str) -> None:
        return


@pytest.mark.skipif(rtmp.missing(RtmpOptions(Path())) is not None, reason="nginx with RTMP is not installed")
async def test_a_wrong_key_is_told(tmp_path: Path):
    port = free_port()
    ingest = RtmpIngest(RtmpOptions(tmp_path / "there", port=port), Nobody())
    await ingest.open()
    try:
        said = await refusal(f"rtmp://127.0.0.1:{port}/live/wrong", OutgoingPolicy())
        assert said == "The RTMP server 127.0.0.1 refuses the stream: it closed the connection."
    finally:
        await ingest.close()


async def test_a_server_that_is_not_there_is_told():
    said = await refusal(f"rtmp://127.0.0.1:{free_port()}/live/x", OutgoingPolicy())
    assert said == "The RTMP server 127.0.0.1 cannot be reached: Connection refused."


async def test_a_server_without_tls_is_told():
    server = await asyncio.start_server(web, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        said = await refusal(f"rtmps://127.0.0.1:{port}/live/x", OutgoingPolicy())
        assert said == "The RTMP server 127.0.0.1 cannot be reached: it speaks no TLS."
    finally:
        server.close()
