"""A server for the Python client: `parley serve` as a process, one for all tests of a worker."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple

import jwt
import pytest
from parley_realtime import Client, Options

from bench.kill_servers import Balancer
from tests.clients.apps import make_unlimited_app
from tests.server.process import START_TIMEOUT_S, STOP_TIMEOUT_S, environment

QUICK = Options(
    reconnect_delay_s=0.02,
    reconnect_delay_max_s=0.1,
    connect_timeout_s=30.0,
    request_timeout_s=60.0,
    max_reconnect_attempts=200,
)
_names = itertools.count(1)


class Served(NamedTuple):
    """A running server, and an app of it."""

    url: str
    app_id: str
    publishable: str
    secret: str

    def user_token(self, user_id: str, ttl_s: int = 3600, **claims: Any) -> str:
        """As the customer's server would sign it."""
        claims = {"sub": user_id, "exp": int(time.time()) + ttl_s, **claims}
        return jwt.encode(claims, self.secret, algorithm="HS256")


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    data = tmp_path_factory.mktemp("server")
    app = asyncio.run(make_unlimited_app(data))
    log = data / "serve.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [
                *(sys.executable, "-c", "from parley.server.cli import main; main()", "serve"),
                *("--data", str(data), "--port", "0", "--no-media", "--no-demo"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=environment(),
        )
    try:
        end = time.monotonic() + START_TIMEOUT_S
        while (found := re.search(r"Start page\s+http://localhost:(\d+)/", log.read_text())) is None:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.02)
        yield Served(f"http://127.0.0.1:{found[1]}", *app)
    finally:
        process.terminate()
        process.wait(STOP_TIMEOUT_S)


@pytest.fixture
def name() -> str:
    """Something that no other test uses."""
    return f"n{next(_names)}-{random.randrange(1 << 30)}"


@pytest.fixture
async def balancer(served: Served) -> AsyncIterator[Balancer]:
    """The way to the server, which can be cut."""
    async with Balancer(random.Random(1)) as balancer:
        balancer.ports.add(int(served.url.rpartition(":")[2]))
        yield balancer


Open = Callable[..., Any]


@pytest.fixture
async def client_of(served: Served, balancer: Balancer) -> AsyncIterator[Open]:
    """Makes clients of users, connected unless `connect=False`."""
    clients: list[Client] = []

    async def make(
        user_id: str, *, options: Options = QUICK, connect: bool = True, channels: list[str] | None = None
    ) -> Client:
        client = Client(
            balancer.url,
            api_key=served.publishable,
            user_token=served.user_token(user_id, name=user_id.title()),
            options=options,
        )
        clients.append(client)
        if connect:
            token = await client.realtime.get_token(channels=channels)
            await client.realtime.connect(token.token)
        return client

    yield make
    await asyncio.gather(*(client.close() for client in clients))


@pytest.fixture
async def customer(served: Served) -> AsyncIterator[Client]:
    """The customer's server."""
    async with Client(served.url, secret_key=served.secret) as client:
        yield client
