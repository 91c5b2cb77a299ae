"""When users were last seen: by requests, and for as long as they have a socket open.

Requests are many and the time is shown to people, so it is written at most every `WRITE_EVERY_S` for each
user, many users together.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict

import structlog

from parley.base.ids import AppId
from parley.base.tasks import cancel_and_wait, wait_event
from parley.base.times import to_ms
from parley.people import store
from parley.people.availability import effective
from parley.people.ports import NoMirror, PresenceMirror
from parley.store.core import Store
from parley.store.errors import DatabaseUnavailable

log = structlog.get_logger(__name__)
WRITE_EVERY_S = 15.0
"""How late a user's last activity may be known to other servers."""
FLUSH_EVERY_S = 2.0
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
        self._seen: dict[Who, int] = {}
        """To be written; ms since 1970."""
        self._noted: OrderedDict[Who, float] = OrderedDict()
        """When a user's activity was last noted; monotonic."""
        self._full = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def touch(self, app_id: AppId, user_id: str) -> None:
        """A user did something."""
        who = (app_id, user_id)
        now = self._store.clock.monotonic()
        noted = self._noted.get(who)
        if noted is not None and now - noted < WRITE_EVERY_S:
            return
        self._note(who, now)

    async def socket_opened(self, app_id: AppId, user_id: str) -> None:
        """A user opened a socket: who was offline is online (`realtime-block.md` 18.10).

        Raises:
            DatabaseUnavailable: it could not be written; the socket counts all the same.
        """
        who = (app_id, user_id)
        self._sockets[who] += 1
        now = self._store.clock.now()
        self._noted[who] = self._store.clock.monotonic()
        async with self._store.database.transaction() as tx:
            before, after = await store.arrive(tx, app_id, user_id, to_ms(now))
        if effective(before, now).status != after.status:
            await self._mirror.status_changed(app_id, user_id, after.status, after.custom_status)

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
            await self.flush()
        except DatabaseUnavailable as away:
            log.warning("user_activity_lost", users=len(self._seen), reason=away.message)

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
            self._full.set()

    async def _write_forever(self) -> None:
        while True:
            await wait_event(self._full, FLUSH_EVERY_S)
            self._full.clear()
            try:
                await self.flush()
            except DatabaseUnavailable as away:
                log.warning("user_activity_waits_for_database", reason=away.message)
            except Exception:
                log.exception("user_activity_failed")
