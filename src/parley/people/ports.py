"""What people need of others."""

from __future__ import annotations

from typing import Protocol

from parley.base.ids import AppId
from parley.people.model import Presence


class PresenceMirror(Protocol):
    """Shows a user's availability where the user is a member (`realtime-block.md` 18.10)."""

    async def status_changed(
        self, app_id: AppId, user_id: str, status: Presence, custom_status: str | None
    ) -> None:
        """Update the user's members in every channel of the app; nothing where there are none."""
        ...


class NoMirror:
    """There is no presence to show it in."""

    async def status_changed(
        self, app_id: AppId, user_id: str, status: Presence, custom_status: str | None
    ) -> None:
        """See `PresenceMirror.status_changed`."""
