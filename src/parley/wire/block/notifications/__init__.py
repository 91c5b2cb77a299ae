"""Notifications, and the sources of what is sent (`realtime-block.md` 18.12, 18.13, 18.17)."""

from __future__ import annotations

from parley.wire.block.notifications import notifications, sources, web

AREAS = (notifications.routes, web.routes, sources.routes)
