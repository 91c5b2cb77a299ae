"""What a plan allows (`realtime-block.md` 3.1)."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache
from typing import Literal

import msgspec

PlanName = Literal["free", "starter", "pro", "enterprise"]


class Plan(msgspec.Struct, frozen=True):
    """Limits of one app; None = none."""

    connections: int | None
    """Open sockets."""
    messages_per_second: int | None
    """A bucket of this size, refilled at this rate."""
    channels: int | None
    """Subscriptions of one connection."""
    retention_hours: int | None
    """Age of a message that can still be read."""

    @property
    def retention(self) -> timedelta | None:
        """The same as an interval."""
        return None if self.retention_hours is None else timedelta(hours=self.retention_hours)


PLANS: dict[PlanName, Plan] = {
    "free": Plan(100, 50, 10, 24),
    "starter": Plan(5_000, 500, 100, 7 * 24),
    "pro": Plan(50_000, 5_000, 1_000, 30 * 24),
    "enterprise": Plan(None, None, None, None),
}


class PlanSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The plan of an app, and single numbers that differ from it; null lifts a limit."""

    plan: PlanName = "free"
    connections: int | msgspec.UnsetType | None = msgspec.UNSET
    messages_per_second: int | msgspec.UnsetType | None = msgspec.UNSET
    channels: int | msgspec.UnsetType | None = msgspec.UNSET
    retention_hours: int | msgspec.UnsetType | None = msgspec.UNSET

    def effective(self) -> Plan:
        """The limits that hold."""
        return _effective(self)


@lru_cache(maxsize=1_024)
def _effective(settings: PlanSettings) -> Plan:
    """Asked for every message."""
    own = {
        name: value
        for name in Plan.__struct_fields__
        if (value := getattr(settings, name)) is not msgspec.UNSET
    }
    return msgspec.structs.replace(PLANS[settings.plan], **own)
