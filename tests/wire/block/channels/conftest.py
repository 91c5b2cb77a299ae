"""A server process with its sockets and its REST, and an app whose limits a test may set."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
import pytest_asyncio

from parley.accounts.app_settings import write
from parley.accounts.plans import PlanSettings
from parley.accounts.scope import AppScope
from parley.base.times import to_ms
from parley.channels.realtime.grants import Grant
from parley.store.core import Store
from parley.wire.block.api import block_api
from tests.http import NO_AUTHORITIES
from tests.wire.block.socket.serving import Realtime, serving_realtime
from tests.wire.realtimekit.serving import WAIT_S, serving


@dataclass(frozen=True, slots=True)
class Rest:
    """The REST side of the server, beside its sockets."""

    realtime: Realtime
    http: httpx.AsyncClient

    @property
    def scope(self) -> AppScope:
        """The app."""
        return self.realtime.scope

    def headers(self, who: str | None) -> dict[str, str]:
        """Of a user with a user token, or of the customer's server (None)."""
        keys = self.realtime.keys
        if who is None:
            return {"X-Api-Key": keys.secret}
        return {"X-Api-Key": keys.publishable, "Authorization": f"Bearer {self.user_token(who)}"}

    def user_token(self, user_id: str, **claims: Any) -> str:
        """As the customer's server would sign it."""
        now = to_ms(self.scope.store.clock.now()) // 1000
        return jwt.encode({"sub": user_id, "exp": now + 3_600, **claims}, self.realtime.keys.secret, "HS256")

    def connected(self, user_id: str, *patterns: str, ops: frozenset[Any] | None = None) -> dict[str, str]:
        """Headers with a connection token in the place of a user token."""
        grants = [Grant(each) if ops is None else Grant(each, ops) for each in patterns]
        tokens = self.realtime.block.sockets.tokens
        token, _ = tokens.issue(self.scope.app_id, "live", user_id, grants)
        return {"X-Api-Key": self.realtime.keys.publishable, "Authorization": f"Bearer {token}"}

    async def raw(self, who: str | None, method: str, path: str, **more: Any) -> httpx.Response:
        """Any request."""
        headers = {**self.headers(who), **more.pop("headers", {})}
        return await self.http.request(method, path, headers=headers, **more)

    async def ask(
        self, who: str | None, method: str, path: str, body: Any = None, *, status: int = 200, **more: Any
    ) -> Any:
        """A request that must have this status; the decoded answer."""
        if body is not None:
            more["json"] = body
        found = await self.raw(who, method, path, **more)
        assert found.status_code == status, f"{found.status_code} {found.text}"
        return found.json() if found.content else None

    async def refused(
        self, who: str | None, method: str, path: str, body: Any = None, **more: Any
    ) -> tuple[int, str]:
        """Status and code of a request that fails."""
        if body is not None:
            more["json"] = body
        found = await self.raw(who, method, path, **more)
        (error, *_) = found.json()["errors"]
        assert error["status"] == str(found.status_code)
        return found.status_code, error["code"]

    async def say(self, channel: str, *texts: str, **more: Any) -> list[Any]:
        """Publish as the server; ids and places."""
        found = []
        for text in texts:
            body = {"channel": channel, "data": {"text": text}, **more}
            answer = await self.ask(None, "POST", "/v1/realtime/publish", body, status=202)
            found.append({"id": answer["data"]["id"], **answer["data"]["attributes"]})
        return found

    async def plan(self, **members: Any) -> None:
        """Change the app's plan."""
        async with self.scope.change() as change:
            await write(change, "plan", PlanSettings(**members))
        self.realtime.block.settings.forget(self.scope.app_id)


@pytest_asyncio.fixture
async def realtime(store: Store, app_scope: AppScope) -> AsyncIterator[Realtime]:
    """One server process, and an app without limits."""
    async with app_scope.change() as change:
        await write(change, "plan", PlanSettings(plan="enterprise"))
    async with serving_realtime(store, app_scope) as served:
        yield served


@pytest_asyncio.fixture
async def rest(realtime: Realtime) -> AsyncIterator[Rest]:
    """Its REST."""
    async with (
        serving(block_api(realtime.block.context)) as origin,
        httpx.AsyncClient(base_url=origin, timeout=WAIT_S, verify=NO_AUTHORITIES) as http,
    ):
        yield Rest(realtime, http)
