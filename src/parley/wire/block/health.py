"""Whether the service runs (`realtime-block.md` 18.17)."""

from __future__ import annotations

from datetime import UTC, datetime

from parley import __version__
from parley.base.times import iso_ms
from parley.wire.block.endpoint import Routes
from parley.wire.block.replies import Reply, flat

routes = Routes("Health")


@routes.get("/health", access="anybody")
async def health() -> Reply:
    """Say that the service runs; needs no credentials."""
    return flat(
        {
            "service": "conversations",
            "status": "ok",
            "version": __version__,
            "timestamp": iso_ms(datetime.now(UTC)),
        }
    )
