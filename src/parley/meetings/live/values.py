"""Shared stores: small JSON values that clients of a session read, write and watch together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from parley.base.errors import Invalid, StateForbids, TooLarge
from parley.base.ids import SessionId
from parley.base.text import storable
from parley.base.times import to_ms
from parley.meetings.live import store
from parley.meetings.live.notices import SharedValue, ValuesChanged
from parley.meetings.live.peer import LivePeer

if TYPE_CHECKING:
    from parley.meetings.live.meeting import LiveMeeting

NAME_LIMIT, KEY_LIMIT = 256, 256
VALUE_LIMIT_BYTES = 65_536
STORES_LIMIT, KEYS_LIMIT = 100, 1_000
"""Stores of one session, keys of one store."""
TOTAL_LIMIT_BYTES = 4 << 20
"""Of all values of one session."""
PLUGINS_STORE = "__rtk_plugins__"


class SharedValues:
    """Keeps the stores of the running session."""

    def __init__(self, live: LiveMeeting) -> None:
        self._live = live
        self._stores: dict[str, dict[str, SharedValue]] = {}

    async def load(self, session_id: SessionId) -> None:
        """Take up the stores of a recovered session."""
        for name, value in await store.shared_values(self._live.scope, session_id):
            self._stores.setdefault(name, {})[value.key] = value

    def forget(self) -> None:
        """The session is over."""
        self._stores.clear()

    def read(self, name: str, keys: Sequence[str] = ()) -> list[SharedValue]:
        """Entries of a store; all of them when no key is named."""
        values = self._stores.get(name, {})
        return [values[key] for key in keys if key in values] if keys else list(values.values())

    async def write(self, peer: LivePeer, name: str, entries: Iterable[tuple[str, bytes]]) -> ValuesChanged:
        """Put values.

        Raises:
            Invalid: a name, key or value that cannot be kept.
            TooLarge: over a limit.
        """
        peer.require_joined()
        self._require_plugin_rights(peer, name)
        session_id = self._session_id()
        now = to_ms(self._live.scope.now())
        items = [SharedValue(key, value, peer.id, now) for key, value in entries]
        self._check(name, items)
        async with self._live.scope.change() as change:
            await store.put_values(change, session_id, name, items)
        self._stores.setdefault(name, {}).update({item.key: item for item in items})
        notice = ValuesChanged(name, items, is_deletion=False)
        self._live.tell(notice, but=peer)
        return notice

    async def delete(self, peer: LivePeer, name: str, keys: Sequence[str]) -> ValuesChanged:
        """Remove entries."""
        peer.require_joined()
        self._require_plugin_rights(peer, name)
        session_id = self._session_id()
        now = to_ms(self._live.scope.now())
        values = self._stores.get(name, {})
        gone = [key for key in dict.fromkeys(keys) if key in values]
        if gone:
            async with self._live.scope.change() as change:
                await store.drop_values(change, session_id, name, gone)
        for key in gone:
            values.pop(key, None)
        items = [SharedValue(key, b"", peer.id, now) for key in gone]
        notice = ValuesChanged(name, items, is_deletion=True)
        if items:
            self._live.tell(notice, but=peer)
        return notice

    def _session_id(self) -> SessionId:
        if self._live.session is None:
            raise StateForbids("No session is running.")
        return self._live.session.id

    @staticmethod
    def _require_plugin_rights(peer: LivePeer, name: str) -> None:
        if name == PLUGINS_STORE:
            may = peer.permissions.plugins
            peer.require(may.can_start or may.can_close, "open or close plugins")

    def _check(self, name: str, items: Sequence[SharedValue]) -> None:
        if not name or len(name) > NAME_LIMIT or not storable(name):
            raise Invalid(f"A store's name has 1 to {NAME_LIMIT} characters.", field="store_name")
        for item in items:
            if not item.key or len(item.key) > KEY_LIMIT or not storable(item.key):
                raise Invalid(f"A key has 1 to {KEY_LIMIT} characters.", field="store_key")
            if len(item.value) > VALUE_LIMIT_BYTES:
                raise TooLarge(f"A shared value has at most {VALUE_LIMIT_BYTES} bytes.")
            try:
                msgspec.json.decode(item.value)
            except (msgspec.DecodeError, RecursionError) as error:  # the latter: nested too deeply
                raise Invalid("A shared value must be JSON.", field="payload") from error
        known = self._stores.get(name)
        if known is None and len(self._stores) >= STORES_LIMIT:
            raise TooLarge(f"A session has at most {STORES_LIMIT} stores.")
        if len({*(known or ()), *(item.key for item in items)}) > KEYS_LIMIT:
            raise TooLarge(f"A store has at most {KEYS_LIMIT} keys.")
        total = sum(len(value.value) for values in self._stores.values() for value in values.values())
        if total + sum(len(item.value) for item in items) > TOTAL_LIMIT_BYTES:
            raise TooLarge(f"The shared values of a session have at most {TOTAL_LIMIT_BYTES} bytes.")
