"""What accounts announce."""

from __future__ import annotations

from parley.base.events import Event, event
from parley.base.ids import AppId, CredentialId


@event("accounts.app_created", since="0.1")
class AppCreated(Event, frozen=True):
    """An app was created."""

    app_id: AppId
    name: str

    @property
    def topic(self) -> str:
        """One stream per app."""
        return f"app:{self.app_id}"


@event("accounts.credential_revoked", since="0.1")
class CredentialRevoked(Event, frozen=True):
    """A credential stopped working; sockets and streams opened by it are closed."""

    credential_id: CredentialId

    @property
    def topic(self) -> str:
        """One stream per credential."""
        return f"credential:{self.credential_id}"


@event("accounts.app_settings_changed", since="0.2")
class AppSettingsChanged(Event, frozen=True):
    """Settings of an app were changed; servers read them again."""

    app_id: AppId
    section: str

    @property
    def topic(self) -> str:
        """One stream per app."""
        return f"app:{self.app_id}"
