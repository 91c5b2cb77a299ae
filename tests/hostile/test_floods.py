"""One connection that sends too much, or reads too little, costs only itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from parley.accounts.scope import Scope
from parley.store.core import Store
from parley.stream.endpoint import Limits
from parley.wire.realtimekit.client import rtk_client_pb2 as pb
from parley.wire.realtimekit.client.events import REQUEST_FAILED, Chat, Room
from parley.wire.realtimekit.client.events import Store as StoreEvent
from tests.waiting import until
from tests.wire.realtimekit.client.house import House, house_on, new_app
from tests.wire.realtimekit.client.peer import Peer, Refused


@pytest_asyncio.fixture
async def house(store: Store, scope: Scope, logged: list[Any]) -> AsyncIterator[House]:
    """With rate limits, and little patience with slow readers."""
    limits = Limits(high_bytes=32 << 10, cut_bytes=256 << 10, lag_s=0.2, kernel_bytes=16 << 10)
    async with house_on(store, await new_app(scope), rate_limits=True, limits=limits) as house:
        yield house


async def test_requests_beyond_the_limit_are_refused_and_others_are_served(house: House) -> None:
    meeting = await house.meeting()
    witness, flooder = await house.guest(meeting), await house.guest(meeting)
    for number in range(400):
        frame = pb.SocketMessage(event=Room.GET_PEERS, id=f"flood-{number}")
        await flooder.send_raw(frame.SerializeToString())
    await until(lambda: "" if len(flooder.unmatched) == 400 else f"{len(flooder.unmatched)} answers")
    refused = [frame for frame in flooder.unmatched if frame.event == REQUEST_FAILED]
    assert 100 < len(refused) < 400
    assert all("Too many requests" in frame.message.error_message for frame in refused)
    await witness.settle()
    assert flooder.is_open


async def test_store_writes_and_broadcasts_have_a_limit_of_their_own(house: House) -> None:
    meeting = await house.meeting()
    peer = await house.guest(meeting)
    request = pb.PluginPluginStoreInsertKeysRequest(
        store_name="s", insert_keys=[pb.PluginStoreKeys(store_key="k", payload=b"1")]
    )
    refused = 0
    for _ in range(40):
        try:
            await peer.ask(StoreEvent.INSERT, request)
        except Refused:
            refused += 1
    assert refused >= 5
    await peer.tell(Chat.SEND_TO_ROOM, pb.ChatSendChatMessageToRoomRequest(payload="chat is not concerned"))


async def test_a_new_connection_brings_no_new_allowance(house: House) -> None:
    """Limits were those of a connection: two tabs wrote twice as much, and a reconnect began anew."""
    meeting = await house.meeting()
    first = await house.guest(meeting)
    message = pb.ChatSendChatMessageToRoomRequest(payload="u", payload_type=1)

    async def sent(peer: Peer) -> int:
        """How many pictures go through before one is refused."""
        for number in range(60):
            try:
                await peer.tell(Chat.SEND_TO_ROOM, message)
            except Refused:
                return number
        return 60

    assert 20 <= await sent(first) < 60
    assert await sent(await house.come(first.token)) < 20
    assert 20 <= await sent(await house.guest(meeting)) < 60


async def test_text_frames_are_limited_too(house: House) -> None:
    """Each ping was answered, however many came."""
    meeting = await house.meeting()
    witness, flooder = await house.guest(meeting), await house.guest(meeting)
    for _ in range(2000):
        await flooder.send_raw("2")
    await witness.settle()
    with pytest.raises(Refused, match="Too many requests"):
        await asyncio.gather(*(flooder.settle() for _ in range(50)))
    assert flooder.texts.count("3") < 1000


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_slow_reader_is_cut_off_and_the_others_get_everything(house: House) -> None:
    meeting = await house.meeting()
    sender, reader = await house.guest(meeting), await house.guest(meeting)
    slow = await house.guest(meeting)
    slow._reader.cancel()
    await asyncio.wait([slow._reader])
    slow.socket.transport.pause_reading()

    sent = 0
    live = house.live(meeting)
    assert live is not None
    # A broadcast of 16 KB in every round; the rate limit is the sender's, so the meeting itself sends here.
    from parley.meetings.live.notices import Broadcast

    def still_there() -> str:
        nonlocal sent
        sent += 1
        live.tell(Broadcast("big", b'"' + b"x" * 16_000 + b'"', sent))
        return "" if any(p.link is None for p in live.joined()) else "the slow reader is still served"

    await until(still_there)
    got = await reader.pushed(Room.BROADCAST)
    assert [push.timestamp for push in got] == list(range(1, sent + 1))
    await sender.settle()
    slow.socket.transport.abort()
