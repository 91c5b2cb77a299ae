"""Notifications: from anybody to anybody or anything (`realtime-block.md` 18.12)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from parley.accounts.scope import AppScope, Change
from parley.base.errors import NotAllowed, NotFound
from parley.base.ids import is_uuid, new_uuid
from parley.base.paging import Page, PageRequest
from parley.channels.realtime.log import PublicationLog
from parley.notifications import store
from parley.notifications.model import (
    READ,
    UNREAD,
    NewNotification,
    Notification,
    NotificationChange,
)
from parley.notifications.sources import Sources
from parley.notifications.views import notification_view, publication
from parley.people.model import Caller
from parley.people.preferences import channels_of
from parley.store.listing import NEWEST_FIRST, Sort

EVENT = "notification"


class Notifications:
    """The notifications of all apps; users see those for them and those by them."""

    def __init__(self, log: PublicationLog, sources: Sources) -> None:
        self._log = log
        self._sources = sources

    async def create(self, scope: AppScope, caller: Caller, new: NewNotification) -> Notification:
        """Add a notification; it is published to its target, unless the target wants none in the app.

        Raises:
            TooLarge: over what can be published.
        """
        now = scope.now()
        async with scope.change() as change:
            target = new.target_id
            wanted = await channels_of(change, target, now) if target is not None else ()
            source = None
            if new.source_id is not None:
                source = await self._sources.seen(
                    change, new.source_type or "", new.source_id, new.source_alias
                )
            made = Notification(
                id=new_uuid(),
                **msgspec.structs.asdict(new),
                source_unique_id=source,
                channels=[one for one in wanted if one == "in_app" or new.multichannel],
                status=UNREAD,
                created_by=caller.user_id,
                updated_by=None,
                read_at=None,
                created_at=now,
                updated_at=now,
            )
            await store.add(change, made)
            if target is not None and "in_app" in wanted:
                view = notification_view(made) | {"object_type": EVENT}
                draft = publication(scope.app_id, target, EVENT, caller.user_id, view)
                if draft is not None:
                    await self._log.write(change.tx, [draft])
        return made

    async def get(self, scope: AppScope, caller: Caller, notification_id: str) -> Notification:
        """One notification.

        Raises:
            NotFound: none that the caller sees.
        """
        found = await store.get(scope, notification_id.lower()) if is_uuid(notification_id) else None
        return _visible(found, caller)

    async def page(
        self,
        scope: AppScope,
        caller: Caller,
        wanted: PageRequest,
        sort: Sort = NEWEST_FIRST,
        *,
        status: str | None = None,
        target_id: str | None = None,
        source_id: str | None = None,
    ) -> Page[Notification]:
        """A page of those that the caller sees."""
        return await store.page(
            scope,
            wanted,
            sort,
            viewer=caller.viewer,
            status=status,
            target_id=target_id,
            source_id=source_id,
        )

    async def change(
        self, scope: AppScope, caller: Caller, notification_id: str, given: NotificationChange
    ) -> Notification:
        """Change some of it; its target may change the status only.

        Raises:
            NotFound: none that the caller sees.
            NotAllowed: the target changes what the author wrote.
        """
        values = given.given()
        async with scope.change() as change:
            before = await self._lock(change, caller, notification_id)
            if values.keys() - {"status"} and not caller.is_user(before.created_by):
                raise NotAllowed("Only its author changes a notification.")
            after = replace(before, **values)
            if after.status != before.status and after.status in (READ, UNREAD):
                after = replace(after, read_at=change.now() if after.status == READ else None)
            return await self._put(change, caller, after)

    async def mark(
        self, scope: AppScope, caller: Caller, notification_id: str, *, is_read: bool
    ) -> Notification:
        """Mark it read or unread, for its target; read again keeps the first time.

        Raises:
            NotFound: none that the caller sees.
            NotAllowed: it is for somebody else.
        """
        async with scope.change() as change:
            before = await self._lock(change, caller, notification_id)
            if not caller.is_user(before.target_id):
                raise NotAllowed("Only its target reads a notification.")
            read_at = (before.read_at or change.now()) if is_read else None
            after = replace(before, status=READ if is_read else UNREAD, read_at=read_at)
            return await self._put(change, caller, after)

    async def delete(self, scope: AppScope, caller: Caller, notification_id: str) -> None:
        """Remove it for everybody.

        Raises:
            NotFound: none that the caller sees.
        """
        async with scope.change() as change:
            found = await self._lock(change, caller, notification_id)
            await store.remove(change, found.id)

    async def _lock(self, change: Change, caller: Caller, notification_id: str) -> Notification:
        found = await store.lock(change, notification_id.lower()) if is_uuid(notification_id) else None
        return _visible(found, caller)

    async def _put(self, change: Change, caller: Caller, after: Notification) -> Notification:
        stamped: dict[str, Any] = {"updated_by": caller.user_id, "updated_at": change.now()}
        after = replace(after, **stamped)
        await store.put(change, after)
        return after


def _visible(found: Notification | None, caller: Caller) -> Notification:
    if found is None or not (caller.is_user(found.target_id) or caller.is_user(found.created_by)):
        raise NotFound("There is no such notification.")
    return found
