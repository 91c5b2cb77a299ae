"""Members of a channel over REST (`realtime-block.md` 7.4)."""

from __future__ import annotations

from parley.base.times import iso_from_ms
from parley.channels.realtime.access import ChannelAccess
from parley.channels.realtime.grants import Op
from parley.channels.realtime.names import InvalidChannel
from parley.channels.realtime.presence import Presence
from parley.wire.block.channels.access import used_channel
from parley.wire.block.endpoint import Call, Routes
from parley.wire.block.replies import Reply, Resource, many

routes = Routes("Channels")


@routes.get("/v1/realtime/channels/{channel_id}/presence")
async def list_members(call: Call, channel_id: str) -> Reply:
    """List who is in a channel now."""
    await used_channel(call, channel_id, Op.PRESENCE)
    features = await call.service(ChannelAccess).features(call.scope, channel_id)
    if not features.presence:
        raise InvalidChannel("This kind of channel has no members.")
    members = await call.service(Presence).snapshot(call.scope.app_id, channel_id)
    resources = [
        Resource(
            member.user_id,
            "presence_members",
            {
                "user_id": member.user_id,
                "status": member.status,
                "data": member.data,
                "connections": member.connections,
                "joined_at": iso_from_ms(member.joined_ms),
                "updated_at": iso_from_ms(member.updated_ms),
            },
        )
        for member in members
    ]
    return many(resources, meta={"count": len(resources)})
