"""What webhooks announce."""

from __future__ import annotations

from parley.base.events import Event, event
from parley.base.ids import AppId


@event("webhooks.changed", since="0.2")
class WebhooksChanged(Event, frozen=True):
    """An app's webhooks want to hear of other events than before."""

    app_id: AppId

    @property
    def topic(self) -> str:
        """One stream per app."""
        return f"webhooks:{self.app_id}"
