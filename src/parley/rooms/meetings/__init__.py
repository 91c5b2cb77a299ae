"""Planned meetings, each held in a WebRTC room (`realtime-block.md` 18.15)."""
