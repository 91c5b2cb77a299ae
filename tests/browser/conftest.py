"""One server, one customer, one browser and one customer's site for all tests; meetings are a test's own."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests import netns
from tests.browser.customer import Customer, Invitation, Meeting
from tests.browser.pages import customer_site, missing_clients
from tests.browser.person import Person
from tests.browser.server import ParleyServer
from tests.media.browser import chromium, chromium_path

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests here share one event loop; say why they cannot run, where they cannot."""
    reason = netns.missing_network() or missing_clients()
    if reason is None and shutil.which("janus") is None:
        reason = "janus is not installed"
    if reason is None and chromium_path() is None:
        reason = "chromium is not installed"
    for item in items:
        if HERE not in item.path.parents:
            continue
        item.add_marker(pytest.mark.browser)
        item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=reason))


@dataclass
class Stage:
    """Where people meet: a server, its customer, a browser and the customer's site."""

    server: ParleyServer
    customer: Customer
    browser: Browser
    site: str
    people: list[Person] = field(default_factory=list)

    async def meeting(self, title: str) -> Meeting:
        """A new meeting."""
        return await self.customer.create_meeting(title)

    async def enter(
        self, meeting: Meeting, name: str, preset: str, *, sdk: int = 2, **defaults: Any
    ) -> Person:
        """Somebody on the setup screen: initialised, not joined."""
        invitation = await self.customer.invite(meeting, name, preset)
        return await self.enter_with(invitation, name, sdk=sdk, **defaults)

    async def enter_with(
        self, invitation: Invitation, name: str, *, sdk: int = 2, via: str = "", **defaults: Any
    ) -> Person:
        """The same with an invitation one has, and possibly by another address of the server."""
        url = via or self.server.url
        person = await Person.open(self.browser, name, f"{self.site}/v{sdk}/?parley={url}")
        self.people.append(person)
        await person.enter(invitation.token, urlsplit(url).netloc, **defaults)
        return person

    async def join(
        self, meeting: Meeting, name: str, preset: str, *, sdk: int = 2, **defaults: Any
    ) -> Person:
        """Somebody in the meeting."""
        person = await self.enter(meeting, name, preset, sdk=sdk, **defaults)
        await person.join()
        return person

    async def join_all(self, meeting: Meeting, preset: str, *names: str) -> list[Person]:
        """Several at the same time."""
        return list(await asyncio.gather(*(self.join(meeting, name, preset) for name in names)))

    async def clear(self) -> None:
        """Close everybody's tab."""
        people, self.people = self.people, []
        await asyncio.gather(*(person.close() for person in people))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A running Chromium."""
    async with chromium() as browser:
        yield browser


async def _stages(folder: Path, browser: Browser, rtp_ports: str) -> AsyncIterator[Stage]:
    server = ParleyServer(folder / "data", rtp_ports=rtp_ports)
    await server.start()
    try:
        customer = await Customer.open(server.url, server.account_id, server.api_token)
        async with customer_site(server.url) as site:
            stage = Stage(server, customer, browser, site)
            yield stage
            await stage.clear()
        await customer.close()
    finally:
        await server.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_stage(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> AsyncIterator[Stage]:
    """What the tests share."""
    async for stage in _stages(tmp_path_factory.mktemp("parley"), browser, "30000-30499"):
        yield stage


@pytest_asyncio.fixture(loop_scope="session")
async def stage(shared_stage: Stage) -> AsyncIterator[Stage]:
    """The shared stage; everybody is gone afterwards."""
    yield shared_stage
    await shared_stage.clear()


@pytest_asyncio.fixture(loop_scope="session")
async def own_stage(tmp_path: Path, browser: Browser) -> AsyncIterator[Stage]:
    """A server of the test's own, to be ill-treated."""
    async for stage in _stages(tmp_path, browser, "30500-30999"):
        yield stage
