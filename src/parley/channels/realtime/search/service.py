"""Messages that have all words of a query (`realtime-block.md` 11.1)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

from parley.accounts.scope import AppScope
from parley.base.errors import NotFound
from parley.channels.realtime import store as publications
from parley.channels.realtime.model import Publication
from parley.channels.realtime.retention import Retention
from parley.channels.realtime.search import store
from parley.channels.realtime.search.store import Match
from parley.channels.realtime.search.words import app_mark, channel_mark, words_in, words_of

QUERY_LIMIT = 200
PAGE_SIZE, MAX_PAGE_SIZE = 20, 100
COUNTED = 10_000
"""Matches that are counted at least; a total above is a lower bound, so that no query costs without end."""
WINDOWS = {"sqlite": 500, "postgresql": 5_000}
"""Matches read at a time: SQLite is read in the event loop, PostgreSQL looks all up again each time."""
TAIL_WINDOW = 200
_BEHIND_ALL = 1 << 62

MayRead = Callable[[str], Awaitable[bool]]
"""Whether a channel is the caller's to read; asked once for each channel with a match."""


class Found(NamedTuple):
    """A page of matches."""

    messages: list[Publication]
    """The newest first."""
    has_more: bool
    total: int
    """Of all pages; see `COUNTED`."""


class Search:
    """Searches the histories of an app."""

    def __init__(self, retention: Retention) -> None:
        self._retention = retention

    async def find(
        self,
        scope: AppScope,
        query: str,
        *,
        channel: str | None = None,
        may_read: MayRead | None = None,
        limit: int = PAGE_SIZE,
        before: str | None = None,
    ) -> Found:
        """The newest messages with all words of the query.

        Args:
            scope: the app.
            query: any text; one without words finds nothing.
            channel: search there only; whether the caller may is checked already.
            may_read: decides about channels; None = all.
            limit: messages of the page.
            before: only those older than this message, which must be a match unless a channel is named.

        Raises:
            NotFound: `before` is no such message.
        """
        words = words_in(query)
        if not words:
            return Found([], has_more=False, total=0)
        below = _BEHIND_ALL
        if before is not None and channel is not None:
            known = await publications.find(scope.store.database, scope.app_id, channel, before)
            if known is None:
                raise NotFound("The cursor is no message of this channel.")
            below = known.offset
        page: list[int] = []
        total, is_behind = 0, before is None or channel is not None
        async for match in _readable(self._walk(scope, words, channel), may_read):
            total += 1
            if is_behind and match.offset < below:
                if len(page) <= limit:
                    page.append(match.number)
                elif total >= COUNTED:
                    break
            is_behind = is_behind or match.id == before
        if not is_behind:
            raise NotFound("The cursor is no message that was found.")
        messages = await store.by_number(scope.store.database, scope.app_id, page[:limit])
        return Found(messages, has_more=len(page) > limit, total=total)

    async def _walk(self, scope: AppScope, words: set[str], channel: str | None) -> AsyncIterator[Match]:
        """Every match, the newest first; others have the turn now and then."""
        database, app_id = scope.store.database, scope.app_id
        expired_ms = await self._retention.expired_ms(scope)
        indexed = (await store.progress(database)).indexed
        below = _BEHIND_ALL
        while True:  # what is not in the index yet
            window = await store.tail(database, app_id, indexed, below, expired_ms, TAIL_WINDOW)
            for one in window:
                if channel in (None, one.channel) and words <= words_of(one.data.encode()):
                    yield Match(one.number, one.channel, one.offset, one.id)
            if len(window) < TAIL_WINDOW:
                break
            below = window[-1].number
            await asyncio.sleep(0)
        marks = [app_mark(app_id)] if channel is None else [channel_mark(channel), app_mark(app_id)]
        asked, count, upto = [*marks, *sorted(words)], WINDOWS[database.dialect], indexed
        while True:
            found = await store.matches(
                database, app_id, asked, channel, upto=upto, expired_ms=expired_ms, count=count
            )
            for match in found:
                yield match
            if len(found) < count:
                return
            upto = found[-1].number - 1
            await asyncio.sleep(0)


async def _readable(matches: AsyncIterator[Match], may_read: MayRead | None) -> AsyncIterator[Match]:
    allowed: dict[str, bool] = {}
    async for match in matches:
        if may_read is not None and match.channel not in allowed:
            allowed[match.channel] = await may_read(match.channel)
        if allowed.get(match.channel, True):
            yield match
