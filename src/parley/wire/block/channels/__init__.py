"""Channels over REST (`realtime-block.md` 1.5, 10 to 12)."""

from __future__ import annotations

from parley.wire.block.channels import history, presence, publish, receipts, search, tokens

AREAS = (
    tokens.routes,
    publish.routes,
    history.routes,
    search.routes,
    receipts.routes,
    presence.routes,
)
