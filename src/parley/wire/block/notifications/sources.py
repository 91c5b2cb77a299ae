"""Sources of messages and notifications (`realtime-block.md` 18.17)."""

from __future__ import annotations

from parley.notifications.sources import Sources
from parley.notifications.views import source_view
from parley.wire.block.endpoint import Call, Routes
from parley.wire.block.replies import Reply, one

routes = Routes("Sources")


@routes.get("/sources/{source_id}", scope="conversations:read")
async def get_source(call: Call, source_id: str) -> Reply:
    """Get a source."""
    found = await call.service(Sources).get(call.scope, source_id)
    return one("Source", found.id, source_view(found))
