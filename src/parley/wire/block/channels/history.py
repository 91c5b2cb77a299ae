"""A channel's messages over REST (`realtime-block.md` 10)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from parley.base.errors import Invalid
from parley.base.times import iso_from_ms
from parley.channels.realtime import history
from parley.channels.realtime.grants import Op
from parley.channels.realtime.model import Publication
from parley.wire.block.channels.access import used_channel
from parley.wire.block.endpoint import Call, Routes
from parley.wire.block.replies import Reply, Resource, many

routes = Routes("Channels")


class HistoryQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages."""

    limit: int = history.PAGE_SIZE
    before: str | None = None
    after: str | None = None
    order: history.Order = "desc"


def page_limit(asked: int, most: int = history.MAX_PAGE_SIZE) -> int:
    """How many rows a page has.

    Raises:
        Invalid: not positive.
    """
    if asked < 1:
        raise Invalid("A page has at least one message.", field="?limit")
    return min(asked, most)


@routes.get("/v1/realtime/channels/{channel_id}/messages")
async def list_messages(call: Call, channel_id: str, query: HistoryQuery) -> Reply:
    """List a channel's messages next to a cursor, the newest first unless `order` is `asc`."""
    limit = page_limit(query.limit)
    place = await used_channel(call, channel_id, Op.HISTORY)
    page = await call.service(history.History).page(
        call.scope,
        channel_id,
        place,
        limit=limit,
        before=query.before,
        after=query.after,
        order=query.order,
    )
    oldest_first = page.messages if query.order == "asc" else page.messages[::-1]
    return many(
        message_resources(page.messages),
        meta={
            "has_more": page.has_more,
            "oldest_id": oldest_first[0].id if oldest_first else None,
            "newest_id": oldest_first[-1].id if oldest_first else None,
            "epoch": place.epoch,
        },
    )


def message_resources(messages: Iterable[Publication]) -> list[Resource]:
    """Messages as JSON:API."""
    return [Resource(one.id, "messages", _attributes(one)) for one in messages]


def _attributes(one: Publication) -> dict[str, Any]:
    return {
        "channel_id": one.channel,
        "user_id": one.user_id,
        "event": one.event,
        "data": msgspec.Raw(one.data),
        "created_at": iso_from_ms(one.created_ms),
        "offset": one.offset,
    }
