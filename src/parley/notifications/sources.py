"""Where messages and notifications come from (`realtime-block.md` 18.17)."""

from __future__ import annotations

from parley.accounts.scope import AppScope, Change
from parley.base.errors import NotFound
from parley.base.ids import is_uuid, new_uuid
from parley.notifications import store
from parley.notifications.model import Source


class Sources:
    """The sources of all apps; each (source type, source id) that was ever named has one."""

    async def seen(self, change: Change, source_type: str, external_id: str, name: str | None = None) -> str:
        """The id of a source; it is made when it is new.

        Args:
            change: of whatever names the source.
            source_type: empty when it is not said.
            external_id: the customer's own id.
            name: of a source that is new.
        """
        known = await store.source_id(change, source_type, external_id)
        if known is not None:
            return known
        now = change.now()
        await store.add_source(
            change,
            Source(
                id=new_uuid(),
                source_type=source_type,
                external_id=external_id,
                name=name,
                status="active",
                metadata=None,
                payload=None,
                created_at=now,
                updated_at=now,
            ),
        )
        # Whoever added it at the same time was first: theirs is read.
        made = await store.source_id(change, source_type, external_id)
        assert made is not None
        return made

    async def get(self, scope: AppScope, source_id: str) -> Source:
        """One source.

        Raises:
            NotFound: none of that id.
        """
        found = await store.source(scope, source_id.lower()) if is_uuid(source_id) else None
        if found is None:
            raise NotFound("There is no such source.")
        return found
