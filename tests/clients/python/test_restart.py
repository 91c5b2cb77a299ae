"""The client and a server that drains, is killed, and is started again; and what cannot be replayed."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from parley_realtime import Channel, Client, Item, Message

from bench.kill_servers import Balancer
from tests.clients.apps import MadeApp, make_unlimited_app
from tests.clients.python.conftest import QUICK
from tests.clients.python.test_realtime import heard, take
from tests.clients.python.test_reconnect import away, connected, cut
from tests.clients.typescript.server import BlockServer
from tests.waiting import until

pytestmark = pytest.mark.faults


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[BlockServer, MadeApp]]:
    """A server of this module's own, and an app on it."""
    server = BlockServer(tmp_path_factory.mktemp("restart") / "data")
    await server.start()
    try:
        yield server, await make_unlimited_app(server.data)
    finally:
        await server.stop()


class Site:
    """A customer, its server, and a way to it that can be cut."""

    def __init__(self, server: BlockServer, app: MadeApp, balancer: Balancer) -> None:
        self.server = server
        self.app = app
        self.balancer = balancer
        self.customer = Client(server.url, secret_key=app.secret_key, options=QUICK)
        self.clients = [self.customer]

    async def token(self, user_id: str, *channels: str) -> str:
        """A connection token."""
        made = await self.customer.realtime.get_token(user_id=user_id, channels=list(channels or ("chat:*",)))
        return made.token

    async def user(self, user_id: str) -> Client:
        """Somebody who is connected."""
        client = Client(self.balancer.url, api_key=self.app.publishable_key, options=QUICK)
        self.clients.append(client)
        await client.realtime.connect(await self.token(user_id))
        return client

    async def publish(self, channel: str, first: int, last: int) -> None:
        """Numbers, as fast as the server takes them."""
        numbers = range(first, last + 1)
        for at in range(0, len(numbers), 100):
            messages = [{"channel": channel, "data": number} for number in numbers[at : at + 100]]
            await self.customer.publish_batch(messages)


@pytest_asyncio.fixture(loop_scope="module")
async def site(shared: tuple[BlockServer, MadeApp]) -> AsyncIterator[Site]:
    """With a server that runs."""
    server, app = shared
    if not server.is_running:
        await server.start()
    async with Balancer(random.Random(1)) as balancer:
        balancer.ports.add(int(server.url.rpartition(":")[2]))
        site = Site(server, app, balancer)
        yield site
        await asyncio.gather(*(client.close() for client in site.clients))


def data_of(items: list[Item]) -> list[Any]:
    """Of messages; a word that something is missing has none."""
    return [one.data for one in items if isinstance(one, Message)]


async def subscribed(client: Client, name: str) -> Channel:
    return await client.realtime.subscribe(name)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_everything_is_where_it_was_in_order_and_once(
    site: Site, name: str, how: signal.Signals
) -> None:
    ann, bob = await site.user("ann"), await site.user("bob")
    mine, theirs = await subscribed(ann, f"chat:{name}"), await subscribed(bob, f"chat:{name}")
    stream = theirs.listen()
    async with heard(theirs, "reload") as reloads, heard(bob.realtime, "disconnected") as endings:
        sending = [asyncio.create_task(mine.send(number)) for number in range(1, 301)]
        first = await take(stream, 20)
        await site.server.stop(how)
        sending.append(asyncio.create_task(mine.send(301)))  # while nobody is there
        await site.server.start()
        made = await asyncio.gather(*sending)
        rest = await take(stream, 281)
    assert [one.offset for one in made] == list(range(1, 302))
    assert data_of(first + rest) == list(range(1, 302))
    assert reloads == []
    assert endings[0][1].will_reconnect
    assert (endings[0][1].code == 4503) == (how is signal.SIGTERM)
    assert bob.realtime.welcome is not None
    assert not bob.realtime.welcome.resumed  # sessions end with their process


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("is_restarted", [False, True])
async def test_a_channel_that_has_moved_on_too_far_says_so_and_the_others_are_complete(
    site: Site, name: str, is_restarted: bool
) -> None:
    ann = await site.user("ann")
    far, near = [await subscribed(ann, f"chat:{name}:{which}") for which in ("far", "near")]
    streams = far.listen(), near.listen()
    ports = away(site.balancer)
    async with heard(far, "reload") as lost, heard(near, "reload") as complete:
        await cut(site.balancer, ann)
        await site.publish(far.name, 1, 1_001)
        await site.publish(near.name, 1, 900)
        if is_restarted:
            await site.server.stop()
            await site.server.start()
        site.balancer.ports = ports
        assert data_of(await take(streams[1], 900)) == list(range(1, 901))
        await until(lambda: "" if lost else "nothing was said")
        await site.publish(far.name, 1_002, 1_002)
        assert data_of(await take(streams[0], 2)) == [1_002]
    assert (len(lost), complete) == (1, [])
    assert ann.realtime.welcome is not None
    assert ann.realtime.welcome.resumed is not is_restarted
    newest = await far.history.fetch(limit=2)
    assert [one.data for one in newest] == [1_002, 1_001]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_new_token_that_opens_less_takes_the_other_channels_away(site: Site, name: str) -> None:
    ann = await site.user("ann")
    kept, closed = [await subscribed(ann, f"chat:{name}:{which}") for which in ("kept", "closed")]
    ports = away(site.balancer)
    async with heard(closed, "error") as refused:
        await cut(site.balancer, ann)
        token = await site.token("ann", kept.name)
        site.balancer.ports = ports
        await ann.realtime.reconnect(token)
        await until(lambda: connected(ann.realtime) or ("" if refused else "nothing was said"))
    assert refused[0][1].code == "unauthorized_channel"
    await kept.send("still here")
