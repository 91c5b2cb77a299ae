"""Publishing: what may be published at all, and how often (`realtime-block.md` 3, 6.7, 11)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from typing import NamedTuple

from parley.accounts.app_settings import AppSettings
from parley.accounts.plans import Plan, PlanSettings
from parley.accounts.rates import Allowance, MessageRates
from parley.accounts.scope import AppScope
from parley.base.errors import Invalid, TooLarge
from parley.base.text import storable
from parley.channels.realtime.log import PublicationLog, Stored
from parley.channels.realtime.model import DATA_LIMIT_BYTES, EVENT_LIMIT, Draft
from parley.channels.realtime.names import check_name

BATCH_LIMIT = 100
_EVENT = re.compile(rf"[A-Za-z0-9_.:-]{{1,{EVENT_LIMIT}}}", re.ASCII)
_RESERVED = ("presence:", "typing:", "message:", "sys:")


class InvalidEvent(Invalid):
    """A malformed event name, or one that only the server uses."""

    code = "invalid_event"


class Accepted(NamedTuple):
    """A publication on its way to the disk."""

    stored: asyncio.Future[Stored]
    left: Allowance | None
    """What the app may still send; None without a limit."""


def check_event(event: str) -> str:
    """The event's name, if clients may use it.

    Raises:
        InvalidEvent: malformed or reserved.
    """
    if not _EVENT.fullmatch(event) or event == "presence" or event.startswith(_RESERVED):
        raise InvalidEvent("This is not an event's name, or it is reserved.", field="event")
    return event


def check_data(data: bytes) -> bytes:
    """Data, if it is small enough.

    Raises:
        TooLarge: over `DATA_LIMIT_BYTES`.
    """
    if len(data) > DATA_LIMIT_BYTES:
        raise TooLarge(f"The data of a message has at most {DATA_LIMIT_BYTES} bytes.")
    return data


def check_client_id(client_id: str | None) -> str | None:
    """A client's own id, if every database can hold it.

    Raises:
        Invalid: it cannot be stored.
    """
    if client_id is not None and not storable(client_id):
        raise Invalid("The client's id has characters that cannot be stored.", field="client_id")
    return client_id


class Publisher:
    """Checks, counts and stores publications; whether somebody may publish there is the caller's to check."""

    def __init__(self, log: PublicationLog, settings: AppSettings, rates: MessageRates) -> None:
        self._log = log
        self._settings = settings
        self._rates = rates

    async def plan(self, scope: AppScope) -> Plan:
        """The app's limits."""
        return (await self._settings.get(scope, "plan", PlanSettings)).effective()

    async def take(self, scope: AppScope, count: int = 1) -> Allowance | None:
        """Count messages that are not published here (presence changes).

        Raises:
            TooMany: over the plan's rate.
        """
        return self._rates.take(scope.app_id, (await self.plan(scope)).messages_per_second, count)

    async def publish(
        self,
        scope: AppScope,
        channel: str,
        *,
        event: str,
        data: bytes,
        user_id: str | None,
        client_id: str | None = None,
        in_history: bool = True,
        is_event: bool = False,
        but: str | None = None,
    ) -> Accepted:
        """Check a publication and hand it to the log.

        Raises:
            Invalid: channel or event (with their own classes), or the client's id.
            TooLarge: the data.
            TooMany: over the plan's rate.
        """
        draft = Draft(
            app_id=scope.app_id,
            channel=check_name(channel),
            event=check_event(event),
            user_id=user_id,
            data=check_data(data),
            client_id=check_client_id(client_id),
            in_history=in_history,
            is_event=is_event,
            but=but,
        )
        left = await self.take(scope)
        return Accepted(self._log.append(draft), left)

    async def publish_all(
        self, scope: AppScope, drafts: Sequence[Draft]
    ) -> tuple[list[Stored], Allowance | None]:
        """Store checked drafts together, or none of them.

        Raises:
            TooMany: over the plan's rate; nothing was stored.
        """
        left = await self.take(scope, len(drafts))
        async with scope.store.database.transaction() as tx:
            stored = await self._log.write(tx, drafts)
        return stored, left
