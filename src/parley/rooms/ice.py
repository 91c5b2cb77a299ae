"""Which ICE servers a participant is told of (`realtime-block.md` 15.4)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from parley.base.errors import Invalid
from parley.media.turn import IceOptions, ice_servers


def servers_for(options: IceOptions, user_id: str, instead: str, now: datetime) -> list[dict[str, Any]]:
    """As RTCIceServer dictionaries; relay credentials name the user, or `instead` if that cannot be."""
    try:
        servers = ice_servers(options, user_id, now)
    except Invalid:
        servers = ice_servers(options, instead, now)
    return [
        {"urls": list(server.urls)}
        if server.username is None
        else {"urls": list(server.urls), "username": server.username, "credential": server.credential}
        for server in servers
    ]
