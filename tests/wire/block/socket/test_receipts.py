"""Reading and receiving, as sockets say it."""

from __future__ import annotations

import pytest

from parley.accounts.scope import AppScope
from parley.bus import MemoryBus
from parley.channels.realtime.model import new_publication_id
from parley.store.core import Store
from tests.wire.block.socket.serving import Realtime, Refused, serving_realtime


async def test_everybody_hears_who_has_read_a_message(realtime: Realtime) -> None:
    ada, bob = await realtime.connect("ada"), await realtime.connect("bob")
    for client in (ada, bob):
        await client.ask("subscribe", channel="chat:room")
    sent = await ada.ask("publish", channel="chat:room", data={"text": "hello"})
    read = await bob.ask("read", channel="chat:room", message_id=sent["id"])
    assert (read["message_id"], read["user_id"]) == (sent["id"], "bob")
    for client in (ada, bob):
        frame = await client.until(type="message:read")
        assert frame == {
            "type": "message:read",
            "channel": "chat:room",
            "message_id": sent["id"],
            "user_id": "bob",
            "read_at": read["read_at"],
        }
    assert await bob.ask("read", channel="chat:room", message_id=sent["id"]) == read
    assert not [frame for frame in await ada.nothing_more() if frame["type"] == "message:read"]


async def test_up_to_is_one_frame(realtime: Realtime) -> None:
    ada = await realtime.connect("ada")
    await ada.ask("subscribe", channel="chat:room")
    sent = [await ada.ask("publish", channel="chat:room", data=n) for n in range(3)]
    bob = await realtime.connect("bob")
    await bob.ask("subscribe", channel="chat:room")
    await bob.ask("read", channel="chat:room", message_id=sent[2]["id"], up_to=True)
    assert (await ada.until(type="message:read"))["up_to"] is True
    assert not [frame for frame in await ada.nothing_more() if frame["type"] == "message:read"]
    found = await realtime.block.receipts.status(realtime.scope, "chat:room", sent[0]["id"])
    assert [each.user_id for each in found.read_by] == ["bob"]


async def test_unknown_messages_are_not_found(realtime: Realtime) -> None:
    ada = await realtime.connect("ada")
    await ada.ask("subscribe", channel="chat:room")
    for wrong in ("", "msg_1", new_publication_id(1)):
        with pytest.raises(Refused) as refused:
            await ada.ask("read", channel="chat:room", message_id=wrong)
        assert refused.value.code == "not_found"


async def test_a_delivered_frame_is_noted_without_an_answer(realtime: Realtime) -> None:
    ada, bob = await realtime.connect("ada"), await realtime.connect("bob")
    for client in (ada, bob):
        await client.ask("subscribe", channel="chat:room")
    sent = await ada.ask("publish", channel="chat:room", data={})
    await bob.until(type="message")
    await bob.tell("delivered", channel="chat:room", offset=sent["offset"])
    assert {frame["type"] for frame in await bob.nothing_more()} == {"presence"}
    found = await realtime.block.receipts.status(realtime.scope, "chat:room", sent["id"])
    assert found.delivered_to == ["bob"]


async def test_subscribers_of_another_server_hear_of_it(store: Store, app_scope: AppScope) -> None:
    bus = MemoryBus()
    async with (
        serving_realtime(store, app_scope, bus=bus, node_id="1") as one,
        serving_realtime(store, app_scope, bus=bus, node_id="2") as other,
    ):
        ada, bob = await one.connect("ada"), await other.connect("bob")
        for client in (ada, bob):
            await client.ask("subscribe", channel="chat:room")
        sent = await ada.ask("publish", channel="chat:room", data={})
        await bob.ask("read", channel="chat:room", message_id=sent["id"])
        assert (await ada.until(type="message:read"))["user_id"] == "bob"
    await bus.close()
