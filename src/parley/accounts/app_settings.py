"""Settings of one app: sections, each a struct of the domain that reads it.

Every server keeps what it has read for a few seconds at most, and forgets it at once when it is told of a
change.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, TypeVar

import msgspec

from parley.accounts import store
from parley.accounts.events import AppSettingsChanged
from parley.accounts.scope import AppScope, Change
from parley.base.clock import Clock
from parley.base.ids import AppId

T = TypeVar("T", bound=msgspec.Struct)
KEPT_S = 5.0
"""A net: how old settings may be when the news of a change got lost."""
_REMEMBERED = 10_000


async def read(scope: AppScope, section: str, shape: type[T]) -> T:
    """A section as it is stored; its defaults when it never was."""
    body = await store.app_settings(scope, section)
    return shape() if body is None else msgspec.json.decode(body, type=shape)


async def write(change: Change, section: str, value: msgspec.Struct) -> None:
    """Replace a section."""
    assert isinstance(change.scope, AppScope)
    await store.put_app_settings(change, section, msgspec.json.encode(value).decode())
    change.announce(AppSettingsChanged(app_id=change.scope.app_id, section=section))


class AppSettings:
    """What this server knows of the settings of apps."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: OrderedDict[tuple[AppId, str], tuple[float, Any]] = OrderedDict()

    async def get(self, scope: AppScope, section: str, shape: type[T]) -> T:
        """A section."""
        key = (scope.app_id, section)
        found = self._known.get(key)
        now = self._clock.monotonic()
        if found is not None and found[0] > now:
            value: T = found[1]
            return value
        value = await read(scope, section, shape)
        self._known[key] = (now + KEPT_S, value)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return value

    def forget(self, app_id: AppId) -> None:
        """The app's settings have changed."""
        for key in [key for key in self._known if key[0] == app_id]:
            del self._known[key]
