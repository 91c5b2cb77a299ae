"""Pages of a channel's messages (`realtime-block.md` 10)."""

from __future__ import annotations

from typing import Literal, NamedTuple

from parley.accounts.scope import AppScope
from parley.base.errors import NotFound
from parley.channels.realtime import store
from parley.channels.realtime.model import Position, Publication, offset_of
from parley.channels.realtime.retention import Retention

PAGE_SIZE, MAX_PAGE_SIZE = 50, 100
Order = Literal["asc", "desc"]
_BEHIND_ALL = 1 << 62


class Page(NamedTuple):
    """A part of a channel's history."""

    messages: list[Publication]
    """In the order that was asked for."""
    has_more: bool
    """Whether there is more in the direction in which the page was filled."""


class History:
    """The histories of all channels; whether somebody may read one is the caller's to check."""

    def __init__(self, retention: Retention) -> None:
        self._retention = retention

    async def page(
        self,
        scope: AppScope,
        channel: str,
        place: Position,
        *,
        limit: int = PAGE_SIZE,
        before: str | None = None,
        after: str | None = None,
        order: Order = "desc",
    ) -> Page:
        """The messages next to a cursor; without one the newest (`desc`) or the oldest (`asc`).

        Args:
            scope: the app.
            channel: whose history.
            place: of the channel, at present.
            limit: messages of the page.
            before: the id of a message: only older ones, those nearest to it.
            after: only newer ones, those nearest to it; between two cursors `order` says nearest to which.
            order: of the page.

        Raises:
            NotFound: a cursor that is no message of this channel. One that has expired stands for the
                oldest place.
        """
        expired_ms = await self._retention.expired_ms(scope)
        above = 0 if after is None else await self._offset(scope, channel, place, after, expired_ms)
        below = _BEHIND_ALL
        if before is not None:
            below = await self._offset(scope, channel, place, before, expired_ms)
        newest_first = after is None if (before is None) != (after is None) else order == "desc"
        found = await store.in_history(
            scope.store.database,
            scope.app_id,
            channel,
            above=above,
            below=below,
            expired_ms=expired_ms,
            count=limit + 1,
            newest_first=newest_first,
        )
        messages = found[:limit]
        if newest_first != (order == "desc"):
            messages.reverse()
        return Page(messages, has_more=len(found) > limit)

    async def _offset(
        self, scope: AppScope, channel: str, place: Position, cursor: str, expired_ms: int
    ) -> int:
        database = scope.store.database
        offset = offset_of(cursor)
        if offset is not None and offset <= place.offset:
            if await store.find(database, scope.app_id, channel, cursor) is not None:
                return offset
            oldest = await store.in_history(
                database, scope.app_id, channel, expired_ms=expired_ms, count=1, newest_first=False
            )
            if not oldest or offset < oldest[0].offset:
                return offset  # purged: everything that is left is newer
        raise NotFound("The cursor is no message of this channel.")
