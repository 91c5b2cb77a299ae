"""Which events of an app anybody wants to hear of.

Most apps have no webhook for most of what happens on channels, so it is asked before an event is written.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from parley.base.clock import Clock
from parley.base.ids import AppId, OrganizationId
from parley.store.outbox import Announced
from parley.store.ports import Reader
from parley.webhooks import store as rows
from parley.webhooks.events import WebhooksChanged
from parley.webhooks.model import BLOCK, CAUGHT_UP_WITHIN

KEPT_S = 5.0
"""How late a webhook hears of its first event when another server made it and the news got lost."""
_REMEMBERED = 50_000


class Wanted(NamedTuple):
    """What an app's webhooks want to hear of."""

    organization_id: OrganizationId
    names: frozenset[str]

    def has(self, name: str) -> bool:
        """Whether any of them wants events of that name."""
        return name in self.names or "*" in self.names


class Interest:
    """What this server knows of it, `KEPT_S` old at most."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: OrderedDict[AppId, tuple[float, Wanted | None]] = OrderedDict()
        self._forgotten = 0
        """How often something was forgotten: what was read meanwhile may be old already."""

    async def of(self, reader: Reader, app_id: AppId) -> Wanted | None:
        """What an app's webhooks want to hear of; None without webhooks."""
        found = self.known(app_id)
        if found is not None:
            return found[0]
        before = self._forgotten
        since = self._clock.now() - CAUGHT_UP_WITHIN
        row = await rows.wanted(reader, app_id, BLOCK, since)
        wanted = Wanted(*row) if row is not None else None
        if self._forgotten == before:
            self._known[app_id] = (self._clock.monotonic() + KEPT_S, wanted)
            self._known.move_to_end(app_id)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return wanted

    def known(self, app_id: AppId) -> tuple[Wanted | None] | None:
        """The same without asking the database; None = it must be asked."""
        found = self._known.get(app_id)
        if found is None or found[0] <= self._clock.monotonic():
            return None
        return (found[1],)

    def forget(self, app_id: AppId) -> None:
        """The app's webhooks have changed."""
        self._forgotten += 1
        self._known.pop(app_id, None)

    def heard(self, item: Announced) -> None:
        """`Outbox.listen`, and for what other servers announced."""
        if isinstance(item.event, WebhooksChanged):
            self.forget(item.event.app_id)
