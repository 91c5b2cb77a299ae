"""Callbacks of a transaction that run once it is committed."""

from __future__ import annotations

from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)
Hook = Callable[[], None]


class Hooks(list[Hook]):
    """Callbacks in the order in which they were added."""

    def run(self) -> None:
        """Call them; what they raise is logged, for the change is committed whatever they do."""
        for hook in self:
            try:
                hook()
            except Exception:
                log.exception("commit_hook_failed")
