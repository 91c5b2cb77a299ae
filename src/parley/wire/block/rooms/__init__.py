"""Rooms, what is recorded in them, and the meetings they host (`realtime-block.md` 15.1, 18.15)."""

from __future__ import annotations

from parley.wire.block.rooms import meetings, recordings, rooms

AREAS = (rooms.routes, meetings.routes, recordings.routes)
