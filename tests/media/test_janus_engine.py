"""The engine as a whole, its control connection, and what happens when Janus breaks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvloop
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from parley.media.child import Backoff
from parley.media.janus import client as janus_client
from parley.media.janus.client import JanusClient, JanusRefused, Jsep
from parley.media.janus.engine import JanusEngine
from parley.media.janus.process import JanusProcess
from parley.media.pool import MediaPool
from parley.media.ports import MediaError, MediaRoom, MediaUnavailable, Source, TransportGone
from tests.media.conftest import OPTIONS
from tests.waiting import until

pytestmark = pytest.mark.media

QUICK = Backoff(first_s=0.01, longest_s=0.1)


@contextlib.asynccontextmanager
async def running(engine: JanusEngine | None = None) -> AsyncIterator[JanusEngine]:
    engine = engine or JanusEngine(OPTIONS, backoff=QUICK)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()


@contextlib.asynccontextmanager
async def control() -> AsyncIterator[tuple[JanusProcess, JanusClient]]:
    process = await JanusProcess.start(OPTIONS)
    try:
        client = await JanusClient.connect(process.socket_path, process.keys.api)
        try:
            yield process, client
        finally:
            await client.close()
    finally:
        await process.stop()


@contextlib.asynccontextmanager
async def offering() -> AsyncIterator[tuple[RTCPeerConnection, str]]:
    """An aiortc connection and its complete offer of sending audio and video."""
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
    try:
        connection.addTransceiver("audio", "sendonly")
        connection.addTransceiver("video", "sendonly")
        await connection.setLocalDescription(await connection.createOffer())
        yield connection, connection.localDescription.sdp
    finally:
        await connection.close()


async def halt(pid: int) -> None:
    """Stop a program, and wait until each of its threads has stopped, which takes a moment."""
    os.kill(pid, signal.SIGSTOP)

    def running() -> str:
        states = [(each / "stat").read_text().rpartition(")")[2].split()[0] for each in tasks.iterdir()]
        return "" if set(states) == {"T"} else f"threads are {states}"

    tasks = Path(f"/proc/{pid}/task")
    await until(running)


async def connect(room: MediaRoom, closed: list[str], name: str) -> None:
    """Open a send transport whose end is noted in `closed`."""
    async with offering() as (_, offer):
        await room.open_sender(offer, label=name, on_closed=lambda: closed.append(name))


async def test_status_tells_version_and_load():
    async with running() as engine:
        await engine.open_room("one")
        room = await engine.open_room("two")
        async with offering() as (_, offer):
            await room.open_sender(offer, label="alice", on_closed=lambda: None)
            status = engine.status()

    assert (status.running, status.rooms, status.transports) == (True, 2, 1)
    assert status.version is not None
    assert status.version in status.detail
    assert not engine.status().running


async def test_room_of_an_id_is_made_once():
    async with running() as engine:
        first, second = await asyncio.gather(engine.open_room("one"), engine.open_room("one"))

        assert first is second


async def test_closed_room_can_be_made_again():
    async with running() as engine:
        room = await engine.open_room("one")
        await room.close()
        await room.close()

        again = await engine.open_room("one")

        assert again is not room
        with pytest.raises(TransportGone):
            await room.open_sender("v=0", label="alice", on_closed=lambda: None)


async def test_a_transport_that_is_lost_while_it_is_opened_is_an_error_and_nothing_else():
    """Its owner was told of the end of a transport that it had not got yet."""
    ends: list[str] = []
    async with running() as engine, offering() as (_, offer):
        room = await engine.open_room("one")
        assert engine.pid is not None
        await halt(engine.pid)
        opening = asyncio.create_task(
            room.open_sender(offer, label="alice", on_closed=lambda: ends.append("alice"))
        )
        await until(lambda: "" if engine.status().transports else "not begun")
        os.kill(engine.pid, signal.SIGKILL)

        with pytest.raises(MediaError):
            await opening
        assert ends == []


async def test_engine_that_is_not_running_is_unavailable():
    with pytest.raises(MediaUnavailable):
        await JanusEngine(OPTIONS).open_room("one")


async def test_aiortc_connects():
    async with running() as engine, offering() as (connection, offer):
        room = await engine.open_room("one")
        _, answer = await room.open_sender(offer, label="bot", on_closed=lambda: None)
        await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

        await until(lambda: "" if connection.connectionState == "connected" else connection.connectionState)


@pytest.mark.faults
async def test_killed_janus_ends_everything_and_comes_back():
    closed: list[str] = []
    lost: list[str] = []
    async with running() as engine:
        engine.on_lost(lambda: lost.append(",".join(closed)))
        room = await engine.open_room("one")
        await connect(room, closed, "alice")
        await connect(await engine.open_room("two"), closed, "bob")
        assert engine.pid is not None

        os.kill(engine.pid, signal.SIGKILL)
        await until(lambda: "" if lost else "the loss was not told")

        assert sorted(closed) == ["alice", "bob"]
        assert sorted(lost[0].split(",")) == ["alice", "bob"], (
            "transports are told before the engine's listeners"
        )
        with pytest.raises(TransportGone):
            await connect(room, closed, "carol")
        await until(lambda: "" if engine.status().running else engine.status().detail)
        again = await engine.open_room("one")
        await connect(again, closed, "dave")
        assert len(lost) == 1


@pytest.mark.faults
async def test_hung_janus_is_replaced(monkeypatch):
    """It keeps its socket open and says nothing; only the missing keepalive answer shows it."""
    monkeypatch.setattr(janus_client, "KEEPALIVE_S", 0.1)
    monkeypatch.setattr(janus_client, "KEEPALIVE_TIMEOUT_S", 0.3)
    lost: list[bool] = []
    async with running() as engine:
        engine.on_lost(lambda: lost.append(True))
        hung = engine.pid
        assert hung is not None

        os.kill(hung, signal.SIGSTOP)
        await until(lambda: "" if lost and engine.status().running else engine.status().detail)

        assert engine.pid != hung


@pytest.mark.faults
async def test_requests_fail_at_once_when_janus_dies():
    async with control() as (process, client):
        await halt(process.child.pid)
        waiting = [asyncio.create_task(client.request("keepalive")) for _ in range(5)]
        await asyncio.sleep(0)

        os.kill(process.child.pid, signal.SIGKILL)
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)

        assert [type(outcome) for outcome in outcomes] == [TransportGone] * 5
        assert client.is_lost
        with pytest.raises(TransportGone):
            await client.attach("late", lambda message: None)


@pytest.mark.faults
async def test_silent_janus_makes_a_request_fail_in_time():
    async with control() as (process, client):
        await halt(process.child.pid)
        try:
            with pytest.raises(MediaError, match="did not answer"):
                await client.request("keepalive", timeout_s=0.05)
        finally:
            os.kill(process.child.pid, signal.SIGCONT)

        assert (await client.request("keepalive"))["janus"] == "ack"


@pytest.mark.faults
async def test_handle_of_a_caller_who_stopped_waiting_is_detached():
    async with control() as (process, client):
        detached: list[int] = []
        client_request = client.request

        async def watch(verb, fields=None, **options):
            answer = await client_request(verb, fields, **options)
            if verb == "detach":
                detached.append(fields["handle_id"])
            return answer

        client.request = watch
        await halt(process.child.pid)
        attach = asyncio.create_task(client.attach("impatient", lambda message: None))
        await asyncio.wait({attach}, timeout=0.05)
        attach.cancel()
        os.kill(process.child.pid, signal.SIGCONT)

        await until(lambda: "" if detached else "the handle was kept")


async def test_request_larger_than_a_datagram_arrives():
    """The offer of a receiver of ten people is over the 8 KiB that Janus's unix datagrams hold."""
    async with control() as (_, client):
        handle = await client.attach("large", lambda message: None)

        with pytest.raises(JanusRefused) as refused:
            await handle.request({"request": "nonsense", "padding": "x" * 200_000})

        assert refused.value.error_code == 423  # VideoRoom: unknown request; so it was read


