"""Sockets that end because the app keeps their users out from now on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parley.accounts.app_settings import AppSettings
from parley.accounts.exclusion import SECTION, Excluded, ExclusionSettings
from parley.base.ids import AppId
from parley.stream.closing import Close

if TYPE_CHECKING:
    from parley.wire.block.socket.server import BlockSockets


async def close_excluded(server: BlockSockets, settings: AppSettings, app_id: AppId) -> None:
    """Close the sockets of this process whose users an app does not let in any more, for good."""
    found: ExclusionSettings | None = None
    for connection in list(server.connections):
        session = connection.session
        if session is None or session.identity.scope.app_id != app_id:
            continue
        if found is None:
            found = await settings.get(session.identity.scope, SECTION, ExclusionSettings)
        reason = found.reason(session.identity.user_id)
        if reason is not None:
            connection.is_ending = True  # members leave at once, and nothing is there to be resumed
            connection.fail(Excluded(reason), Close.REALTIME_BANNED)
