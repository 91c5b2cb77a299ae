"""Read receipts over REST (`realtime-block.md` 12)."""

from __future__ import annotations

import hashlib

import msgspec

from parley.base.times import iso_from_ms
from parley.channels.realtime.grants import Op
from parley.channels.realtime.receipts import Receipts
from parley.wire.block.callers import user_named
from parley.wire.block.channels.access import used_channel
from parley.wire.block.endpoint import Call, Routes
from parley.wire.block.replies import Reply, one

routes = Routes("Channels")


class ReadBody(msgspec.Struct, frozen=True, kw_only=True):
    """What was read."""

    message_id: str
    user_id: str | None = None
    """By whom; a secret key must say so, a user token may."""
    up_to: bool = False
    """And everything before it."""


@routes.post("/v1/realtime/channels/{channel_id}/read", status=200, body="read_receipt")
async def mark_as_read(call: Call, channel_id: str, body: ReadBody) -> Reply:
    """Note that a user has read a message; repeating it answers with the first time."""
    await used_channel(call, channel_id, Op.SUBSCRIBE)
    user_id = user_named(call, body.user_id)
    outcome = await call.service(Receipts).read(
        call.scope, channel_id, body.message_id, user_id, up_to=body.up_to
    )
    # The pair of message and user is the receipt, so its id is made of them.
    digest = hashlib.sha256(f"{body.message_id} {user_id}".encode()).hexdigest()
    return one(
        "read_receipt",
        f"rr_{digest[:24]}",
        {
            "message_id": body.message_id,
            "user_id": user_id,
            "channel_id": channel_id,
            "read_at": iso_from_ms(outcome.read_at_ms),
        },
    )


@routes.get("/v1/realtime/channels/{channel_id}/messages/{message_id}/read")
async def get_read_status(call: Call, channel_id: str, message_id: str) -> Reply:
    """Who has read a message, in the order of reading, and who has received it."""
    await used_channel(call, channel_id, Op.HISTORY)
    status = await call.service(Receipts).status(call.scope, channel_id, message_id)
    return one(
        "read_status",
        message_id,
        {
            "read_by": [reader.user_id for reader in status.read_by],
            "read_count": len(status.read_by),
            "receipts": [
                {"user_id": reader.user_id, "read_at": iso_from_ms(reader.read_at_ms)}
                for reader in status.read_by
            ],
            "delivered_to": status.delivered_to,
            "delivered_count": len(status.delivered_to),
        },
    )
