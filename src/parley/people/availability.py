"""Whether a user is there (`realtime-block.md` 18.10)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from parley.accounts.scope import AppScope
from parley.base.text import storable
from parley.people import store
from parley.people.model import Availability, Presence
from parley.people.ports import NoMirror, PresenceMirror

LAPSES_AFTER = timedelta(minutes=5)
"""Without a socket or a request a user is offline."""
NEVER_SEEN = Availability("offline")


def effective(known: Availability | None, now: datetime) -> Availability:
    """What others are told: what the user chose, or offline when they were last seen too long ago."""
    if known is None:
        return NEVER_SEEN
    if known.last_seen_at is None or now - known.last_seen_at >= LAPSES_AFTER:
        return replace(known, status="offline")
    return known


class Availabilities:
    """Reads and changes whether users are there."""

    def __init__(self, mirror: PresenceMirror | None = None) -> None:
        """`mirror` is told of every change, after it is on disk."""
        self._mirror: PresenceMirror = mirror or NoMirror()

    async def get(self, scope: AppScope, user_id: str) -> Availability:
        """Whether a user is there; whoever was never seen is offline."""
        if not storable(user_id):
            return NEVER_SEEN
        return effective(await store.availability(scope, user_id), scope.now())

    async def go_online(
        self,
        scope: AppScope,
        user_id: str,
        status: Presence = "online",
        *,
        custom_status: str | msgspec.UnsetType | None = msgspec.UNSET,
        payload: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET,
    ) -> Availability:
        """Say how the user is there; what is not given stays as it was."""
        return await self._put(scope, user_id, status, custom_status, payload)

    async def go_offline(self, scope: AppScope, user_id: str) -> Availability:
        """Be offline until the next `go_online` or a new socket, whatever else the user does."""
        return await self._put(scope, user_id, "offline", msgspec.UNSET, msgspec.UNSET)

    async def _put(
        self,
        scope: AppScope,
        user_id: str,
        status: Presence,
        custom_status: str | msgspec.UnsetType | None,
        payload: dict[str, Any] | msgspec.UnsetType | None,
    ) -> Availability:
        async with scope.change() as change:
            before = await store.availability(change, user_id)
            known = before or NEVER_SEEN
            after = Availability(
                status,
                known.custom_status if custom_status is msgspec.UNSET else custom_status,
                known.payload if payload is msgspec.UNSET else payload,
                change.now(),
            )
            await store.put_availability(change, user_id, after)
        shown = effective(before, scope.now())
        if (shown.status, shown.custom_status) != (after.status, after.custom_status):
            await self._mirror.status_changed(scope.app_id, user_id, after.status, after.custom_status)
        return after
