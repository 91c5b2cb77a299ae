"""Search in messages over REST (`realtime-block.md` 11.1)."""

from __future__ import annotations

import dataclasses

import msgspec

from parley.base.errors import Invalid
from parley.channels.realtime.access import ChannelAccess, UnauthorizedChannel
from parley.channels.realtime.grants import Op
from parley.channels.realtime.search import service
from parley.wire.block.channels.access import credentials, used_channel
from parley.wire.block.channels.history import message_resources, page_limit
from parley.wire.block.endpoint import Call, Routes
from parley.wire.block.replies import Reply, many

routes = Routes("Channels")


class SearchQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What to look for."""

    query: str | None = None
    channel_id: str | None = None
    limit: int = service.PAGE_SIZE
    before: str | None = None


@routes.get("/v1/realtime/messages/search")
async def search_messages(call: Call, query: SearchQuery) -> Reply:
    """Find messages with all words of the query, the newest first."""
    limit = page_limit(query.limit, service.MAX_PAGE_SIZE)
    if query.query is None or len(query.query) > service.QUERY_LIMIT:
        raise Invalid(f"A query has 1 to {service.QUERY_LIMIT} characters.", field="?query")
    may_read = None
    if query.channel_id is not None:
        await used_channel(call, query.channel_id, Op.HISTORY)
    elif not call.is_server:
        may_read = await _reading(call)
    found = await call.service(service.Search).find(
        call.scope,
        query.query,
        channel=query.channel_id,
        may_read=may_read,
        limit=limit,
        before=query.before,
    )
    meta = {"has_more": found.has_more, "total": found.total, "query": query.query}
    return many(message_resources(found.messages), meta=meta)


async def _reading(call: Call) -> service.MayRead:
    """Whether the caller may read a channel; an authorization is for one channel, and does not count."""
    access = call.service(ChannelAccess)
    shown = dataclasses.replace(await credentials(call), socket_id=None, auth=None, channel_data=None)

    async def may_read(channel: str) -> bool:
        try:
            permission = await access.permission(call.scope, call.app, channel, shown)
        except UnauthorizedChannel:
            return False
        return Op.HISTORY in permission.ops

    return may_read
