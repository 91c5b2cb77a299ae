"""The client against a server that says what the test wants: gaps, silence, drains."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

from parley_realtime import Client, Item, Message, Options, Reload
from websockets.asyncio.server import ServerConnection, serve

from tests.clients.python.conftest import QUICK
from tests.clients.python.test_realtime import heard, take
from tests.waiting import until

SILENT = replace(QUICK, report_delivered=False)
Answer = Callable[["Scripted", dict[str, Any]], Awaitable[None]]


class Scripted:
    """One connection of the scripted server."""

    def __init__(self, socket: ServerConnection, number: int) -> None:
        self.socket = socket
        self.number = number
        """From 1."""

    async def say(self, **frame: Any) -> None:
        await self.socket.send(json.dumps(frame))

    async def welcome(self) -> None:
        await self.say(
            type="welcome",
            v=1,
            socket_id=f"socket_{self.number}",
            session_id=f"s_{self.number}",
            resume_token="rt",
            user_id="ann",
            app_id="app",
            environment="production",
            resumed=False,
        )

    async def subscribed(self, frame: dict[str, Any], offset: int, **more: Any) -> None:
        result = {"channel": frame["channel"], "epoch": "e", "offset": offset, "recovered": None, **more}
        await self.say(type="ack", id=frame["id"], result=result)

    async def message(self, offset: int, **more: Any) -> None:
        frame = {
            "type": "message",
            "channel": "chat:a",
            "id": f"msg_{offset}",
            "event": "message",
            "user_id": "bob",
            "data": offset,
            "created_at": "2026-01-01T00:00:00.000Z",
            "offset": offset,
            "epoch": "e",
            **more,
        }
        await self.say(**frame)


@contextlib.asynccontextmanager
async def scripted(answer: Answer, options: Options = SILENT) -> AsyncIterator[Client]:
    """A client of a server that answers everything but `connect` by the function."""
    count = 0

    async def accept(socket: ServerConnection) -> None:
        nonlocal count
        count += 1
        connection = Scripted(socket, count)
        async for text in socket:
            frame = json.loads(text)
            if frame["type"] == "connect":
                await connection.welcome()
            elif frame["type"] == "disconnect":
                await socket.close()
            else:
                await answer(connection, frame)

    async with serve(accept, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with Client(f"http://127.0.0.1:{port}", options=options) as client:
            await client.realtime.connect("token")
            yield client


def places(items: list[Item]) -> list[int]:
    return [item.offset for item in items]


async def test_a_gap_is_noticed_and_asked_for() -> None:
    asked = []

    async def answer(server: Scripted, frame: dict[str, Any]) -> None:
        asked.append(frame.get("since"))
        if frame.get("since") is None:
            await server.subscribed(frame, 3)
            for offset in (4, 7, 8):
                await server.message(offset)
        else:
            await server.subscribed(frame, 8, recovered=True)
            for offset in range(5, 9):
                await server.message(offset, replayed=True)

    async with scripted(answer) as client:
        channel = client.realtime.channel("chat:a")
        stream = channel.listen()
        await client.realtime.subscribe("chat:a")
        assert places(await take(stream, 5)) == [4, 5, 6, 7, 8]
    assert asked == [None, {"epoch": "e", "offset": 4}]


async def test_a_gap_that_cannot_be_closed_is_told() -> None:
    async def answer(server: Scripted, frame: dict[str, Any]) -> None:
        if frame.get("since") is None:
            await server.subscribed(frame, 3)
            await server.message(9)
        else:
            await server.subscribed(frame, 9, recovered=False, reason="too_many")
            await server.message(10)

    async with scripted(answer) as client:
        channel = client.realtime.channel("chat:a")
        stream = channel.listen()
        await client.realtime.subscribe("chat:a")
        reload, message = await take(stream, 2)
    assert reload == Reload("chat:a", "too_many", "e", 9)
    assert isinstance(message, Message)
    assert message.offset == 10


async def test_a_new_epoch_is_told() -> None:
    async def answer(server: Scripted, frame: dict[str, Any]) -> None:
        if frame.get("since") is None:
            await server.subscribed(frame, 3)
            await server.message(1, epoch="f")
        else:
            await server.subscribed(frame, 1, epoch="f", recovered=False, reason="epoch_changed")
            await server.message(2, epoch="f")

    async with scripted(answer) as client:
        channel = client.realtime.channel("chat:a")
        stream = channel.listen()
        await client.realtime.subscribe("chat:a")
        reload, message = await take(stream, 2)
    assert reload == Reload("chat:a", "epoch_changed", "f", 1)
    assert (message.epoch, message.offset) == ("f", 2)


async def test_what_comes_twice_is_dropped() -> None:
    async def answer(server: Scripted, frame: dict[str, Any]) -> None:
        await server.subscribed(frame, 3)
        for offset in (2, 3, 4, 4, 3, 5):
            await server.message(offset)

    async with scripted(answer) as client:
        channel = client.realtime.channel("chat:a")
        stream = channel.listen()
        await client.realtime.subscribe("chat:a")
        assert places(await take(stream, 2)) == [4, 5]


async def test_a_place_of_ones_own_is_waited_for() -> None:
    asked = []

    async def answer(server: Scripted, frame: dict[str, Any]) -> None:
        asked.append(frame["type"])
        if frame["type"] == "subscribe":
            await server.subscribed(frame, 3)
        else:  # the news of others comes before the answer
            await server.message(5)
            await server.message(6)
            result = {"id": "msg_4", "channel": "chat:a", "offset": 4, "epoch": "e"}
            result["created_at"] = "2026-01-01T00:00:00.000Z"
            await server.say(type="ack", id=frame["id"], result=result)

    async with scripted(answer) as client:
        channel = await client.realtime.subscribe("chat:a")
        stream = channel.listen()
        assert (await channel.send("mine", echo=False)).offset == 4
        assert places(await take(stream, 2)) == [5, 6]
    assert asked == ["subscribe", "publish"]


async def test_a_slow_handler_lets_the_server_wait_and_loses_nothing() -> None:
    total = 200

    async def answer(server: Scripted, frame: dict[str, Any]) -> None:
        since = frame.get("since")
        await server.subscribed(frame, 0 if since is None else total, recovered=since and True)
        for offset in range(1 if since is None else since["offset"] + 1, total + 1):
            await server.message(offset)

    async with scripted(answer, replace(SILENT, buffer_limit=20)) as client:
        channel = client.realtime.channel("chat:a")
        found: list[int] = []

        async def slow(message: Message) -> None:
            await asyncio.sleep(0)
            found.append(message.offset)

        channel.on("message", slow)
        async with heard(channel, "reload") as reloads:
            await client.realtime.subscribe("chat:a")
            await until(lambda: "" if len(found) >= total else f"only {len(found)}")
    assert found == list(range(1, total + 1))
    assert reloads == []


async def test_a_subscription_outlives_a_passing_failure_of_the_server() -> None:
    async def answer(server: Scripted, frame: dict[str, Any]) -> None:
        if frame.get("since") is None:
            await server.subscribed(frame, 3)
            await server.socket.close(4503)
        elif server.number == 2:
            server.number = 3  # once
            error = {"status": "503", "code": "service_unavailable", "title": "x", "detail": "later"}
            await server.say(type="error", id=frame["id"], channel="chat:a", error=error, retry_after=0.05)
        else:
            await server.subscribed(frame, 4, recovered=True)
            await server.message(4, replayed=True)

    async with scripted(answer) as client:
        channel = client.realtime.channel("chat:a")
        stream = channel.listen()
        await client.realtime.subscribe("chat:a")
        assert places(await take(stream, 1)) == [4]


async def test_a_server_that_says_nothing_more_is_left() -> None:
    async def answer(server: Scripted, frame: dict[str, Any]) -> None:
        if server.number > 1 and frame["type"] == "ping":
            await server.say(type="pong", server_time="2026-01-01T00:00:00.000Z")

    options = replace(SILENT, heartbeat_interval_s=0.05, heartbeat_timeout_s=0.1)
    async with scripted(answer, options) as client:
        async with heard(client.realtime, "connected", "disconnected") as found:
            await until(lambda: "" if len(found) >= 2 else f"only {found}")
        assert [event for event, _ in found[:2]] == ["disconnected", "connected"]


async def test_a_frame_that_nobody_understands_ends_nothing() -> None:
    async def answer(server: Scripted, frame: dict[str, Any]) -> None:
        await server.subscribed(frame, 3)
        await server.say(type="message", channel="chat:a")
        await server.say(type="of.the.future", channel="chat:a")
        await server.message(4)

    async with scripted(answer) as client:
        channel = client.realtime.channel("chat:a")
        stream = channel.listen()
        await client.realtime.subscribe("chat:a")
        assert places(await take(stream, 1)) == [4]
