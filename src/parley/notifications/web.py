"""Web notifications: those of a user's browser (`realtime-block.md` 18.13)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from parley.accounts.scope import AppScope, Change
from parley.base.errors import Invalid, NotAllowed, NotFound
from parley.base.ids import is_uuid, new_uuid
from parley.base.paging import Page, PageRequest
from parley.channels.realtime.log import PublicationLog
from parley.notifications import store
from parley.notifications.model import BULK_LIMIT, NewWebNotification, WebNotification
from parley.notifications.views import publication, web_notification_view
from parley.people.model import Caller
from parley.people.preferences import without_app
from parley.people.service import People
from parley.store.listing import NEWEST_FIRST, Sort

EVENT = "web_notification"


class Sent(NamedTuple):
    """What became of a notification for many."""

    sent: int
    failed: int
    """Recipients that nobody knows."""


class WebNotifications:
    """The web notifications of all apps; users see those for them and those by them."""

    def __init__(self, log: PublicationLog, people: People) -> None:
        self._log = log
        self._people = people

    async def send(
        self, scope: AppScope, caller: Caller, recipient: str, new: NewWebNotification
    ) -> WebNotification:
        """Send one to a user.

        Raises:
            Invalid: nobody knows the recipient.
            TooLarge: over what can be published.
        """
        made = await self._send(scope, caller, [recipient], new)
        if not made:
            raise Invalid("There is no such user.", field="/web_notification/recipient_unique_id")
        return made[0]

    async def send_bulk(
        self, scope: AppScope, caller: Caller, recipients: Sequence[str], new: NewWebNotification
    ) -> Sent:
        """Send the same to many; each gets it once, however often they are named.

        Raises:
            Invalid: more than `BULK_LIMIT` recipients, or none.
            TooLarge: over what can be published.
        """
        if not 1 <= len(recipients) <= BULK_LIMIT:
            raise Invalid(
                f"A notification goes to 1 to {BULK_LIMIT} recipients.",
                field="/web_notification/recipient_unique_ids",
            )
        made = {one.recipient_unique_id for one in await self._send(scope, caller, recipients, new)}
        sent = sum(1 for one in recipients if one in made)
        return Sent(sent, len(recipients) - sent)

    async def get(self, scope: AppScope, caller: Caller, id_: str) -> WebNotification:
        """One web notification.

        Raises:
            NotFound: none that the caller sees.
        """
        return _visible(await store.get_web(scope, id_.lower()) if is_uuid(id_) else None, caller)

    async def page(
        self,
        scope: AppScope,
        caller: Caller,
        wanted: PageRequest,
        sort: Sort = NEWEST_FIRST,
        *,
        is_read: bool | None = None,
        **filters: str | None,
    ) -> Page[WebNotification]:
        """A page of those that the caller sees.

        Filters are `recipient_unique_id`, `notification_type`, `priority` and `status`.
        """
        return await store.page_web(scope, wanted, sort, is_read=is_read, viewer=caller.viewer, **filters)

    async def mark(self, scope: AppScope, caller: Caller, id_: str, *, is_clicked: bool) -> WebNotification:
        """Mark it read, and clicked; the first times stay.

        Raises:
            NotFound: none that the caller sees.
            NotAllowed: it is for somebody else.
        """
        async with scope.change() as change:
            before = await self._lock(change, caller, id_)
            if not caller.is_user(before.recipient_unique_id):
                raise NotAllowed("Only its recipient reads a notification.")
            now = change.now()
            after = replace(
                before,
                read_at=before.read_at or now,
                clicked_at=(before.clicked_at or now) if is_clicked else before.clicked_at,
                updated_at=now,
            )
            await store.put_web(change, after)
        return after

    async def read_all(self, scope: AppScope, caller: Caller, recipient: str) -> int:
        """Mark everything read; returns how many were not.

        Raises:
            NotAllowed: somebody else's.
        """
        caller.must_be(recipient)
        async with scope.change() as change:
            return await store.read_all_web(change, recipient, change.now())

    async def delete(self, scope: AppScope, caller: Caller, id_: str) -> None:
        """Remove it for everybody.

        Raises:
            NotFound: none that the caller sees.
        """
        async with scope.change() as change:
            found = await self._lock(change, caller, id_)
            await store.remove_web(change, found.id)

    async def _send(
        self, scope: AppScope, caller: Caller, recipients: Sequence[str], new: NewWebNotification
    ) -> list[WebNotification]:
        now = scope.now()
        async with scope.change() as change:
            known = await self._people.known(change, recipients)
            made = [
                WebNotification(
                    id=new_uuid(),
                    recipient_unique_id=recipient,
                    **msgspec.structs.asdict(new),
                    status="active",
                    enabled=True,
                    created_by=caller.user_id,
                    sent_at=now,
                    read_at=None,
                    clicked_at=None,
                    created_at=now,
                    updated_at=now,
                )
                for recipient in dict.fromkeys(recipients)
                if recipient in known
            ]
            if made:
                await store.add_web(change, made)
                await self._publish(change, caller, made)
        return made

    async def _publish(self, change: Change, caller: Caller, made: Sequence[WebNotification]) -> None:
        assert isinstance(change.scope, AppScope)
        silent = await without_app(change, [one.recipient_unique_id for one in made])
        drafts = []
        for one in made:
            view = web_notification_view(one) | {"object_type": EVENT}
            draft = publication(change.scope.app_id, one.recipient_unique_id, EVENT, caller.user_id, view)
            if draft is not None and one.recipient_unique_id not in silent:
                drafts.append(draft)
        if drafts:
            await self._log.write(change.tx, drafts)

    async def _lock(self, change: Change, caller: Caller, id_: str) -> WebNotification:
        return _visible(await store.lock_web(change, id_.lower()) if is_uuid(id_) else None, caller)


def _visible(found: WebNotification | None, caller: Caller) -> WebNotification:
    if found is None or not (caller.is_user(found.recipient_unique_id) or caller.is_user(found.created_by)):
        raise NotFound("There is no such notification.")
    return found
