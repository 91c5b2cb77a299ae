"""Sockets that stay: peers that are silent, fall behind, or stay when the server stops."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from parley.stream.endpoint import Limits
from parley.stream.frames import encode_binary, encode_text
from parley.stream.sockets import Acceptance, Heartbeat, Outbound, Route, UpgradeRequest
from tests.recordings.storage.stores import localhost_tls
from tests.stream.serving import (
    Recorder,
    echo,
    frame,
    raw_client,
    serving,
)
from tests.waiting import until

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


async def test_silent_peer_is_cut_off() -> None:
    session = Recorder()
    async with (
        serving({"/ws": session.route}, limits=Limits(ping_s=0.1)) as served,
        raw_client(served) as client,
    ):
        await client.ended()
        await until(lambda: "" if session.ends == [(1006, False)] else f"ended {session.ends}")
        assert served.counters.cut_silent == 1


def accepting(
    session: Recorder, heartbeat: Heartbeat | None = None, outbound: Outbound | None = None
) -> Route:
    async def route(request: UpgradeRequest) -> Acceptance:
        return Acceptance(session, heartbeat=heartbeat, outbound=outbound)

    return route


async def test_a_silent_peer_is_closed_with_the_code_of_its_route() -> None:
    session = Recorder()
    async with (
        serving({"/ws": accepting(session, Heartbeat(0.1, 0.25, 4408, "idle timeout"))}) as served,
        raw_client(served) as client,
    ):
        while (seen := await client.frame()) == (PING, b""):
            pass
        assert seen == (CLOSE, (4408).to_bytes(2, "big") + b"idle timeout")
        client.send(frame(CLOSE, (4408).to_bytes(2, "big")))
        await until(lambda: "" if session.ends == [(4408, True)] else f"ended {session.ends}")
        assert served.counters.cut_silent == 1


async def test_a_peer_that_does_not_answer_the_close_either_is_dropped() -> None:
    session = Recorder()
    async with (
        serving(
            {"/ws": accepting(session, Heartbeat(0.1, 0.2, 4408))}, limits=Limits(close_s=0.05)
        ) as served,
        raw_client(served) as client,
    ):
        await client.ended()
        await until(lambda: "" if session.ends == [(1006, False)] else f"ended {session.ends}")


async def test_answers_to_pings_keep_a_peer_whatever_its_route_says() -> None:
    session = Recorder()
    async with (
        serving({"/ws": accepting(session, Heartbeat(0.1, 10, 4408))}) as served,
        raw_client(served) as client,
    ):
        for _ in range(4):
            assert await client.frame() == (PING, b"")
            client.send(frame(PONG))
        assert session.live.is_open


LAGGING = Limits(high_bytes=64 << 10, kernel_bytes=32 << 10)


async def test_slow_reader_lags_and_catches_up() -> None:
    session = Recorder()
    async with (
        serving({"/ws": session.route}, limits=LAGGING) as served,
        raw_client(served, receive_bytes=4096) as client,
    ):
        while not session.live.is_lagging:
            session.live.send_binary(bytes(60_000))
            await asyncio.sleep(0)
        await until(lambda: "" if session.lags == [True] else f"told {session.lags}")
        while session.live.is_lagging:
            await client.frame()
        await until(lambda: "" if session.lags == [True, False] else f"told {session.lags}")
        assert session.live.is_open
        assert served.counters.lagged == 1


async def test_reader_that_never_catches_up_is_cut_off() -> None:
    session = Recorder()
    limits = Limits(high_bytes=64 << 10, kernel_bytes=32 << 10, lag_s=0.05)
    async with (
        serving({"/ws": session.route}, limits=limits) as served,
        raw_client(served, receive_bytes=4096),
    ):
        while not session.live.is_lagging:
            session.live.send_binary(bytes(60_000))
            await asyncio.sleep(0)
        await until(lambda: "" if session.ends == [(1006, False)] else f"ended {session.ends}")
        assert served.counters.cut_lagging == 1


@pytest.mark.parametrize(
    "outbound", [Outbound(1 << 30, frames=40), Outbound(500_000, frames=1_000)], ids=("frames", "bytes")
)
async def test_a_peer_lags_with_the_first_frame_over_the_limit(outbound: Outbound) -> None:
    session = Recorder()
    one = encode_binary(bytes(20_000))
    async with (
        serving(
            {"/ws": accepting(session, outbound=outbound)}, limits=Limits(kernel_bytes=32 << 10)
        ) as served,
        raw_client(served, receive_bytes=4096) as client,
    ):
        while session.live.write_now(one):  # noqa: ASYNC110 - there is nothing to wait for
            await asyncio.sleep(0)
        unsent = session.live._transport.get_write_buffer_size() + session.live._backlog.waiting_bytes
        if outbound.frames == 40:
            assert -(-unsent // len(one)) == 41
        else:
            assert unsent > outbound.bytes >= unsent - len(one)
        await until(lambda: "" if session.lags == [True] else f"told {session.lags}")
        session.live.close(4503, "slow consumer")
        while (got := await client.frame())[0] != CLOSE:
            assert got == (BINARY, bytes(20_000))  # what was under way comes whole
        assert got[1][:2] == (4503).to_bytes(2)


async def test_a_frame_for_many_slow_readers_is_in_memory_once() -> None:
    sessions: list[Recorder] = []

    async def route(request: UpgradeRequest) -> Recorder:
        sessions.append(Recorder())
        return sessions[-1]

    published = [encode_binary(bytes(20_000)) for _ in range(20)]
    async with (
        serving({"/ws": route}, limits=Limits(kernel_bytes=32 << 10)) as served,
        raw_client(served, receive_bytes=4096),
        raw_client(served, receive_bytes=4096),
    ):
        for data in published:
            assert [session.live.write_now(data) for session in sessions] == [True, True]
        waiting = [session.live._backlog.before_answers() for session in sessions]
        assert all(len(each) > 5 for each in waiting)
        known = {id(data) for data in published}
        assert all(id(data) in known for each in waiting for data in each)


async def test_a_server_that_stops_still_says_what_waits() -> None:
    session = Recorder()
    async with (
        serving({"/ws": session.route}, limits=Limits(kernel_bytes=32 << 10)) as served,
        raw_client(served, receive_bytes=4096) as client,
    ):
        for number in range(20):
            session.live.send_binary(number.to_bytes() * 20_000)
            await asyncio.sleep(0)
        session.live.close(1001)
        assert [(await client.frame())[1][0] for _ in range(20)] == list(range(20))
        assert (await client.frame())[1][:2] == (1001).to_bytes(2)


async def test_a_silent_reader_gets_everything_through_tls_however_slow_it_is(tmp_path: Path) -> None:
    session = Recorder()
    authority, _ = localhost_tls(tmp_path)
    async with (
        serving(
            {"/ws": session.route},
            limits=Limits(kernel_bytes=32 << 10),
            ssl_certfile=str(tmp_path / "chain.pem"),
        ) as served,
        raw_client(served, receive_bytes=4096, tls=ssl.create_default_context(cafile=authority)) as client,
    ):
        for number in range(3):
            session.live.send_text(str(number))
            assert await client.frame() == (TEXT, str(number).encode())
        data = [number.to_bytes() * 20_000 for number in range(40)]
        for each in data:
            assert session.live.write_now(encode_binary(each)) == (not session.live.is_lagging)
        assert [(await client.frame())[1] for _ in data] == data
        await until(lambda: "it still lags" if session.live.is_lagging else "")


async def test_sender_that_ignores_lagging_cannot_fill_memory() -> None:
    session = Recorder()
    limits = Limits(high_bytes=64 << 10, kernel_bytes=32 << 10, cut_bytes=1 << 20)
    async with (
        serving({"/ws": session.route}, limits=limits) as served,
        raw_client(served, receive_bytes=4096),
    ):
        sent = 0
        while session.live.is_open and sent < 100:
            session.live.send_binary(bytes(100_000))
            sent += 1
            await asyncio.sleep(0)
        assert sent < 40
        await until(lambda: "" if session.ends == [(1006, False)] else f"ended {session.ends}")


def texts(count: int, size: int = 30_000) -> Iterator[bytes]:
    """Numbered messages of a long answer."""
    return (f"{number} ".encode().ljust(size, b"x") for number in range(count))


async def test_long_answer_goes_at_the_readers_pace_and_what_is_sent_later_comes_later() -> None:
    session = Recorder()
    async with (
        serving({"/ws": session.route}, limits=LAGGING) as served,
        raw_client(served, receive_bytes=4096) as client,
    ):
        session.live.send_text("before")
        session.live.send_texts(texts(100))  # 3 MB, far more than may be unsent
        session.live.send_texts(texts(100))
        assert session.live.write_now(encode_text("published"))
        session.live.send_text("after")
        seen = [(await client.frame())[1].split(b" ")[0].decode() for _ in range(203)]
        numbers = [str(number) for number in range(100)]
        assert seen == ["before", *numbers, *numbers, "published", "after"]
        session.live.send_text("as usual")
        assert (await client.frame())[1] == b"as usual"
        assert (session.lags, served.counters.lagged) == ([], 0)


async def test_short_answer_is_in_order_too() -> None:
    session = Recorder()
    async with serving({"/ws": session.route}) as served, raw_client(served) as client:
        session.live.send_text("before")
        session.live.send_texts(iter([b"0", b"1"]))
        session.live.send_text("after")
        session.live.send_texts(iter([]))
        assert [(await client.frame())[1] for _ in range(4)] == [b"before", b"0", b"1", b"after"]


async def test_reader_of_a_long_answer_who_reads_nothing_is_cut_off() -> None:
    session = Recorder()
    limits = Limits(high_bytes=64 << 10, kernel_bytes=32 << 10, lag_s=0.05)
    async with (
        serving({"/ws": session.route}, limits=limits) as served,
        raw_client(served, receive_bytes=4096),
    ):
        session.live.send_texts(texts(100))
        await until(lambda: "" if session.ends == [(1006, False)] else f"ended {session.ends}")
        assert served.counters.cut_lagging == 1


async def test_only_so_much_waits_behind_a_long_answer() -> None:
    session = Recorder()
    limits = Limits(high_bytes=1 << 20, kernel_bytes=32 << 10)
    async with (
        serving({"/ws": session.route}, limits=limits) as served,
        raw_client(served, receive_bytes=4096) as client,
    ):
        session.live.send_texts(texts(100))
        published = 0
        while session.live.write_now(encode_text(b"y" * 50_000)):
            published += 1
        assert published == 20
        await until(lambda: "" if session.lags == [True] else f"told {session.lags}")
        session.live.close(4503, "slow consumer")
        seen = []
        while (one := await client.frame())[0] != CLOSE:
            seen.append(int(one[1].split(b" ")[0]))
        assert seen == list(range(len(seen)))  # nothing of what came after the gap
        assert one[1][:2] == (4503).to_bytes(2)


async def test_paused_session_gets_its_messages_later() -> None:
    session = Recorder()
    async with serving({"/ws": session.route}) as served, connect(served.url()) as client:
        session.live.pause_reading()
        for n in range(10):
            await client.send(str(n))
        session.live.resume_reading()
        await until(lambda: "" if len(session.messages) == 10 else f"got {session.messages}")
        assert session.messages == [str(n) for n in range(10)]


# --- stopping
# -------------------------------------------------------------------------------------------------


async def test_stopping_server_sends_clients_elsewhere() -> None:
    session = Recorder(echo)
    async with serving({"/ws": session.route}) as served:
        client = await connect(served.url())
    with pytest.raises(ConnectionClosedError) as closed:
        await client.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
    assert session.ends == [(1012, True)]
    assert len(served.endpoint.wheel(Limits().ping_s)) == 0


async def test_stopping_server_does_not_wait_for_a_dead_peer() -> None:
    session = Recorder()
    async with serving({"/ws": session.route}, limits=Limits(close_s=0.05)) as served:
        opened = raw_client(served)
        await opened.__aenter__()
    assert session.ends == [(1006, False)]
    await opened.__aexit__(None, None, None)
