"""Fan-out: order, isolation of slow readers, large topics; on real sockets where buffers matter."""

from __future__ import annotations

import asyncio

import pytest
from websockets.asyncio.client import connect

from parley.stream import hub as hub_module
from parley.stream.endpoint import Limits
from parley.stream.frames import encode_binary, encode_text
from parley.stream.hub import Hub
from parley.stream.sockets import Socket, UpgradeRequest
from tests.stream.serving import Recorder, raw_client, serving
from tests.waiting import until


class Reader:
    """A reader that keeps what it got, one entry per write."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.is_open = True
        self.keeps_up = True

    def write_now(self, prepared: bytes) -> bool:
        if not self.is_open:
            return False
        self.writes.append(prepared)
        return self.keeps_up

    @property
    def text(self) -> str:
        return b"".join(self.writes).decode()


async def turns(number: int = 3) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_frames_of_one_turn_arrive_in_one_write() -> None:
    hub, reader = Hub(), Reader()
    hub.join("t", reader)
    hub.publish("t", b"1")
    hub.publish("t", b"2")
    assert reader.writes == []
    await turns()
    hub.publish("t", b"3")
    await turns()
    assert reader.writes == [b"12", b"3"]


async def test_topics_are_separate() -> None:
    hub, here, there = Hub(), Reader(), Reader()
    hub.join("here", here)
    hub.join("there", there)
    hub.publish("here", b"x")
    hub.publish("nowhere", b"y")
    await turns()
    assert (here.text, there.text) == ("x", "")


async def test_joining_twice_delivers_once() -> None:
    hub, reader = Hub(), Reader()
    hub.join("t", reader)
    hub.join("t", reader)
    hub.publish("t", b"x")
    await turns()
    assert reader.text == "x"


async def test_new_member_gets_nothing_published_before_it_joined() -> None:
    hub, old, new = Hub(), Reader(), Reader()
    hub.join("t", old)
    hub.publish("t", b"1")
    hub.join("t", new)
    hub.publish("t", b"2")
    await turns()
    assert (old.text, new.text) == ("12", "2")


async def test_members_who_left_get_nothing_more_and_empty_topics_vanish() -> None:
    hub, left, dropped = Hub(), Reader(), Reader()
    for topic in ("a", "b"):
        hub.join(topic, left)
        hub.join(topic, dropped)
    hub.leave("a", left)
    hub.leave("b", left)
    hub.drop(dropped)
    hub.publish("a", b"x")
    await turns()
    assert (left.text, dropped.text, len(hub)) == ("", "", 0)


async def test_slow_member_is_parked_and_restored_with_its_topics() -> None:
    hub, slow, quick = Hub(), Reader(), Reader()
    for topic in ("a", "b"):
        hub.join(topic, slow)
        hub.join(topic, quick)
    slow.keeps_up = False
    hub.publish("a", b"1")
    await turns()
    hub.publish("a", b"2")
    hub.publish("b", b"3")
    await turns()
    assert (slow.text, quick.text) == ("1", "123")
    assert (hub.count("a"), hub.count("b"), hub.parked_total) == (1, 1, 1)
    slow.keeps_up = True
    assert hub.restore(slow) == ["a", "b"]
    assert hub.restore(slow) == []
    hub.publish("b", b"4")
    await turns()
    assert slow.text == "14"


async def test_parked_member_can_change_its_topics() -> None:
    hub, slow = Hub(), Reader()
    hub.join("a", slow)
    hub.join("b", slow)
    slow.keeps_up = False
    hub.publish("a", b"1")
    await turns()
    hub.leave("a", slow)
    hub.join("c", slow)
    assert hub.count("c") == 0
    slow.keeps_up = True
    assert hub.restore(slow) == ["b", "c"]


async def test_closed_member_that_nobody_dropped_is_forgotten() -> None:
    hub, gone = Hub(), Reader()
    hub.join("a", gone)
    hub.join("b", gone)
    gone.is_open = False
    hub.publish("a", b"1")
    await turns()
    assert (len(hub), hub.parked_total) == (0, 0)


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "LARGE", 10)
    monkeypatch.setattr(hub_module, "SLICE", 5)


@pytest.mark.usefixtures("small_slices")
async def test_large_topic_is_written_in_slices_and_in_order() -> None:
    hub, readers = Hub(), [Reader() for _ in range(23)]
    for reader in readers:
        hub.join("t", reader)
    hub.publish("t", b"1")
    await asyncio.sleep(0)
    assert sum(len(reader.writes) for reader in readers) == 5
    hub.publish("t", b"2")
    await turns(20)
    assert {reader.text for reader in readers} == {"12"}


@pytest.mark.usefixtures("small_slices")
async def test_members_may_come_and_go_during_a_walk() -> None:
    hub, readers, new = Hub(), [Reader() for _ in range(23)], Reader()
    for reader in readers:
        hub.join("t", reader)
    hub.publish("t", b"1")
    await asyncio.sleep(0)
    hub.leave("t", readers[-1])
    hub.drop(readers[-2])
    hub.join("t", readers[-2])
    hub.join("t", new)
    hub.publish("t", b"2")
    await turns(20)
    assert [reader.text for reader in readers[:-2]] == ["12"] * 21
    assert (readers[-1].text, readers[-2].text, new.text) == ("", "2", "2")


@pytest.mark.usefixtures("small_slices")
async def test_publisher_in_a_hurry_is_slowed_and_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "MAX_WAITING_BYTES", 3)
    hub, readers = Hub(), [Reader() for _ in range(23)]
    for reader in readers:
        hub.join("t", reader)
    hub.publish("t", b"0")
    await asyncio.sleep(0)
    for n in range(1, 10):
        hub.publish("t", str(n).encode())
    await turns(20)
    assert {reader.text for reader in readers} == {"0123456789"}


class Member(Recorder):
    """A session on one topic that rejoins when it has caught up."""

    def __init__(self, hub: Hub) -> None:
        super().__init__()
        self.hub = hub
        self.missed: list[str] = []

    def opened(self, socket: Socket) -> None:
        super().opened(socket)
        self.hub.join("t", socket)

    def lagging(self, behind: bool) -> None:
        super().lagging(behind)
        if not behind:
            self.missed += self.hub.restore(self.live)

    def closed(self, code: int, clean: bool) -> None:
        super().closed(code, clean)
        self.hub.drop(self.live)


async def test_slow_socket_does_not_disturb_the_others_and_is_told_its_topics_later() -> None:
    hub, sessions = Hub(), list[Member]()

    async def route(request: UpgradeRequest) -> Member:
        sessions.append(Member(hub))
        return sessions[-1]

    limits = Limits(high_bytes=64 << 10, kernel_bytes=32 << 10)
    async with (
        serving({"/ws": route}, limits=limits) as served,
        raw_client(served, receive_bytes=4096) as slow,
        raw_client(served) as quick,
    ):
        for n in range(50):
            data = n.to_bytes(4, "big") * 5_000
            hub.publish("t", encode_binary(data))
            assert await quick.frame() == (2, data)
        assert sessions[0].lags == [True]
        assert hub.count("t") == 1
        while not sessions[0].missed:
            await slow.frame()
        assert sessions[0].missed == ["t"]
        assert hub.count("t") == 2


async def test_hub_reaches_real_clients() -> None:
    hub = Hub()

    async def route(request: UpgradeRequest) -> Member:
        return Member(hub)

    async with serving({"/ws": route}) as served, connect(served.url()) as one, connect(served.url()) as two:
        hub.publish("t", encode_text(b"hello"))
        hub.publish("t", encode_text(b"again"))
        for client in (one, two):
            assert [await client.recv(), await client.recv()] == ["hello", "again"]
    await until(lambda: "" if len(hub) == 0 else f"{len(hub)} topics left")
