"""Conversations and people of one server process: their parts, put together and started in order."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import msgspec

from parley.accounts.app_settings import AppSettings
from parley.base.ids import AppId
from parley.base.signing import SignedLinks
from parley.bus import Bus, Subscription
from parley.channels.realtime.log import PublicationLog
from parley.conversations.files.service import MessageFiles
from parley.conversations.messages.expiry import handle_expiry
from parley.conversations.ports import Engines
from parley.conversations.services import conversation_services
from parley.conversations.summaries.service import Summaries
from parley.conversations.tasks.service import Tasks
from parley.conversations.threads.service import Threads
from parley.notifications.service import Notifications
from parley.notifications.sources import Sources
from parley.notifications.web import WebNotifications
from parley.people.activity import UserActivity
from parley.people.availability import Availabilities
from parley.people.model import Presence
from parley.people.service import People
from parley.store.core import Store
from parley.wire.block.socket.server import BlockSockets

STATUS_TOPIC = "availability"
"""Bus topic of what users say about being there."""


class Conversations:
    """Conversations, and the people in them."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        log: PublicationLog,
        settings: AppSettings,
        sockets: BlockSockets,
        engines: Engines,
        links: SignedLinks,
        public_url: str,
    ) -> None:
        """Put the parts together.

        Args:
            store: where everything is.
            bus: of this server and its neighbours.
            log: where messages are published.
            settings: of apps.
            sockets: show who is there.
            engines: write summaries.
            links: signs links to files.
            public_url: where people reach this server, without a slash at the end.
        """
        mirror = self._mirror = _Mirror(bus, sockets)
        people, sources = People(), Sources()
        self.people = people
        self.threads = Threads(log)
        tasks = Tasks(self.threads)
        self.files = MessageFiles(store, links, self.threads, public_url=public_url)
        self.activity = UserActivity(store, mirror)
        made = conversation_services(
            log,
            settings,
            bus,
            people,
            engines,
            public_url=public_url,
            sources=sources,
            tasks=tasks,
        )
        self.services: tuple[Any, ...] = (
            *made,
            tasks,
            self.files,
            people,
            sources,
            self.activity,
            Availabilities(mirror),
            Notifications(log, sources),
            WebNotifications(log, people),
        )
        handle_expiry(store)
        self._summaries = next(one for one in made if isinstance(one, Summaries))

    async def start(self, stack: AsyncExitStack) -> None:
        """Begin; the stack ends it in reverse."""
        await self._mirror.start()
        stack.push_async_callback(self._mirror.stop)
        await self.activity.start()
        stack.push_async_callback(self.activity.stop)
        stack.push_async_callback(self._summaries.stop)


class _Mirror:
    """`people.ports.PresenceMirror` over all server processes."""

    def __init__(self, bus: Bus, sockets: BlockSockets) -> None:
        self._bus = bus
        self._sockets = sockets
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        """Hear what any process says."""
        self._subscription = await self._bus.subscribe(STATUS_TOPIC, self._heard)

    async def stop(self) -> None:
        """Hear nothing more."""
        if self._subscription is not None:
            await self._subscription.close()

    async def status_changed(
        self, app_id: AppId, user_id: str, status: Presence, custom_status: str | None
    ) -> None:
        """See `PresenceMirror.status_changed`."""
        self._bus.publish(STATUS_TOPIC, msgspec.json.encode((app_id, user_id, status)))

    def _heard(self, payload: bytes) -> None:
        app_id, user_id, status = msgspec.json.decode(payload, type=tuple[str, str, str])
        self._sockets.show_status(AppId(app_id), user_id, status)
