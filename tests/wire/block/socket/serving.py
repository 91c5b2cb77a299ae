"""The sockets of the Real Time Block on a real uvicorn, and clients that speak its frames."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from parley.accounts.keys import NewKeys, create_keys
from parley.accounts.model import Environment
from parley.accounts.scope import AppScope
from parley.base.signing import SignedLinks
from parley.bus import Bus, MemoryBus
from parley.channels.realtime.grants import Grant
from parley.channels.realtime.tokens import ConnectionTokens
from parley.media.pool import MediaPool
from parley.outgoing.http import OutgoingPolicy
from parley.recordings.service import Recordings as Films
from parley.server.block import RealTimeBlock
from parley.server.text_engines import ConfiguredEngines
from parley.store.core import Store
from parley.stream.endpoint import Limits
from tests.stream.serving import Served, serving

WAIT_S = 30.0


class NoHttp:
    """Nothing of these tests asks anybody outside."""

    async def request(self, method: str, url: str, **_: Any) -> Any:
        raise AssertionError(f"{method} {url} was asked for")


class Refused(Exception):
    """An `error` frame."""

    def __init__(self, frame: dict[str, Any]) -> None:
        super().__init__(str(frame))
        self.frame = frame
        self.code: str = frame["error"]["code"]


class Client:
    """One connection: answers by id, everything else in the order it came."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.frames: list[dict[str, Any]] = []
        """Everything but acks."""
        self.all: list[dict[str, Any]] = []
        self.welcome: dict[str, Any] = {}
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._numbers = itertools.count(1)
        self._news = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for text in self.socket:
                frame = json.loads(text)
                self.all.append(frame)
                answer = (
                    self._answers.pop(frame.get("id"), None) if frame["type"] in ("ack", "error") else None
                )
                if answer is None:
                    self.frames.append(frame)
                elif frame["type"] == "ack":
                    answer.set_result(frame["result"])
                else:
                    answer.set_exception(Refused(frame))
                self._news.set()
        self._news.set()
        for answer in self._answers.values():
            answer.cancel()

    async def tell(self, type_: str, **members: Any) -> None:
        """A frame without an id."""
        await self.socket.send(json.dumps({"type": type_, **members}))

    async def raw(self, text: str | bytes) -> None:
        """Anything."""
        await self.socket.send(text)

    def asking(self, type_: str, **members: Any) -> tuple[str, asyncio.Future[Any]]:
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        return json.dumps({"type": type_, "id": number, **members}), answer

    async def ask(self, type_: str, **members: Any) -> Any:
        """A frame and its ack's result; raises `Refused`."""
        text, answer = self.asking(type_, **members)
        await self.socket.send(text)
        async with asyncio.timeout(WAIT_S):
            return await answer

    async def until(self, **members: Any) -> dict[str, Any]:
        """The first frame with these members that has not been taken; it is taken now."""
        async with asyncio.timeout(WAIT_S):
            while True:
                for frame in self.frames:
                    if all(frame.get(name) == value for name, value in members.items()):
                        self.frames.remove(frame)
                        return frame
                self._news.clear()
                await self._news.wait()

    async def nothing_more(self) -> list[dict[str, Any]]:
        """What is left, once the server has answered another ping."""
        await self.tell("ping", ts="end")
        await self.until(type="pong", ts="end")
        return self.frames

    async def close_code(self) -> int | None:
        """How the server closed it."""
        async with asyncio.timeout(WAIT_S):
            await self.socket.wait_closed()
        await self._reader
        return self.socket.close_code

    async def cut(self) -> None:
        """Lose the connection without a goodbye."""
        self.socket.transport.abort()
        await self._reader

    async def close(self) -> None:
        """Goodbye."""
        await self.socket.close()
        await self._reader


class Realtime:
    """The served sockets, and an app whose users connect."""

    def __init__(self, block: RealTimeBlock, served: Served, scope: AppScope, keys: NewKeys) -> None:
        self.block = block
        self.served = served
        self.scope = scope
        self.keys = keys
        self.clients: list[Client] = []

    def token(self, user_id: str, *patterns: str, ttl_s: int = 3600, name: str | None = None) -> str:
        """A connection token; without patterns with the default grants."""
        grants = [Grant(pattern) for pattern in patterns or ("public:*", "chat:*", "presence:*", "private:*")]
        token, _ = self.block.sockets.tokens.issue(
            self.scope.app_id,
            "live",
            user_id,
            grants,
            ttl=timedelta(seconds=ttl_s),
            info={"name": name} if name else None,
        )
        return token

    async def open(self, query: str = "", headers: dict[str, str] | None = None) -> Client:
        """A connection that has said nothing yet."""
        socket = await connect(
            self.served.url(f"/v1/realtime/ws{query}"),
            max_size=1 << 24,
            ping_interval=None,
            proxy=None,
            additional_headers=headers,
        )
        client = Client(socket)
        self.clients.append(client)
        return client

    async def connect(
        self, user_id: str, *patterns: str, resume: dict[str, Any] | None = None, **more: Any
    ) -> Client:
        """A connection that has been welcomed."""
        client = await self.open()
        members = {"resume": resume} if resume else {}
        await client.tell("connect", token=self.token(user_id, *patterns, **more), **members)
        client.welcome = await client.until(type="welcome")
        return client

    @staticmethod
    def resume_of(client: Client, **places: dict[str, Any]) -> dict[str, Any]:
        """What a client remembers."""
        return {
            "session_id": client.welcome["session_id"],
            "resume_token": client.welcome["resume_token"],
            "channels": places,
        }


@contextlib.asynccontextmanager
async def serving_realtime(
    store: Store,
    scope: AppScope,
    *,
    bus: Bus | None = None,
    node_id: str = "node",
    limits: Limits | None = None,
    pool: MediaPool | None = None,
    keys: NewKeys | None = None,
    idle_s: float = 75.0,
    films: Films | None = None,
) -> AsyncIterator[Realtime]:
    """One server process; with a bus, one of several, which share the keys of the first."""
    keys = keys or await create_keys(scope, scope.app_id, Environment.LIVE)
    tokens = await ConnectionTokens.of_store(store)
    block = RealTimeBlock(
        store,
        bus or MemoryBus(),
        NoHttp(),
        node_id,
        tokens,
        public_url="https://parley.example",
        links=SignedLinks(bytes(32)),
        webhook_policy=OutgoingPolicy(allow_private=False),
        engines=ConfiguredEngines(NoHttp()),  # type: ignore[arg-type]
        is_alone=bus is None,  # type: ignore[arg-type]
        pool=pool,
        idle_s=idle_s,
        films=films,
    )
    async with contextlib.AsyncExitStack() as stack:
        await block.start(stack)
        served = await stack.enter_async_context(serving(block.socket_routes(), limits=limits))
        realtime = Realtime(block, served, scope, keys)
        try:
            yield realtime
        finally:
            for client in realtime.clients:
                await client.close()


async def until_turned(holds: Callable[[], bool]) -> None:
    """Wait until the server has noticed something."""
    async with asyncio.timeout(WAIT_S):
        while not holds():  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.005)


def pass_time(realtime: Realtime) -> None:
    """Let the members' time catch up with the clock; after a jump it takes a second turn."""
    for _ in range(2):
        realtime.block.presence.turn()
