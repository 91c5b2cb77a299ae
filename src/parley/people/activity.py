"""When users were last seen: by requests, and for as long as they have a socket open.

Requests are many and the time is shown to people, so it is written at most every `WRITE_EVERY_S` for each
user, many users together.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from itertools import islice

import structlog

from parley.base.ids import AppId
from parley.base.tasks import cancel_and_wait, wait_event
from parley.base.times import from_ms, to_ms
from parley.people import store
from parley.people.availability import NEVER_SEEN, effective
from parley.people.model import Presence
from parley.people.ports import NoMirror, PresenceMirror
from parley.store.core import Store
from parley.store.errors import DatabaseUnavailable

log = structlog.get_logger(__name__)
WRITE_EVERY_S = 15.0
"""How late a user's last activity may be known to other servers."""
FLUSH_EVERY_S = 2.0
GATHER_S = 0.05
"""Between two transactions, so that those who come together are written together."""
BATCH = 500
"""Users written in one transaction."""
_REMEMBERED = 50_000
Who = tuple[AppId, str]


class UserActivity:
    """What this server sees of users."""

    def __init__(self, base: Store, mirror: PresenceMirror | None = None) -> None:
        """`mirror` is told when a socket makes somebody online who was offline."""
        self._store = base
        self._mirror: PresenceMirror = mirror or NoMirror()
        self._sockets: Counter[Who] = Counter()
        """Open sockets of each user."""
        self._arriving: dict[Who, int] = {}
        """Opened a socket, which is to be written; ms since 1970."""
        self._seen: dict[Who, int] = {}
        """To be written; ms since 1970."""
        self._noted: OrderedDict[Who, float] = OrderedDict()
        """When a user's activity was last noted; monotonic."""
        self._news = asyncio.Event()
        """Somebody arrived, or many were seen."""
        self._task: asyncio.Task[None] | None = None

    def touch(self, app_id: AppId, user_id: str) -> None:
        """A user did something."""
        who = (app_id, user_id)
        now = self._store.clock.monotonic()
        noted = self._noted.get(who)
        if noted is not None and now - noted < WRITE_EVERY_S:
            return
        self._note(who, now)

    def socket_opened(self, app_id: AppId, user_id: str) -> None:
        """A user opened a socket: who was offline is online soon (`realtime-block.md` 18.10)."""
        who = (app_id, user_id)
        self._sockets[who] += 1
        self._noted[who] = self._store.clock.monotonic()
        self._arriving[who] = to_ms(self._store.clock.now())
        self._news.set()

    def socket_closed(self, app_id: AppId, user_id: str) -> None:
        """One of the user's sockets is closed; they were there until now."""
        who = (app_id, user_id)
        if self._sockets[who] > 1:
            self._sockets[who] -= 1
        else:
            del self._sockets[who]
        self._note(who, self._store.clock.monotonic())

    async def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._write_forever(), name="user activity")

    async def stop(self) -> None:
        """Write what is left, as far as the database allows."""
        await cancel_and_wait([self._task])
        try:
            await self.welcome()
            await self.flush()
        except DatabaseUnavailable as away:
            log.warning("user_activity_lost", users=len(self._seen), reason=away.message)

    async def welcome(self) -> None:
        """Write down who arrived, and show that they are there.

        Raises:
            DatabaseUnavailable: the rest stays for the next time.
        """
        while self._arriving:
            batch = dict(islice(self._arriving.items(), BATCH))
            async with self._store.database.transaction() as tx:
                known = await store.arrive(tx, batch)
            for who, at in batch.items():
                if self._arriving.get(who) == at:
                    del self._arriving[who]
                before = known.get(who, NEVER_SEEN)
                status: Presence = "online" if before.status == "offline" else before.status
                if effective(before, from_ms(at)).status != status:
                    await self._mirror.status_changed(*who, status, before.custom_status)

    async def flush(self) -> None:
        """Write down who was seen, with those whose socket is open."""
        now = self._store.clock.monotonic()
        for who in self._sockets:
            if now - self._noted.get(who, float("-inf")) >= WRITE_EVERY_S:
                self._note(who, now)
        while self._seen:
            batch = dict(list(self._seen.items())[:BATCH])
            async with self._store.database.transaction() as tx:
                await store.see(tx, batch)
            for who, at in batch.items():
                if self._seen.get(who) == at:
                    del self._seen[who]

    def _note(self, who: Who, now: float) -> None:
        self._seen[who] = to_ms(self._store.clock.now())
        self._noted[who] = now
        self._noted.move_to_end(who)
        if len(self._noted) > _REMEMBERED:
            self._noted.popitem(last=False)
        if len(self._seen) >= BATCH:
            self._news.set()

    async def _write_forever(self) -> None:
        loop = asyncio.get_running_loop()
        flushed_s = loop.time()
        while True:
            await wait_event(self._news, FLUSH_EVERY_S)
            self._news.clear()
            try:
                await self.welcome()
                if len(self._seen) >= BATCH or loop.time() - flushed_s >= FLUSH_EVERY_S:
                    flushed_s = loop.time()
                    await self.flush()
            except DatabaseUnavailable as away:
                log.warning("user_activity_waits_for_database", reason=away.message)
            except Exception:
                log.exception("user_activity_failed")
            await asyncio.sleep(GATHER_S)