async def test_wrong_secret_is_refused():
    async with control() as (process, _):
        with pytest.raises(MediaUnavailable, match="403"):
            await JanusClient.connect(process.socket_path, "guessed")


async def test_nobody_at_the_socket_is_unavailable(tmp_path):
    with pytest.raises(MediaUnavailable):
        await JanusClient.connect(tmp_path / "nothing", "secret")


async def test_detached_handle_is_gone():
    async with control() as (_, client):
        handle = await client.attach("short", lambda message: None)
        await handle.detach()
        await handle.detach()

        with pytest.raises(MediaError):
            await handle.request({"request": "list"}, Jsep("offer", "v=0"))


def test_engine_works_under_uvloop():
    async def scenario() -> None:
        closed: list[str] = []
        async with running() as engine:
            await connect(await engine.open_room("one"), closed, "alice")
            assert engine.pid is not None
            os.kill(engine.pid, signal.SIGKILL)
            await until(lambda: "" if closed and engine.status().running else "not back")

    uvloop.run(scenario())


async def test_rooms_spread_over_a_pool_and_keep_their_place():
    pool = MediaPool({"a": JanusEngine(OPTIONS), "b": JanusEngine(OPTIONS)})
    await pool.start()
    try:
        rooms = await asyncio.gather(*(pool.open_room(name) for name in "1234"))

        assert sorted(filter(None, map(pool.node_of, "1234"))) == ["a", "a", "b", "b"]
        assert await pool.open_room("1") is rooms[0]
        await pool.close_room("1")
        assert pool.node_of("1") is None
    finally:
        await pool.stop()


