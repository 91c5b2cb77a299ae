"""Two changes of one message at the same time both hold."""

from __future__ import annotations

import asyncio

from parley.base.ids import ParticipantId, PeerId, new_uuid
from parley.channels import service
from parley.channels.model import MessageKind


async def test_an_edit_and_a_pin_at_the_same_time_both_hold(app_scope):
    """On PostgreSQL each wrote what it had read before the other."""
    author = ParticipantId(new_uuid())
    for _ in range(10):
        sent = await service.send(
            app_scope,
            "room",
            peer_id=PeerId(new_uuid()),
            sender_id=author,
            sender_name="Alice",
            kind=MessageKind.TEXT,
            payload="first",
        )
        await asyncio.gather(
            service.edit(app_scope, "room", sent.id, author, payload="second"),
            service.pin(app_scope, "room", sent.id, author, pinned=True),
        )
        now = await service.edit(app_scope, "room", sent.id, author)
        assert (now.payload, now.is_pinned) == ("second", True)
