"""How long publications are kept (`realtime-block.md` 3.1): nobody is shown what is older."""

from __future__ import annotations

from parley.accounts.app_settings import AppSettings
from parley.accounts.plans import PlanSettings
from parley.accounts.scope import AppScope
from parley.base.times import to_ms

KEPT_FOR_EVER = 0


class Retention:
    """Tells how old what is shown may be."""

    def __init__(self, settings: AppSettings) -> None:
        self._settings = settings

    async def expired_ms(self, scope: AppScope) -> int:
        """What was published then or before (ms since 1970) is gone; `KEPT_FOR_EVER` when nothing goes."""
        kept = (await self._settings.get(scope, "plan", PlanSettings)).effective().retention
        return KEPT_FOR_EVER if kept is None else to_ms(scope.store.clock.now() - kept)