async def test_room_goes_to_the_node_with_fewer_transports():
    pool = MediaPool({"a": JanusEngine(OPTIONS), "b": JanusEngine(OPTIONS)})
    await pool.start()
    try:
        busy = await pool.open_room("busy")
        async with offering() as (_, offer):
            await busy.open_sender(offer, label="alice", on_closed=lambda: None)
            for name in "123":
                await pool.open_room(name)
        assert {pool.node_of(name) for name in "123"} == {"b"}
    finally:
        await pool.stop()


@pytest.mark.faults
async def test_rooms_of_a_lost_node_are_told_and_placed_anew():
    engines = {"a": JanusEngine(OPTIONS, backoff=Backoff(first_s=60)), "b": JanusEngine(OPTIONS)}
    pool = MediaPool(engines)
    lost: list[tuple[str, frozenset[str]]] = []
    pool.on_lost(lambda node_id, rooms: lost.append((node_id, rooms)))
    await pool.start()
    try:
        for name in "12":
            await pool.open_room(name)
        on_a = next(name for name in "12" if pool.node_of(name) == "a")
        pid = engines["a"].pid
        assert pid is not None

        os.kill(pid, signal.SIGKILL)
        await until(lambda: "" if lost else "not told")

        assert lost == [("a", frozenset({on_a}))]
        await pool.open_room(on_a)
        assert pool.node_of(on_a) == "b"
    finally:
        await pool.stop()


async def test_pool_without_engines_is_unavailable():
    with pytest.raises(MediaUnavailable):
        await MediaPool({}).start()


async def test_room_is_not_subscribed_to_before_its_publisher_is_connected():
    """Janus refuses that; the subscription waits a moment and then says that the source is missing."""
    async with running() as engine, offering() as (_, sending), offering() as (_, receiving):
        room = await engine.open_room("one")
        sender, _ = await room.open_sender(sending, label="alice", on_closed=lambda: None)
        receiver, _ = await room.open_receiver(receiving, label="bob", on_closed=lambda: None)
        source = Source(sender.id, "0")

        waiting = asyncio.create_task(receiver.subscribe([source]))
        await asyncio.wait({waiting}, timeout=0.1)
        assert not waiting.done()
        await sender.close()

        assert (await waiting).missing == [source]
