"""Webhooks: endpoints over REST, and what they are told (`realtime-block.md` 14)."""
