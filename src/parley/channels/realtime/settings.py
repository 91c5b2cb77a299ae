"""What an app decides about its channels (`realtime-block.md` 16.4)."""

from __future__ import annotations

import msgspec

from parley.channels.realtime.names import FeatureChoice

SECTION = "channels"


class ChannelSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `channels`."""

    channel_auth_url: str | None = None
    """Asked about private and presence channels that nothing else opens."""
    client_grants: list[str] | None = None
    """Patterns that clients may ask for in a connection token; null for the built-in rule."""
    default_grants: list[str] | None = None
    """Patterns of a token that names no channels; `{user_id}` stands for the user. Null for the built-in."""
    namespaces: dict[str, FeatureChoice] = {}
    """What works on channels, by the first word of their name."""
