"""A customer of the Real Time Block: an app on a real `parley serve`, its keys, its users, their sockets."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt
from websockets.asyncio.client import connect

from parley.accounts import service as accounts
from parley.accounts.keys import NewKeys, create_keys
from parley.accounts.model import Environment
from parley.base.ids import OrganizationId, new_uuid
from parley.base.settings import Settings
from parley.server.app import open_store
from tests.scenarios.servers import Cluster, Server, cluster
from tests.waiting import until
from tests.wire.block.serving import Person
from tests.wire.block.socket.serving import Client

WAIT_S = 120.0
"""For an answer of a busy machine; only what has failed waits so long."""


@dataclass
class App:
    """An app, as its own server sees it."""

    keys: NewKeys
    server: Server
    people: dict[str, Person] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        return self.server.url

    def person(self, name: str) -> Person:
        """Somebody of that name, with a user token."""
        if name not in self.people:
            id_ = new_uuid()
            claims = {"sub": id_, "name": name, "exp": int(time.time()) + 3600}
            self.people[name] = Person(id_, jwt.encode(claims, self.keys.secret, "HS256"))
        return self.people[name]

    async def raw(self, who: str | None, method: str, path: str, body: Any = None) -> httpx.Response:
        """A request of a person, or of the app's own server (None)."""
        headers = {"X-Api-Key": self.keys.secret}
        if who is not None:
            headers = {
                "X-Api-Key": self.keys.publishable,
                "Authorization": f"Bearer {self.person(who).token}",
            }
        async with httpx.AsyncClient(base_url=self.origin, timeout=WAIT_S) as http:
            return await http.request(method, path, headers=headers, json=body)

    async def ask(
        self, who: str | None, method: str, path: str, body: Any = None, *, status: int = 200
    ) -> Any:
        """A request that must have this status; the decoded answer."""
        found = await self.raw(who, method, path, body)
        assert found.status_code == status, f"{found.status_code} {found.text}"
        return found.json() if found.content else None

    async def settle(self, **settings: Any) -> None:
        """Change settings of the app."""
        await self.ask(None, "PUT", "/v1/realtime/settings", settings)

    async def talk(self, *names: str, said: str) -> str:
        """A new conversation in which the first of them has said something; its id."""
        ids = [self.person(name).id for name in names]
        for name in names:  # a token makes its user known
            await self.ask(name, "GET", f"/users/{self.person(name).id}")
        made = await self.ask(names[0], "POST", "/conversations", {"participants": ids}, status=201)
        context: str = made["data"]["id"]
        await self.say(names[0], context, said)
        return context

    async def say(self, who: str, context: str, content: str) -> str:
        """A message; its id."""
        body = {"message": {"context_id": context, "content": content}}
        made = await self.ask(who, "POST", "/messages", body, status=201)
        id_: str = made["data"]["id"]
        return id_

    @contextlib.asynccontextmanager
    async def socket(self, who: str) -> AsyncIterator[Client]:
        """A person's socket, welcomed."""
        made = await self.ask(who, "POST", "/v1/realtime/tokens", {}, status=201)
        address = self.origin.replace("http", "ws", 1) + "/v1/realtime/ws"
        async with connect(address, ping_interval=None, proxy=None, open_timeout=WAIT_S) as socket:
            client = Client(socket)
            await client.tell("connect", token=made["data"]["attributes"]["token"])
            seen = client.frames
            await until(lambda: "" if seen else "no answer to the token", deadline_s=WAIT_S)
            client.welcome = await client.until(type="welcome")
            try:
                yield client
            finally:
                await client.close()


async def asked(client: Client, type_: str, **members: Any) -> Any:
    """A frame and its ack's result; raises `Refused`."""
    text, answer = client.asking(type_, **members)
    await client.raw(text)
    return await asyncio.wait_for(answer, WAIT_S)


@contextlib.contextmanager
def served_apps(folder: Path, count: int, *options: str) -> Iterator[tuple[Cluster, list[App]]]:
    """A server without media, and the test environments of some apps on it."""
    with cluster(folder, "--no-media", "--no-demo", *options) as made:
        keys = asyncio.run(_make_apps(folder / "data", OrganizationId(made.account), count))
        server = made.start()
        yield made, [App(each, server) for each in keys]


async def _make_apps(data: Path, organization: OrganizationId, count: int) -> list[NewKeys]:
    store = await open_store(Settings(data=data))
    try:
        scope, _ = await accounts.ensure_organization(store, organization)
        made = []
        for number in range(count):
            async with scope.change() as change:
                app = await accounts.add_app(change, f"customer {number}")
            made.append(await create_keys(scope, app.id, Environment.TEST))
        return made
    finally:
        await store.database.close()
